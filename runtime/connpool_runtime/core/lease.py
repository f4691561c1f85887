"""A member in a caller's hands, with what must be remembered to give it back."""

from __future__ import annotations

from typing import Generic, TypeVar

from connpool_runtime.core.breaker import Epoch
from connpool_runtime.core.member import Member

__all__ = ["Lease"]

C = TypeVar("C")


class Lease(Generic[C]):
    """One use of one member. `held` is true from the taking to the giving back, exactly once each.

    It is made before the member is taken, so that an interrupt between the two finds an owner.
    """

    __slots__ = ("__weakref__", "epoch", "held", "taken_from")

    def __init__(self) -> None:
        self.taken_from: Member[C] | None = None
        self.epoch: Epoch | None = None
        self.held = False

    @property
    def member(self) -> Member[C]:
        """The member; stays readable after it was given back."""
        if self.taken_from is None:
            raise RuntimeError("this lease has no member yet: enter it with `with` first")
        return self.taken_from
