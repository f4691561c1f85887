"""Parses texts of a manifest: durations, names, `module:Class`."""

from __future__ import annotations

import keyword
import re

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?) ?(?P<unit>ms|s|m|h)?", re.ASCII)


def seconds(text: str) -> float | None:
    """Parse `500ms`, `1.5s`, `2m` or `30` as seconds; None for what is no duration."""
    found = DURATION.fullmatch(text)
    return float(found["number"]) * UNITS[found["unit"] or "s"] if found is not None else None


def is_number(value: object) -> bool:
    """Return whether a value is a number; TOML's booleans are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_name(text: str) -> bool:
    """Return whether a text is a name that can be written in code."""
    return text.isidentifier() and not keyword.iskeyword(text)


def is_dotted_pair(text: str) -> bool:
    """Return whether a text is `package.module:Outer.Inner`, made of identifiers: it is written into code."""
    module, _, path = text.partition(":")
    return all(is_name(name) for name in [*module.split("."), *path.split(".")])


def nearest_pair(text: str) -> str | None:
    """Guess which `module:Class` was meant by a dotted path (`app.Client`) or a file (`./app.py:Client`)."""
    file, colon, name = text.removeprefix("./").partition(":")
    if not colon:
        file, _, name = file.rpartition(".")
    meant = f"{file.removesuffix('.py').replace('/', '.')}:{name}"
    return meant if name != "py" and is_dotted_pair(meant) else None
