"""Keeps user and password of URLs out of what is shown."""

from __future__ import annotations

import re

__all__ = ["MASKED", "masked"]

MASKED = "***"
# Up to the last @ of a word: a password that nobody has quoted may hold any other sign, @ and / too.
_USER_INFO = re.compile(r"(?<=://)\S*@")


def masked(text: str) -> str:
    """Return a text without the user and password of the URLs in it; rather too much is masked than too little."""
    return _USER_INFO.sub(f"{MASKED}@", text)
