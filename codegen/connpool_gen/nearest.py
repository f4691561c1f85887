"""Finds the known names most similar to a misspelt one."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

LIKENESS = 0.6


def nearest(
    name: str, known: Iterable[str], count: int = 1, likeness: float = LIKENESS
) -> list[str]:
    """Return the known names most similar to this one, best first; empty if none is similar."""
    return difflib.get_close_matches(name, list(known), n=count, cutoff=likeness)


def suggestion(name: str, known: Collection[str]) -> str:
    """Return the end of a message about an unknown name: the nearest names, or all of them."""
    if close := nearest(name, known):
        return f"; did you mean {close[0]!r}?"
    return f"; one of {', '.join(known)}" if known else ""
