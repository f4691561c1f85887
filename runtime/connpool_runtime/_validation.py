"""Refuses values that an option does not allow, with the option's name, the value and the rule."""

from __future__ import annotations

import math
from typing import cast

__all__ = [
    "amount",
    "ascending",
    "factor",
    "refused",
    "seconds",
    "share",
    "whole_number",
    "yes_or_no",
]


def whole_number(name: str, value: object, *, least: int) -> None:
    """Refuse everything but an int that is large enough; True is no number."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise refused(name, value, f"a whole number of at least {least}")


def seconds(name: str, value: object) -> float:
    """Refuse everything but a finite number of seconds that is not negative; return it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise refused(name, value, "a finite number of seconds, 0 or more")
    return value


def share(name: str, value: object) -> None:
    """Refuse everything but a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise refused(name, value, "a number from 0 to 1")


def amount(name: str, value: object, *, least: float = 0.0) -> None:
    """Refuse everything but a finite number that is large enough."""
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not least <= value < math.inf
    ):
        raise refused(name, value, f"a finite number of at least {least:g}")


def yes_or_no(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise refused(name, value, "True or False")


def factor(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 1:
        raise refused(name, value, "a number of at least 1")


def ascending(name: str, bounds: tuple[float, ...]) -> None:
    if not isinstance(cast("object", bounds), tuple) or not bounds:
        raise refused(name, bounds, "a tuple of numbers of seconds")
    for bound in bounds:
        seconds(name, bound)
    if sorted(set(bounds)) != list(bounds):
        raise refused(name, bounds, "ascending numbers of seconds")


def refused(name: str, value: object, allowed: str) -> ValueError:
    return ValueError(f"{name} must be {allowed}, not {value!r}")
