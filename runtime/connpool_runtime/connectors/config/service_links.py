"""Recognises the variables that Kubernetes sets in containers for each service of the namespace ("service links").

A service called `shop` gives `SHOP_SERVICE_HOST`, `SHOP_SERVICE_PORT`, `SHOP_PORT` and so on, whose names may
begin as the variables of a config do.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

__all__ = ["is_service_link"]


def is_service_link(name: str, value: str) -> bool:
    """Return whether a variable has the name and the value of a Kubernetes service link.

    Arguments:
        name: of the variable, all of it.
        value: a name alone is not enough: a person's mistake must be reported.
    """
    return any(shape.fullmatch(name) is not None and fits(value) for shape, fits in _LINKS)


def _is_host(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _is_port(value: str) -> bool:
    return value.isascii() and value.isdecimal() and 0 < int(value) < 65536


def _is_url(value: str) -> bool:
    protocol, between, address = value.partition("://")
    host, _, port = address.rpartition(":")
    return (
        bool(between) and _is_protocol(protocol) and _is_port(port) and _is_host(host.strip("[]"))
    )


def _is_protocol(value: str) -> bool:
    return value in ("tcp", "udp", "sctp")


_SERVICE = r"[A-Z_][A-Z0-9_]*"
_PORT = rf"{_SERVICE}_PORT_\d{{1,5}}_(?:TCP|UDP|SCTP)"
_LINKS: tuple[tuple[re.Pattern[str], Callable[[str], bool]], ...] = tuple(
    (re.compile(shape), fits)
    for shape, fits in (
        (rf"{_SERVICE}_SERVICE_HOST", _is_host),
        (rf"{_SERVICE}_SERVICE_PORT(?:_[A-Z0-9_]+)?", _is_port),
        (rf"{_SERVICE}_PORT", _is_url),
        (_PORT, _is_url),
        (rf"{_PORT}_PROTO", _is_protocol),
        (rf"{_PORT}_PORT", _is_port),
        (rf"{_PORT}_ADDR", _is_host),
    )
)
