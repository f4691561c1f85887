"""Finds the line of each key in a TOML, JSON or YAML text that has parsed already."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from importlib import import_module
from typing import Any, cast

from connpool_runtime.config.problems import KeyPath

__all__ = ["lines_of_json", "lines_of_toml", "lines_of_yaml"]

Lines = dict[KeyPath, int]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_SCALAR = re.compile(r"[^,\]}\n#]+")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}' r"|'''.*?'{3,5}" r'|"(?:\\.|[^"\\\n])*"' r"|'[^'\n]*'",
    re.DOTALL,
)


class _Scanner:
    """A position in a text, and the lines of the keys passed so far."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: Lines = {}
        self._counted, self._line = 0, 1

    @property
    def line(self) -> int:
        """The line of the current position; it only grows."""
        self._line += self.text.count("\n", self._counted, self.at)
        self._counted = self.at
        return self._line

    @property
    def next(self) -> str:
        """The character at the current position; "" at the end."""
        return self.text[self.at : self.at + 1]

    def skip(self, pattern: re.Pattern[str]) -> str:
        """Skip what matches a pattern here, and return it."""
        found = pattern.match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found[0]

    def _more(self, between: re.Pattern[str], end: str) -> bool:
        """Skip a separator; return whether another item follows before the end."""
        self.skip(between)
        return self.next not in (end, "")

    def note(self, path: KeyPath) -> None:
        """Note the line of a key, unless it was seen before."""
        self.lines.setdefault(path, self.line)


class _Toml(_Scanner):
    """Walks through a TOML text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._lengths: dict[KeyPath, int] = {}  # number of tables in each array of tables
        self._table: KeyPath = ()

    def scan(self) -> Lines:
        """Walk through the whole text."""
        while self._more(_BLANK, ""):
            if self.next == "[":
                self._header()
            else:
                self._assignment(self._table)
        return self.lines

    def _header(self) -> None:
        many = self.text.startswith("[[", self.at)
        self.at += 2 if many else 1
        keys = self._key()
        outer = self._resolved(keys[:-1])
        path: KeyPath = (*outer, keys[-1])
        if many:
            place = self._lengths.get(path, 0)
            self._lengths[path] = place + 1
            self.note(path)
            path = (*path, place)
        else:
            path = self._resolved(keys)
        for depth in range(1, len(path) + 1):
            self.note(path[:depth])
        self._table = path
        self.at += 2 if many else 1

    def _resolved(self, keys: tuple[str, ...]) -> KeyPath:
        """Return the path of a table header, which may lead into the latest table of an array."""
        path: KeyPath = ()
        for key in keys:
            path = (*path, key)
            if path in self._lengths:
                path = (*path, self._lengths[path] - 1)
        return path

    def _key(self) -> tuple[str, ...]:
        keys: list[str] = []
        while True:
            self.skip(_SPACE)
            if self.next in ("'", '"'):
                keys.append(str(tomllib.loads(f"key = {self.skip(_STRING)}")["key"]))
            else:
                keys.append(self.skip(_BARE_KEY))
            self.skip(_SPACE)
            if self.next != ".":
                return tuple(keys)
            self.at += 1

    def _assignment(self, table: KeyPath) -> None:
        line = self.line
        path = table
        for key in self._key():
            path = (*path, key)
            self.lines.setdefault(path, line)
        self.at += 1  # the equals sign
        self.skip(_SPACE)
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        if self.next == "[":
            self._inside("]", path, self._element)
        elif self.next == "{":
            self._inside("}", path, self._member)
        elif self.next in ("'", '"'):
            self.skip(_STRING)
        else:
            self.skip(_SCALAR)

    def _member(self, path: KeyPath, _place: int) -> None:
        self._assignment(path)

    def _element(self, path: KeyPath, place: int) -> None:
        self.note((*path, place))
        self._value((*path, place))

    def _inside(self, end: str, path: KeyPath, pass_one: Callable[[KeyPath, int], None]) -> None:
        self.at += 1
        place = 0
        while self._more(_BLANK, end):
            pass_one(path, place)
            place += 1
            self.skip(_BLANK)
            if self.next == ",":
                self.at += 1
        self.at += 1


def lines_of_toml(text: str) -> Lines:
    """Return the line of every key of a TOML text."""
    return _Toml(text).scan()


_WHITE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


class _Json(_Scanner):
    """Walks through a JSON text."""

    def value(self, path: KeyPath) -> None:
        """Walk through one value."""
        self.skip(_WHITE)
        if self.next == "{":
            self._members(path)
        elif self.next == "[":
            self._elements(path)
        else:
            _, self.at = _DECODER.raw_decode(self.text, self.at)

    def _members(self, path: KeyPath) -> None:
        self.at += 1
        while self._more(_WHITE, "}"):
            line = self.line
            key, self.at = _DECODER.raw_decode(self.text, self.at)
            self.lines.setdefault((*path, str(key)), line)
            self.skip(_WHITE)
            self.at += 1  # the colon
            self.value((*path, str(key)))
            self._comma()
        self.at += 1

    def _elements(self, path: KeyPath) -> None:
        self.at += 1
        place = 0
        while self._more(_WHITE, "]"):
            self.note((*path, place))
            self.value((*path, place))
            place += 1
            self._comma()
        self.at += 1

    def _comma(self) -> None:
        self.skip(_WHITE)
        if self.next == ",":
            self.at += 1


def lines_of_json(text: str) -> Lines:
    """Return the line of every key of a JSON text."""
    scanner = _Json(text)
    scanner.value(())
    return scanner.lines


def lines_of_yaml(text: str) -> Lines:
    """Return the line of every key of a YAML text, including merged-in keys.

    Raises:
        yaml.YAMLError: it is no YAML, or has a key twice in one mapping, of which PyYAML would keep the last.
    """
    yaml: Any = import_module("yaml")  # PyYAML ships no types
    lines: Lines = {}
    root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is not None:
        _note_node(root, (), lines, yaml.MappingNode, yaml.SequenceNode)
    return lines


def _note_node(node: Any, path: KeyPath, lines: Lines, mapping: Any, sequence: Any) -> None:
    if isinstance(node, sequence):
        for place, each in enumerate(cast("list[Any]", node.value)):
            lines.setdefault((*path, place), each.start_mark.line + 1)
            _note_node(each, (*path, place), lines, mapping, sequence)
    if not isinstance(node, mapping):
        return
    pairs = cast("list[tuple[Any, Any]]", node.value)
    merged = [value for key, value in pairs if key.value == "<<"]
    known: set[str] = set()
    for key, value in pairs:
        if key.value != "<<":
            _refuse_twice(key, known)
            lines.setdefault((*path, str(key.value)), key.start_mark.line + 1)
            _note_node(value, (*path, str(key.value)), lines, mapping, sequence)
    for value in merged:  # keys that stand here override merged-in ones
        for each in value.value if isinstance(value, sequence) else [value]:
            _note_node(each, path, lines, mapping, sequence)


def _refuse_twice(key: Any, known: set[str]) -> None:
    """Refuse a key that stands in a mapping already, as TOML does; keys are texts here, whatever YAML takes them for."""
    if str(key.value) in known:
        yaml: Any = import_module("yaml")  # PyYAML ships no types
        said = f"the key {str(key.value)!r} appears twice in one mapping"
        raise yaml.MarkedYAMLError(problem=said, problem_mark=key.start_mark)
    known.add(str(key.value))
