"""Reads which members a method's calls are for: `replica`, `replica, analytics`, `replica, any`, `replica, none`."""

from __future__ import annotations

FALLBACKS = ("any", "none")


def roles(text: str) -> tuple[str, ...] | None:
    """Read the value of `route`: roles, those that are preferred first, and perhaps a fall-back; None for what is none."""
    words = tuple(word.strip() for word in text.split(","))
    named = words[:-1] if words[-1] in FALLBACKS else words
    misplaced = any(not word or word in FALLBACKS or not word.isprintable() for word in named)
    if misplaced or len(set(named)) != len(named) or words == ("none",):
        return None
    return words
