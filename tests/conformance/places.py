"""Where a member lives: in the client's class, or in that of a namespace such as `chat.completions`."""

from __future__ import annotations

import functools
import importlib
import inspect
import re
from dataclasses import dataclass
from typing import Any

from tests.conformance.checkers import mypy_report
from tests.conformance.corpus import Client
from tests.conformance.workshop import Workshop


@dataclass(frozen=True, slots=True)
class Place:
    """A member by its dotted path: the class that has it, its name there, its type for mypy."""

    path: str
    owner: type
    name: str
    revealed: str

    @property
    def is_method(self) -> bool:
        """Whether the class itself has a function of this name."""
        raw = inspect.getattr_static(self.owner, self.name, None)
        return not isinstance(raw, type) and callable(getattr(raw, "__func__", raw))


def place(workshop: Workshop, client: Client, path: str) -> Place:
    """Find a member. Raises LookupError when the class of its namespace is not to be found."""
    revealed = mypy_report(workshop)["types"][client.slug]["client"]
    namespace, _, name = path.rpartition(".")
    owner = client.load()
    if namespace:
        owner = class_named(revealed.get(namespace, "")) or class_of_instance(client, namespace)
    return Place(path, owner, name, revealed.get(path, ""))


@functools.cache
def class_named(revealed: str) -> type | None:
    """The class that mypy revealed as the type of a namespace."""
    name = re.match(r"[\w.]*", revealed)
    module, _, attribute = name[0].rpartition(".") if name else ("", "", "")
    try:
        found: Any = getattr(importlib.import_module(module), attribute) if module else None
    except (ImportError, AttributeError):
        return None
    return found if isinstance(found, type) else None


@functools.cache
def class_of_instance(client: Client, namespace: str) -> type:
    """The class of what an instance has, for a client without types; making one connects to nothing."""
    try:
        made: Any = client.load()()
        return type(functools.reduce(getattr, namespace.split("."), made))
    except Exception as error:
        raise LookupError(f"no class is known for {client} {namespace}: {error}") from error
