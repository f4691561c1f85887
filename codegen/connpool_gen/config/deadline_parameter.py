"""Parses the parameter by which a client limits a call, and its unit: `timeout`, `timeout in ms`, `kwargs[timeout]`."""

from __future__ import annotations

import re
from typing import NamedTuple

NAME = r"[^\W\d]\w*"
TEXT = re.compile(
    rf"(?P<name>{NAME})(?:\[(?P<key>{NAME})\])?(?: in (?:seconds|ms|whole seconds))?"
    rf"|client\.(?P<maker>{NAME})\((?P<option>{NAME})\)(?: in (?:seconds|ms|whole seconds))?"
)


class Bound(NamedTuple):
    """What is named: a parameter, a key of one, or an option of a method that creates another client.

    Attributes:
        parameter: of the method.
        key: of what the parameter holds.
        maker: the client's method that takes the option and gives a client with it.
        option: its parameter.
    """

    parameter: str | None
    key: str | None
    maker: str | None
    option: str | None


def bound_named(text: str) -> Bound | None:
    """Parse the value of `deadline-parameter`; None for what cannot be read."""
    found = TEXT.fullmatch(text)
    if found is None:
        return None
    return Bound(found["name"], found["key"], found["maker"], found["option"])
