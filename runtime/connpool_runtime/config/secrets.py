"""Secrets that a config only refers to: `env:NAME` is a variable of the environment, `file:PATH` a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from connpool_runtime.connectors.config.errors import InvalidConfig

__all__ = ["is_reference", "secret_of"]

_ENV, _FILE = "env:", "file:"


def is_reference(given: object) -> bool:
    """Tell whether a value says where a secret is, and is none itself."""
    return isinstance(given, str) and given.startswith((_ENV, _FILE))


def secret_of(given: str, path: str, environ: Mapping[str, str]) -> str:
    """Return the secret that a value refers to; a value that refers to nothing is the secret.

    Arguments:
        given: the value.
        path: its key path, for errors.
        environ: the variables of the environment.

    Raises:
        InvalidConfig: the variable is not set, or the file cannot be read; the message names it.
    """
    if given.startswith(_ENV):
        name = given.removeprefix(_ENV)
        found = environ.get(name, "")
        if not found:
            raise InvalidConfig(path, repr(given), "a variable of the environment that is set")
        return found
    if given.startswith(_FILE):
        try:
            text = Path(given.removeprefix(_FILE)).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise InvalidConfig(path, f"{given!r} ({why})", "a file that can be read") from None
        if not text:
            raise InvalidConfig(path, repr(given), "a file that is not empty")
        return text
    return given
