"""Guess what a misspelt name may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

LIKENESS = 0.6


def nearest(name: str, known: Iterable[str], count: int = 1) -> list[str]:
    """Find the known names most like this one, best first; empty where none is like it."""
    return difflib.get_close_matches(name, list(known), n=count, cutoff=LIKENESS)


def suggestion(name: str, known: Collection[str]) -> str:
    """End a message about an unknown name: what was meant, or else all there is."""
    if close := nearest(name, known):
        return f"; did you mean {close[0]!r}?"
    return f"; one of {', '.join(known)}" if known else ""
