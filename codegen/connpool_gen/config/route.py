"""Parses the route of a method: `replica`, `replica, analytics`, `replica, any`, `replica, none`."""

from __future__ import annotations

FALLBACKS = ("any", "none")


def roles(text: str) -> tuple[str, ...] | None:
    """Parse roles in order of preference, perhaps with a fall-back; None for an invalid text."""
    words = tuple(word.strip() for word in text.split(","))
    named = words[:-1] if words[-1] in FALLBACKS else words
    misplaced = any(not word or word in FALLBACKS or not word.isprintable() for word in named)
    if misplaced or len(set(named)) != len(named) or words == ("none",):
        return None
    return words
