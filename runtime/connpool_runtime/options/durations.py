"""Durations as people write them: 30, 0.5, "500ms", "30s", "1m30s"."""

from __future__ import annotations

import math
import re
import sys

__all__ = ["FORMS", "PATTERN", "seconds_of"]

FORMS = 'a number of seconds, 0 or more, or a string such as "500ms", "30s", "5m" or "1h30m"'

# The JSON schema of durations given as texts.
PATTERN = r"^\s*(\d+(\.\d+)?|(\d+(\.\d+)?(ms|s|m|h|d))+)\s*$"

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def seconds_of(value: object) -> float:
    """Return the seconds of a duration.

    Args:
        value: seconds as a number, or a text: a bare number is seconds too, and parts add up.

    Raises:
        ValueError: `value` is not a duration, or is negative or infinite; the message says what is allowed.
    """
    if isinstance(value, str):
        return _seconds_of_text(value.strip())
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(FORMS)
    return _with_end(value)


def _seconds_of_text(text: str) -> float:
    if _NUMBER.fullmatch(text):
        return _with_end(float(text))
    if not _WHOLE.fullmatch(text):
        raise ValueError(FORMS)
    parts = [_with_end(float(number) * _UNITS[unit]) for number, unit in _PART.findall(text)]
    try:
        return math.fsum(parts)
    except OverflowError:
        raise ValueError(FORMS) from None


def _with_end(value: float) -> float:
    """Return seconds as a float; refuse infinity, and an int that no float holds."""
    if not 0 <= value <= sys.float_info.max:
        raise ValueError(FORMS)
    return float(value)
