"""Converts values of config files and environment variables into values of options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from connpool_runtime.options.durations import seconds_of
from connpool_runtime.options.validation import Rule

__all__ = ["SWITCH_WORDS", "parse", "read"]

SWITCH_WORDS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}


def read(rule: Rule, given: object) -> object:
    """Convert plain data of a file: "30s" into seconds, a list into a tuple.

    What is already a value stays as it is, and so does what cannot be read: the rule refuses it.
    """
    if rule.kind == "seconds":
        return _seconds(given)
    if rule.kind == "bounds" and isinstance(given, list):
        return tuple(_seconds(bound) for bound in cast("list[object]", given))
    return given


def parse(rule: Rule, text: str) -> object:
    """Convert a text of the environment; a text that cannot be read stays a text."""
    text = text.strip()
    if rule.kind == "switch":
        return SWITCH_WORDS.get(text.lower(), text)
    if rule.kind == "bounds":
        return read(rule, [part.strip() for part in text.split(",")])
    if rule.kind in ("whole number", "share", "amount"):
        return _number(text)
    return read(rule, text)


def _seconds(given: object) -> object:
    if not isinstance(given, str):
        return given
    try:
        return seconds_of(given)
    except ValueError:
        return given


def _number(text: str) -> object:
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
