"""Derives the address of a server from the name of its member, as OpenTelemetry attributes."""

from __future__ import annotations

import re

__all__ = ["member_attributes"]

# A host and a port; a number may follow that distinguishes equal ones.
_ADDRESS = re.compile(r"(?:\[([\da-fA-F:.]+)\]|([^\s:/\[\]]+)):(\d{1,5})(?:#\d+)?")


def member_attributes(name: str) -> dict[str, str | int]:
    """Return the attributes of a member: its name, and its server's address if the name contains it.

    Arguments:
        name: of the member. One that is no host with a port is not taken for an address.
    """
    found: dict[str, str | int] = {"connpool.member.name": name}
    address = _ADDRESS.fullmatch(name)
    if address is not None:
        found["server.address"] = address[1] or address[2]
        found["server.port"] = int(address[3])
    return found
