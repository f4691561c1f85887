"""Addresses of servers: `host:port`, `[::1]:port`, for some kinds a URL."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from connpool_runtime.connectors.config.fields import Field, Refused, list_schema, split

__all__ = ["Endpoints", "host_and_port"]

_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:/@\[\]]+):(?P<port>\d{1,5})")
_USER_INFO = re.compile(r"[^/]*@")


class Endpoints(Field[Iterable[str] | str, tuple[str, ...]]):
    """Addresses; none appears twice, the order is kept.

    Args:
        schemes: what URLs may begin with (`http`, `https`); nothing: addresses are `host:port`.
    """

    def __init__(self, *schemes: str) -> None:
        super().__init__(())
        self.schemes = schemes
        self.words = " or ".join(f"{scheme}://host:port" for scheme in schemes) or "host:port"
        self.words += ", as a list or as a text with commas"

    def read(self, given: object) -> tuple[str, ...]:
        """Return the addresses."""
        return tuple(dict.fromkeys(self._address(text) for text in split(given)))

    def show(self, value: object) -> str:
        """Mask what looks like credentials in an address."""
        return (
            _USER_INFO.sub("***@", super().show(value))
            if "@" in str(value)
            else super().show(value)
        )

    def schema(self) -> dict[str, Any]:
        """Return the schema of some addresses."""
        return list_schema()

    def canonical(self, value: tuple[str, ...]) -> Any:
        """The order means nothing."""
        return sorted(value)

    def _address(self, text: str) -> str:
        scheme, between, address = text.rpartition("://")
        if self.schemes:
            return self._url(text, scheme.lower(), address)
        if between:
            raise Refused("addresses as host:port, without a scheme")
        host, port = host_and_port(address)
        return f"{host}:{port}"

    def _url(self, text: str, scheme: str, address: str) -> str:
        if scheme not in self.schemes or "@" in address:
            known = " or ".join(f"{scheme}://host:port" for scheme in self.schemes)
            raise Refused(f"addresses as {known}, without a user")
        place, slash, path = address.partition("/")
        if _ADDRESS.fullmatch(place):
            host, port = host_and_port(place)
            place = f"{host}:{port}"
        elif not re.fullmatch(r"[^\s:/@\[\]?#]+", place):
            raise Refused(f"addresses as {scheme}://host:port")
        return f"{scheme}://{place.lower()}{slash}{path}".rstrip("/")


def host_and_port(address: str) -> tuple[str, int]:
    """Take `host:port` apart; an IPv6 host keeps its brackets.

    Raises:
        Refused: it has no port, or none that exists.
    """
    found = _ADDRESS.fullmatch(address)
    if not found or not 0 < int(found["port"]) < 65536:
        raise Refused("addresses as host:port, the port between 1 and 65535")
    return found["host"].lower(), int(found["port"])
