"""Keeps credentials out of what is shown: user and password of URLs, and what URLs say by names that mean a secret."""

from __future__ import annotations

import re

__all__ = ["MASKED", "is_secret_name", "masked"]

MASKED = "***"
# Up to the last @ of a word: a password that nobody has quoted may hold any other sign, @ and / too.
_USER_INFO = re.compile(r"(?<=://)\S*@")
_NAMES = (
    r"(?:pass(?:word|wd|phrase)?|secret|token|credential|api[_-]?key|private|auth|cookie|signature)"
)
_IN_QUERY = re.compile(rf"([?&][^=&\s]*{_NAMES}[^=&\s]*=)[^&\s'\"]*", re.IGNORECASE)
_SECRET_NAME = re.compile(_NAMES, re.IGNORECASE)


def masked(text: str) -> str:
    """Return a text without the credentials of the URLs in it; rather too much is masked than too little."""
    return _IN_QUERY.sub(rf"\g<1>{MASKED}", _USER_INFO.sub(f"{MASKED}@", text))


def is_secret_name(name: str) -> bool:
    """Tell whether what has such a name is likely to be a secret."""
    return _SECRET_NAME.search(name) is not None
