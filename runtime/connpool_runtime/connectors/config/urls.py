"""Parses URLs of servers into fields of a config."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, cast
from urllib.parse import parse_qsl, unquote

from connpool_runtime.connectors.config.fields import Refused, split

__all__ = ["ServerUrl", "UrlRules", "UrlScheme", "address_of", "host_and_port", "split_addresses"]

_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:/@\[\]]+):(?P<port>\d{1,5})")
_HOST = re.compile(r"\[[0-9A-Fa-f:.]+\]|[^\s:/@\[\]?#]+")
_BEFORE_URL = re.compile(r",\s*(?=[A-Za-z][\w+.-]*://)")
_QUOTE = "a valid URL, with / ? # @ in user and password written as %2F %3F %23 %40"


@dataclass(frozen=True, slots=True)
class UrlScheme:
    """What a URL scheme implies.

    Attributes:
        port: for hosts without one; None: each must have one.
        tls: whether it implies TLS.
        socket: whether its path is that of a socket on this machine.
    """

    port: int | None = None
    tls: bool = False
    socket: bool = False


@dataclass(frozen=True, slots=True)
class UrlRules:
    """The URLs that a kind of server has.

    Attributes:
        schemes: by name.
        path: the field that the path is; "" if there may be none.
        names: the key paths for names in the query, in addition to those of the fields.
    """

    schemes: Mapping[str, UrlScheme]
    path: str = ""
    names: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def words(self) -> str:
        """The URLs as errors and documentation write them."""
        return " or ".join(f"{scheme}://" for scheme in self.schemes)


@dataclass(frozen=True, slots=True, repr=False)
class ServerUrl:
    """A parsed URL; it may hold a password and has no `repr`.

    Attributes:
        scheme: what it begins with.
        addresses: `host:port` of each server, or the URL of a socket.
        username: the user; None if there is none.
        password: the password; None if there is none.
        path: without its slash.
        query: the texts by name, in order.
    """

    scheme: UrlScheme
    addresses: tuple[str, ...]
    username: str | None
    password: str | None
    path: str
    query: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, text: str, rules: UrlRules) -> ServerUrl:
        """Parse a URL.

        Raises:
            Refused: it is not one of these URLs; the message quotes nothing of it.
        """
        name, _, rest = text.partition("://")
        scheme = rules.schemes.get(name.lower())
        if scheme is None:
            raise Refused(f"addresses as host:port, or URLs that begin with {rules.words}")
        rest, _, query = rest.partition("?")
        place, slash, path = rest.partition("/")
        user, at, hosts = place.rpartition("@")
        username, _, password = user.partition(":")
        if "#" in rest or "@" in path:
            raise Refused(_QUOTE)
        if scheme.socket:
            if hosts or not path:
                raise Refused(f"{name.lower()}:///path/of/a/socket, three slashes at the beginning")
            addresses: tuple[str, ...] = (f"unix:///{unquote(path)}",)
            path = ""
        else:
            addresses = tuple(address_of(host, scheme.port) for host in hosts.split(","))
        if path and not rules.path:
            raise Refused(f"URLs as {name.lower()}://host:port, without a path")
        return cls(
            scheme,
            addresses,
            unquote(username) if at and username else None,
            unquote(password) if at and password else None,
            unquote(path.rstrip("/")) if slash else "",
            tuple(parse_qsl(query, keep_blank_values=True)),
        )


def address_of(text: str, port: int | None) -> str:
    """Return the `host:port` of a URL.

    Arguments:
        text: a host, or a host and a port; nothing is this machine.
        port: what counts where there is none.

    Raises:
        Refused: it is no address.
    """
    text = text.strip()
    if port is not None and (not text or _HOST.fullmatch(text)):
        return f"{text.lower() or 'localhost'}:{port}"
    if port is not None and text.startswith(":"):
        text = f"localhost{text}"
    host, number = host_and_port(text)
    return f"{host}:{number}"


def host_and_port(address: str) -> tuple[str, int]:
    """Split `host:port`; an IPv6 host keeps its brackets.

    Raises:
        Refused: the port is missing, or is not between 1 and 65535.
    """
    found = _ADDRESS.fullmatch(address)
    if not found or not 0 < int(found["port"]) < 65536:
        raise Refused("addresses as host:port, the port between 1 and 65535")
    return found["host"].lower(), int(found["port"])


def split_addresses(given: object) -> tuple[str, ...]:
    """Split addresses and URLs given as one text with commas, or as a list.

    A URL keeps its own commas, between hosts or in a password: another one begins after a comma only
    where a scheme does.

    Raises:
        Refused: it is neither a text nor a list.
    """
    if not isinstance(given, str) or "://" not in given:
        return split(given)
    before, between, after = given.partition("://")
    plain, comma, scheme = before.rpartition(",")
    urls = [part.strip() for part in _BEFORE_URL.split(f"{scheme}{between}{after}")]
    return (*(split(plain) if comma else ()), *urls)


def are_urls(texts: Iterable[str]) -> bool:
    """Return whether there is a URL among some addresses."""
    return any("://" in text for text in texts)


def put_at(values: dict[str, Any], path: str, value: object) -> None:
    """Set the value at a dotted key path."""
    *groups, last = path.split(".")
    for group in groups:
        inner: Any = values.get(group)
        found = cast("dict[str, Any]", inner) if isinstance(inner, dict) else {}
        values[group] = found
        values = found
    values[last] = value
