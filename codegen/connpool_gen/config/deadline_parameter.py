"""Reads by which parameter a client bounds a call, and its unit: `timeout`, `timeout in ms`."""

from __future__ import annotations

import re

TEXT = re.compile(r"(?P<name>[^\W\d]\w*)(?: in (?P<unit>seconds|ms|whole seconds))?")


def parameter_named(text: str) -> str | None:
    """Take the parameter out of the value of `deadline-parameter`; None for what cannot be read."""
    found = TEXT.fullmatch(text)
    return found["name"] if found is not None else None
