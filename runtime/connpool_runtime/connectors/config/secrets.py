"""Secrets stored elsewhere: in an environment variable, in a file, behind a function."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias, cast

from connpool_runtime.connectors.config.errors import InvalidConfig
from connpool_runtime.connectors.config.fields import Field, Refused, TextsByName
from connpool_runtime.options.schema import Schema

__all__ = ["Credential", "CredentialsByName", "SecretSource", "is_reference", "reveal", "secret_of"]

_REFERENCE = re.compile(r"(?:env|file):(?!\d{1,5}$).", re.DOTALL)  # a host may be named `file`
_FUNCTION = "a function that takes nothing and returns a non-empty string"

# Shows that a file was rewritten, also one that was replaced through a symbolic link.
_Version: TypeAlias = tuple[int, int, int]


def is_reference(given: object) -> bool:
    """Return whether a value refers to a secret: `env:NAME`, `file:PATH`."""
    return isinstance(given, str) and _REFERENCE.match(given) is not None


def secret_of(given: str, path: str, environ: Mapping[str, str]) -> str:
    """Return the secret that a value refers to; any other value is the secret itself.

    Arguments:
        given: the value.
        path: its key path, for errors.
        environ: the variables of the environment.

    Raises:
        InvalidConfig: the variable is not set, or the file cannot be read; the message names it.
    """
    if not is_reference(given):
        return given
    where, _, name = given.partition(":")
    if where == "env":
        found = environ.get(name, "")
        if not found:
            raise InvalidConfig(path, repr(given), "an environment variable that is set")
        return found
    try:
        text = Path(name).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise InvalidConfig(path, f"{given!r} ({why})", "a file that can be read") from None
    if not text:
        raise InvalidConfig(path, repr(given), "a file that is not empty")
    return text


class SecretSource:
    """Where a secret is stored; calling it returns the current secret. Its `repr` hides it. Safe for threads.

    A variable or a file is read when this is made, so that a wrong name is reported at once; a file is read
    again only after it was written. A function is first called when a connection is opened.

    Args:
        given: `env:NAME`, `file:PATH`, or a function without arguments that returns the secret.
        field: the name of the field, for errors.
        environ: the variables; None is `os.environ`.
        part: returns the secret in what is found there, such as the password in a URL; None: it is all.

    Raises:
        InvalidConfig: the variable is not set, the file cannot be read, or the function returns no text.
    """

    __slots__ = ("_environ", "_field", "_first", "_given", "_part", "_seen", "_text", "_version")

    def __init__(
        self,
        given: str | Callable[[], str],
        field: str,
        environ: Mapping[str, str] | None = None,
        part: Callable[[str], str] | None = None,
    ) -> None:
        self._given = given
        self._field = field
        self._environ = environ
        self._part = part
        self._version: _Version | None = None
        self._text = ""
        self._seen: tuple[str, ...] = ()
        self._first = self() if isinstance(given, str) else ""

    def __call__(self) -> str:
        """Return the current secret."""
        found = self._read(self._given) if isinstance(self._given, str) else self._asked()
        text = found if self._part is None else self._part(found)
        if text not in self._seen:
            self._seen = (*self._seen[-3:], text)
        return text

    @property
    def reference(self) -> str | None:
        """The reference itself, which is no secret; None for a function."""
        return self._given if isinstance(self._given, str) else None

    @property
    def seen(self) -> tuple[str, ...]:
        """Recently returned secrets, to be masked in texts."""
        return self._seen

    @property
    def meaning(self) -> list[object]:
        """What two configs are compared by: the place, and the secret first found there."""
        if isinstance(self._given, str):
            return [self._given, self._first]
        return ["function", id(self._given)]

    def _read(self, reference: str) -> str:
        environ = os.environ if self._environ is None else self._environ
        if not reference.startswith("file:"):
            return secret_of(reference, self._field, environ)
        version = _version_of(reference.removeprefix("file:"))
        if version is None or version != self._version:
            self._text = secret_of(reference, self._field, environ)
            self._version = version
        return self._text

    def _asked(self) -> str:
        assert not isinstance(self._given, str)
        found = cast("object", self._given())
        if not isinstance(found, str) or not found:
            raise InvalidConfig(
                self._field, f"one that returned a {type(found).__name__}", _FUNCTION
            )
        return found

    def __repr__(self) -> str:
        return f"<secret of {self.reference or 'a function'}>"

    def __reduce__(self) -> tuple[type[SecretSource], tuple[object, ...]]:
        return SecretSource, (self._given, self._field, None, self._part)


def reveal(secret: str | SecretSource | None) -> str | None:
    """Return the current value of a secret.

    Raises:
        InvalidConfig: it cannot be read where it is kept.
    """
    return secret() if isinstance(secret, SecretSource) else secret


class Credential(Field[str | Callable[[], str], str | SecretSource | None]):
    """A secret that is read again whenever a connection is opened, if it is given as a reference.

    Masked in `repr` and errors, hashed in keys.
    """

    words = "a non-empty string, env:NAME, file:PATH, or a function that returns it"
    secret = True
    refers = True
    rereads = True

    def __init__(self) -> None:
        super().__init__(None)

    def read(self, given: object) -> str | SecretSource:
        """Return the secret, or its source."""
        if isinstance(given, SecretSource):
            return given
        if is_reference(given):
            return SecretSource(cast("str", given), self.name)
        if isinstance(given, str) and given:
            return given
        if not callable(given) or is_coroutine_function(given):
            raise Refused(self.words)
        return SecretSource(cast("Callable[[], str]", given), self.name)

    def schema(self) -> Schema:
        """Return the schema of a text."""
        return {"type": "string", "minLength": 1}

    def canonical(self, value: str | SecretSource | None) -> object:
        """Return data that distinguishes the secret from others; `Record` hashes it."""
        return value.meaning if isinstance(value, SecretSource) else value


class CredentialsByName(
    Field[Mapping[str, str | Callable[[], str]], Mapping[str, str | SecretSource]]
):
    """Texts by name, read-only, each of which may be a reference; in the environment `a=1,b=2`.

    All of them are secrets: headers carry tokens.
    """

    words = "strings by name, each given as the string, env:NAME, file:PATH, or a function that returns it"
    secret = True
    refers = True
    rereads = True

    def __init__(self) -> None:
        super().__init__(MappingProxyType({}))

    def read(self, given: object) -> Mapping[str, str | SecretSource]:
        """Return an immutable copy."""
        if not isinstance(given, Mapping):
            raise Refused(self.words)
        found: dict[str, str | SecretSource] = {}
        for name, value in cast("Mapping[object, object]", given).items():
            if not isinstance(name, str) or not (isinstance(value, str) or callable(value)):
                raise Refused(self.words)
            one = Credential()
            one.name = f"{self.name}.{name}"
            found[name] = "" if value == "" else one.read(value)
        return MappingProxyType(found)

    def parse(self, text: str) -> Mapping[str, str] | str:
        """Read `a=1,b=2`."""
        return TextsByName().parse(text)

    def schema(self) -> Schema:
        """Return the schema of texts by name."""
        return TextsByName().schema()

    def canonical(self, value: Mapping[str, str | SecretSource]) -> object:
        """Return the texts sorted by name: their order means nothing."""
        return sorted(
            (
                [name, one.meaning if isinstance(one, SecretSource) else one]
                for name, one in value.items()
            ),
            key=lambda pair: str(pair[0]),
        )


def is_coroutine_function(given: Callable[..., object]) -> bool:
    """Return whether a function has to be awaited."""
    from inspect import iscoroutinefunction  # importing it costs more than this whole module

    return iscoroutinefunction(given) or iscoroutinefunction(type(given).__call__)


def _version_of(path: str) -> _Version | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - once for each connection, or each call
    except OSError:
        return None  # reading it gives the error
    return found.st_mtime_ns, found.st_size, found.st_ino
