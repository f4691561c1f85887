"""Addresses of servers: `host:port`, `[::1]:port`, sockets of this machine, and URLs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from connpool_runtime.connectors.config.fields import Field, Refused, list_schema
from connpool_runtime.connectors.config.masking import MASKED, masked
from connpool_runtime.connectors.config.urls import (
    ServerUrl,
    UrlRules,
    host_and_port,
    split_addresses,
)

__all__ = ["Endpoints", "host_and_port", "socket_path"]

_SOCKET = "unix://"


class Endpoints(Field[Iterable[str] | str, tuple[str, ...]]):
    """Addresses without duplicates, in their order.

    Args:
        schemes: what all of them begin with, and keep (`http`, `https`); nothing: addresses are `host:port`.
        urls: what URLs stand for one or more of them. What else these say is for other fields: see
            `ConnectorConfig`.
    """

    refers = True

    def __init__(self, *schemes: str, urls: UrlRules | None = None) -> None:
        super().__init__(())
        self.schemes = schemes
        self.urls = urls
        forms = [f"{scheme}://host:port" for scheme in schemes] or ["host:port"]
        if urls is not None and not schemes:
            forms += [f"{scheme}://..." for scheme in urls.schemes]
        self.words = f"{' or '.join(forms)}, as a list or as one string with commas"

    def read(self, given: object) -> tuple[str, ...]:
        """Return the addresses."""
        found = [each for text in split_addresses(given) for each in self._addresses(text)]
        return tuple(dict.fromkeys(found))

    def show(self, value: object) -> str:
        """Mask what looks like credentials in an address."""
        shown = masked(super().show(value))
        if shown.count("@") == shown.count(f"{MASKED}@"):
            return shown
        return re.sub(r".*@", f"{MASKED}@", shown, flags=re.DOTALL)

    def schema(self) -> dict[str, Any]:
        """Return the schema of a list of addresses."""
        return list_schema()

    def canonical(self, value: tuple[str, ...]) -> Any:
        """Return the addresses without their order, which means nothing."""
        return sorted(value)

    def _addresses(self, text: str) -> tuple[str, ...]:
        scheme, between, address = text.rpartition("://")
        if self.schemes:
            return (self._url(text, scheme.lower(), address),)
        if between and self.urls is not None:
            return ServerUrl.of(text, self.urls).addresses
        if between:
            raise Refused("addresses as host:port, without a scheme")
        host, port = host_and_port(address)
        return (f"{host}:{port}",)

    def _url(self, text: str, scheme: str, address: str) -> str:
        known = " or ".join(f"{scheme}://host:port" for scheme in self.schemes)
        if scheme not in self.schemes:
            raise Refused(f"addresses as {known}")
        place, slash, path = address.partition("/")
        if "@" in place and self.urls is None:
            raise Refused(f"addresses as {known}, without a user")
        place = place.rpartition("@")[2]  # credentials have fields of their own
        if "@" in path:
            raise Refused("URLs whose user and password have / and @ written as %2F and %40")
        if re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/@\[\]]+):\d{1,5}", place):
            host, port = host_and_port(place)
            place = f"{host}:{port}"
        elif not re.fullmatch(r"\[[0-9A-Fa-f:.]+\]|[^\s:/@\[\]?#]+", place):
            raise Refused(f"addresses as {scheme}://host:port")
        return f"{scheme}://{place.lower()}{slash}{path}".rstrip("/")


def socket_path(address: str) -> str | None:
    """Return the path of a Unix socket; None for an address with a host."""
    return address.removeprefix(_SOCKET) if address.startswith(_SOCKET) else None
