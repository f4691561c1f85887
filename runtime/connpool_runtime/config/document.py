"""A config file: its plain data, and the line of each key."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from connpool_runtime._extras import extra
from connpool_runtime.config.line_numbers import lines_of_json, lines_of_toml, lines_of_yaml
from connpool_runtime.config.problems import ConfigProblem, InvalidConfigFile, KeyPath

__all__ = ["Document", "read_document"]


@dataclass(frozen=True, slots=True)
class Document:
    """The content of a file.

    Attributes:
        name: what errors call the file.
        data: its content as plain data; every key is a text.
        lines: the line of each key, by its path.
    """

    name: str
    data: Mapping[str, Any]
    lines: Mapping[KeyPath, int]

    def place(self, path: KeyPath) -> str:
        """Return the place of a key, or of the nearest enclosing one: `services.toml:12`."""
        for length in range(len(path), 0, -1):
            line = self.lines.get(path[:length])
            if line is not None:
                return f"{self.name}:{line}"
        return self.name


class _NotWellFormed(ValueError):
    """The text does not parse. `line` is where, 0 if that is not known."""

    def __init__(self, text: str, line: int = 0) -> None:
        super().__init__(text)
        self.line = line


def read_document(path: str | Path) -> Document:
    """Read a TOML, YAML or JSON file.

    Arguments:
        path: the file; its suffix determines the format. YAML needs PyYAML (extra `yaml`).

    Raises:
        InvalidConfigFile: the file is of another form, or is not what its ending says; with the line.
        OSError: it cannot be read.
    """
    path, name = Path(path), str(path)
    form = _FORMS.get(path.suffix.lower())
    if form is None:
        raise _refusal(name, f"the config file must be one in {', '.join(_FORMS)}, not {name!r}")
    try:
        data, lines = form(
            path.read_text(encoding="utf-8-sig")
        )  # editors on Windows begin with a mark
    except _NotWellFormed as error:
        raise _refusal(name, str(error), error.line) from None
    except UnicodeDecodeError as error:
        raise _refusal(name, f"the file is not in UTF-8: {error}") from None
    except ModuleNotFoundError as error:
        raise _refusal(name, str(error)) from None
    except RecursionError:
        raise _refusal(name, "the file is nested too deeply, or contains itself") from None
    if not isinstance(data, Mapping):
        raise _refusal(name, f"the file must hold a mapping, not {type(data).__name__}", 1)
    return Document(name, cast("Mapping[str, Any]", data), lines)


def _refusal(name: str, text: str, line: int = 0) -> InvalidConfigFile:
    place = f"{name}:{line}" if line else name
    return InvalidConfigFile(name, [ConfigProblem(place, "", text)])


_TOML_LINE = re.compile(r" \(at line (\d+), column \d+\)")


def _toml(text: str) -> tuple[object, dict[KeyPath, int]]:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        found = _TOML_LINE.search(said)
        line = int(found[1]) if found else text.count("\n") + 1
        raise _NotWellFormed(f"not TOML: {_TOML_LINE.sub('', said)}", line) from None
    return data, lines_of_toml(text.replace("\r\n", "\n"))


def _json(text: str) -> tuple[object, dict[KeyPath, int]]:
    try:
        data = json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise _NotWellFormed(f"not JSON: {error.msg}", error.lineno) from None
    return data, lines_of_json(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _NotWellFormed(f"the key {twice!r} appears twice in one object")
    return found


def _yaml(text: str) -> tuple[object, dict[KeyPath, int]]:
    with extra("yaml"):
        yaml: Any = import_module("yaml")  # PyYAML ships no types
    try:
        data = yaml.safe_load(text)
        lines = lines_of_yaml(text)
    except yaml.YAMLError as error:
        mark: Any = getattr(error, "problem_mark", None)
        said = getattr(error, "problem", None) or str(error)
        raise _NotWellFormed(f"not YAML: {said}", 0 if mark is None else mark.line + 1) from None
    return ({} if data is None else _with_text_keys(data)), lines


def _with_text_keys(data: object) -> object:
    """Return data whose keys are texts, as in the other formats."""
    if isinstance(data, Mapping):
        pairs = cast("Mapping[object, object]", data).items()
        return {str(key): _with_text_keys(value) for key, value in pairs}
    if isinstance(data, list):
        return [_with_text_keys(each) for each in cast("list[object]", data)]
    return data


_FORMS: Mapping[str, Callable[[str], tuple[object, dict[KeyPath, int]]]] = {
    ".json": _json,
    ".toml": _toml,
    ".yaml": _yaml,
    ".yml": _yaml,
}
