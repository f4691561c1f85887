"""The types of config fields: each reads a value from a file, the environment or a program.

A field is a descriptor of a `Record`: type checkers see what may be given to the constructor
(`"500ms"`, 0.5 or None) and what an instance then holds (0.5). None is the default, zero is zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar, cast, overload

from connpool_runtime.connectors.config.errors import InvalidConfig
from connpool_runtime.connectors.config.masking import MASKED
from connpool_runtime.options.durations import FORMS, seconds_of
from connpool_runtime.options.parsing import SWITCH_WORDS
from connpool_runtime.options.schema import DURATION, Schema

__all__ = [
    "Choice",
    "Count",
    "Duration",
    "Field",
    "File",
    "Flag",
    "Number",
    "Secret",
    "Text",
    "Texts",
    "TextsByName",
]

T = TypeVar("T")
Given = TypeVar("Given")

MASK = f"'{MASKED}'"


class Refused(ValueError):
    """What a value would have to be; the field adds its name."""


class Field(Generic[Given, T]):
    """One field: `read` turns what is given into the stored value.

    Args:
        default: the value that None, or no value, means.
        reloadable: whether it may change in a running pool, that is without new clients.

    Attributes:
        words: what is allowed, as errors and the documentation say it.
        unit: what a value counts; "" if it counts nothing.
        secret: whether the value is masked in texts and hashed in keys.
        refers: whether a text may say where the value is kept: `env:NAME`, `file:PATH`.
        rereads: whether it is read there anew, and not once when a config is read.
        outlined: whether parts of a value may be shown, as `outline` has them.
    """

    words: str
    unit = ""
    secret = False
    refers = False
    rereads = False
    outlined = False

    def __init__(self, default: T, *, reloadable: bool = False) -> None:
        self.default = default
        self.reloadable = reloadable
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, holder: None, owner: type) -> Any: ...
    @overload
    def __get__(self, holder: object, owner: type) -> T: ...
    def __get__(self, holder: object | None, owner: type) -> Any:
        if holder is None:
            return None  # what the constructor takes for the default
        return holder.__dict__[self.name]

    def __set__(self, holder: object, given: Given | None) -> None:
        # Accessed through the constructor only, because `Record` is frozen.
        holder.__dict__[self.name] = self.default if given is None else self.checked(given)

    def checked(self, given: Any) -> T:
        """Read a value; refuse a bad one in the field's name."""
        try:
            return self.read(given)
        except Refused as refused:
            raise InvalidConfig(self.name, self.show(given), str(refused)) from None

    def show(self, value: object) -> str:
        """Return a value as errors and `repr` may show it."""
        return MASK if self.secret and value is not None else repr(value)

    def read(self, given: Any) -> T:
        """Turn what is given into the stored value, or raise `Refused`."""
        raise NotImplementedError

    def parse(self, text: str) -> Any:
        """Turn a text of the environment into what a file would hold."""
        return text

    def outline(self, value: object) -> object:
        """Return a value as JSON can hold it, without secrets."""
        return MASKED if self.secret and value is not None else value

    def schema(self) -> Schema:
        """Return the JSON schema of what a file may give."""
        raise NotImplementedError

    def canonical(self, value: Any) -> Any:
        """Return plain data by which two configs are compared."""
        return value


class Duration(Field[float | str, float]):
    """Seconds, given as a number or as "500ms", "30s", "5m"."""

    words = FORMS
    unit = "seconds"

    def read(self, given: object) -> float:
        """Return the seconds."""
        try:
            return seconds_of(given)
        except ValueError as error:
            raise Refused(str(error)) from None

    def schema(self) -> Schema:
        """Return the schema of a number of seconds, or of a text."""
        return dict(DURATION)


class Count(Field[int | float, int | float]):
    """A whole number, of at least `least`; infinity only where `unlimited`."""

    def __init__(
        self,
        default: float,
        *,
        least: int = 0,
        unlimited: bool = False,
        reloadable: bool = False,
    ) -> None:
        super().__init__(default, reloadable=reloadable)
        self.least = least
        self.unlimited = unlimited
        more = ' or "unlimited"' if unlimited else ""
        self.words = f"a whole number of at least {least}{more}"

    def read(self, given: object) -> int | float:
        """Return the number."""
        if self.unlimited and given in ("unlimited", math.inf):
            return math.inf
        if isinstance(given, bool) or not isinstance(given, int) or given < self.least:
            raise Refused(self.words)
        return given

    def schema(self) -> Schema:
        """Return the schema of such a number."""
        number: Schema = {"type": "integer", "minimum": self.least}
        return {"anyOf": [number, {"const": "unlimited"}]} if self.unlimited else number

    def parse(self, text: str) -> int | str:
        """Return a number where there is one."""
        return int(text) if text.strip().lstrip("-").isdecimal() else text

    def outline(self, value: object) -> object:
        """Return the number; "unlimited" for infinity, which JSON does not have."""
        return "unlimited" if value == math.inf else value

    def canonical(self, value: float) -> int | str:
        """Return the number; "unlimited" for infinity, which JSON does not have."""
        return "unlimited" if value == math.inf else int(value)


class Flag(Field[bool, bool]):
    """True or False; in the environment also 1, 0, yes, no, on, off."""

    words = "true or false"

    def read(self, given: object) -> bool:
        """Return the flag."""
        if not isinstance(given, bool):
            raise Refused(self.words)
        return given

    def schema(self) -> Schema:
        """Return the schema of true and false."""
        return {"type": "boolean"}

    def parse(self, text: str) -> bool | str:
        """Return what a word stands for."""
        return SWITCH_WORDS.get(text.strip().lower(), text)


class Text(Field[str, str | None]):
    """A text that is not empty, or None when it may be left out."""

    words = "a non-empty string"

    def __init__(self, default: str | None = None) -> None:
        super().__init__(default)

    def read(self, given: object) -> str | None:
        """Return the text."""
        if not isinstance(given, str) or not given:
            raise Refused(self.words)
        return given

    def schema(self) -> Schema:
        """Return the schema of such a text."""
        return {"type": "string", "minLength": 1}


class Secret(Text):
    """A text that is never shown: masked in `repr` and errors, hashed in keys."""

    secret = True
    refers = True


class Choice(Field[str, str]):
    """One of a few words."""

    def __init__(self, default: str, *others: str) -> None:
        super().__init__(default)
        self.allowed = (default, *others)
        self.words = "one of " + ", ".join(repr(word) for word in self.allowed)

    def read(self, given: object) -> str:
        """Return the word."""
        if given not in self.allowed:
            raise Refused(self.words)
        return str(given)

    def schema(self) -> Schema:
        """Return the schema of the words."""
        return {"enum": list(self.allowed)}


class Number(Field[int, int | None]):
    """One of a few whole numbers; None when it may be left out."""

    def __init__(self, *allowed: int) -> None:
        super().__init__(None)
        self.allowed = allowed
        self.words = "one of " + ", ".join(map(str, allowed))

    def read(self, given: object) -> int:
        """Return the number."""
        if isinstance(given, bool) or not isinstance(given, int) or given not in self.allowed:
            raise Refused(self.words)
        return given

    def parse(self, text: str) -> int | str:
        """Return a number where there is one."""
        return int(text) if text.strip().isdecimal() else text

    def schema(self) -> Schema:
        """Return the schema of the numbers."""
        return {"enum": list(self.allowed)}


class File(Field[str | Path, str | None]):
    """The path of an existing file."""

    words = "the path of a file that exists"

    def __init__(self) -> None:
        super().__init__(None)

    def read(self, given: object) -> str:
        """Return the path."""
        if not isinstance(given, (str, Path)) or not Path(given).is_file():
            raise Refused(self.words)
        return str(given)

    def schema(self) -> Schema:
        """Return the schema of a path."""
        return {"type": "string", "minLength": 1}


class Texts(Field[Iterable[str] | str, tuple[str, ...]]):
    """Some texts, in order; a single text may hold several with commas between them."""

    words = "a list of non-empty strings"

    def __init__(self, default: tuple[str, ...] = ()) -> None:
        super().__init__(default)

    def read(self, given: object) -> tuple[str, ...]:
        """Return the texts."""
        found = split(given)
        if not all(found):
            raise Refused(self.words)
        return found

    def schema(self) -> Schema:
        """Return the schema of a list of texts, or of a text with commas."""
        return list_schema()


class TextsByName(Field[Mapping[str, str], Mapping[str, str]]):
    """Texts by name, read-only; in the environment `a=1,b=2`. Treated as secrets: headers carry tokens."""

    words = "texts by name"
    secret = True
    refers = True

    def __init__(self) -> None:
        super().__init__(MappingProxyType({}))

    def read(self, given: object) -> Mapping[str, str]:
        """Return an immutable copy."""
        if not isinstance(given, Mapping):
            raise Refused(self.words)
        pairs = cast("Mapping[object, object]", given)
        if not all(isinstance(text, str) for pair in pairs.items() for text in pair):
            raise Refused(self.words)
        return MappingProxyType({str(name): str(value) for name, value in pairs.items()})

    def parse(self, text: str) -> Mapping[str, str] | str:
        """Read `a=1,b=2`."""
        pairs = [part.partition("=") for part in text.split(",") if part.strip()]
        if not all(between for _, between, _ in pairs):
            return text
        return {name.strip(): value.strip() for name, _, value in pairs}

    def schema(self) -> Schema:
        """Return the schema of texts by name."""
        return {"type": "object", "additionalProperties": {"type": "string"}}

    def canonical(self, value: Mapping[str, str]) -> list[list[str]]:
        """Return the texts sorted by name: their order means nothing."""
        return sorted([name, text] for name, text in value.items())


def split(given: object) -> tuple[str, ...]:
    """Split texts given as one with commas, or as a list."""
    if isinstance(given, str):
        return tuple(part.strip() for part in given.split(",") if part.strip())
    if not isinstance(given, Iterable):
        raise Refused("a list of strings")
    parts: tuple[object, ...] = tuple(cast("Iterable[object]", given))
    if not all(isinstance(part, str) for part in parts):
        raise Refused("a list of strings")
    return tuple(str(part).strip() for part in parts)


def list_schema() -> Schema:
    """Return the schema of what `split` takes."""
    text: Schema = {"type": "string", "minLength": 1}
    return {"anyOf": [text, {"type": "array", "items": text}]}
