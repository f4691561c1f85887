"""Masks credentials in texts: user and password of URLs, and parameters of URLs whose names mean a secret."""

from __future__ import annotations

import re

__all__ = ["MASKED", "is_secret_name", "masked"]

MASKED = "***"
# Up to the last @ of a word: an unquoted password may contain any character, @ and / too.
_USER_INFO = re.compile(r"(?<=://)\S*@")
_NAMES = (
    r"(?:pass(?:word|wd|phrase)?|secret|token|credential|api[_-]?key|private|auth|cookie|signature)"
)
_IN_QUERY = re.compile(rf"([?&][^=&\s]*{_NAMES}[^=&\s]*=)[^&\s'\"]*", re.IGNORECASE)
_SECRET_NAME = re.compile(_NAMES, re.IGNORECASE)


def masked(text: str) -> str:
    """Return a text with the credentials of its URLs masked; in doubt too much is masked."""
    return _IN_QUERY.sub(rf"\g<1>{MASKED}", _USER_INFO.sub(f"{MASKED}@", text))


def is_secret_name(name: str) -> bool:
    """Return whether a name is likely to be that of a secret."""
    return _SECRET_NAME.search(name) is not None
