"""One client that a factory opened."""

from __future__ import annotations

from typing import Generic, TypeVar

__all__ = ["PooledClient"]

C = TypeVar("C")


class PooledClient(Generic[C]):
    """One client of a store, with its use."""

    __slots__ = (
        *("client", "discarded", "expires_at", "needs_reset", "needs_validation", "resetting"),
        *("retired", "used_at", "uses"),
    )

    def __init__(self, client: C, now: float, expires_at: float) -> None:
        self.client = client
        self.used_at = now
        self.expires_at = expires_at
        self.uses = 0
        self.needs_validation = False  # its last use failed or was broken off
        self.needs_reset = False  # before it is lent again
        self.resetting = False  # a helper is resetting it
        self.retired = False  # not lent any more
        self.discarded = False  # queued for closing
