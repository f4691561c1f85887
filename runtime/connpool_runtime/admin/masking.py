"""Keeps what may hold a password out of answers. Decides only."""

from __future__ import annotations

import re

__all__ = ["masked"]

_USER_INFO = re.compile(r"(?<=://)[^/@\s]+@")


def masked(text: str) -> str:
    """Return a text without the user and password of the URLs in it."""
    return _USER_INFO.sub("***@", text)
