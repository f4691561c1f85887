"""Parses which parameters hold the keys of a call: `name`, `*names`, `dest, *keys`, `*args[:count]`."""

from __future__ import annotations

import re
from dataclasses import dataclass

PART = re.compile(r"(?P<star>\*?)(?P<parameter>[^\W\d]\w*)(?:\[:(?P<count>[^\W\d]\w*)\])?")


@dataclass(frozen=True, slots=True)
class KeyPart:
    """One parameter that holds keys: `several` of them, of which the first `count` are keys.

    `count` is a parameter too.
    """

    parameter: str
    several: bool = False
    count: str | None = None

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters that are named."""
        return (self.parameter,) if self.count is None else (self.parameter, self.count)


def key_parts(text: str) -> tuple[KeyPart, ...] | None:
    """Parse the value of `hash-key`; None for what cannot be read."""
    found = [PART.fullmatch(part.strip()) for part in text.split(",")]
    parts = [
        KeyPart(one["parameter"], bool(one["star"]), one["count"])
        for one in found
        if one is not None and (one["star"] or one["count"] is None)
    ]
    return tuple(parts) if len(parts) == len(found) else None
