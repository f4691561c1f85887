"""Problems in a config, each with its place, and the error that reports all of them at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from connpool_runtime.connectors.config.errors import InvalidConfig

__all__ = ["ConfigProblem", "InvalidConfigFile", "KeyPath", "dotted"]

KeyPath: TypeAlias = tuple[str | int, ...]
"""The keys that lead to a value, from the top of a file; a number is a place in a list."""


def dotted(path: KeyPath) -> str:
    """Return a key path as people write it: `services.users.pool.max_fails`."""
    return ".".join(str(key) for key in path)


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One problem. It holds no secret.

    Attributes:
        place: where it stands: `services.toml:12`, an environment variable, an argument.
        path: the key path; "" if it is about the file as a whole.
        text: what is wrong and what is allowed, in one sentence.
    """

    place: str
    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


class InvalidConfigFile(InvalidConfig):
    """A config is invalid; the message has one line for each problem.

    `problems` are the same one by one.
    """

    __module__ = "connpool_runtime.config"

    problems: tuple[ConfigProblem, ...]

    def __init__(self, file: str, problems: Iterable[ConfigProblem]) -> None:
        found = tuple(problems)
        super().__init__(file, "", "")
        self.problems = found
        lines = [str(problem) for problem in found]
        many = [f"{file} has {len(found)} errors:", *(f"  {line}" for line in lines)]
        self.args = ("\n".join(lines if len(lines) == 1 else many),)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.field, self.problems), self._state()
