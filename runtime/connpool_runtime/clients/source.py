"""Where the calls on a member get their client from: one client that is there, or a store of them.

A source is asked with the pool's lock held and never waits. `ClientStore` in `store.py` is the source
of an endpoint with a factory; `SingleClient` is the one of a client that the user made.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from connpool_runtime.clients.pooled import PooledClient

__all__ = ["Borrower", "ClientSource", "EndOfUse", "Owner", "SingleClient"]

C_co = TypeVar("C_co", covariant=True)


class EndOfUse(Enum):
    """What the end of a use says about the client."""

    CLEAN = "clean"  # it may be used again as it is
    FAILED = "failed"  # the use counts as a failure of the server
    DISCONNECTED = "disconnected"  # as FAILED, and the other clients of the server are in doubt too
    BROKEN_OFF = "broken off"  # cut off in the middle: an answer may still be on its way


class Owner(Protocol):
    """The member that a source belongs to: `taken` counts the calls that took it."""

    taken: int


class Borrower(Protocol):
    """The lease that a client is lent to: `held` from the taking to the giving back.

    `entry` says which client of a store it is; it says nothing before the lease is held.
    """

    held: bool
    entry: PooledClient[Any] | None


class ClientSource(Protocol[C_co]):
    """What a member needs to know about its clients.

    Attributes:
        limit: calls at a time that need no look at the source; 0 where each call must ask it.
        on_demand: whether the pool opens and closes the clients, by a factory.
    """

    limit: float
    on_demand: bool

    @property
    def maintenance_due(self) -> bool:
        """Whether clients wait to be closed."""
        ...

    @property
    def clients(self) -> tuple[C_co, ...]:
        """The clients that are open."""
        ...

    @property
    def unreachable(self) -> bool:
        """Whether there is no client, and none may be opened yet."""
        ...

    @property
    def cause(self) -> Exception | None:
        """Why the last client could not be opened."""
        ...

    @property
    def retry_at(self) -> float:
        """When opening may be tried again, `inf` if it is not held back."""
        ...

    def wake(self, now: float) -> None:
        """Do what time alone has made due."""
        ...

    def has_room(self, in_flight: int) -> bool:
        """Tell whether one more call finds a client, or may open one."""
        ...

    def borrow(self, owner: Owner, borrower: Borrower, now: float) -> bool:
        """Lend a client, or the right to open one; tell whether there was either."""
        ...

    def give_back(self, owner: Owner, borrower: Borrower, now: float, end: EndOfUse) -> None:
        """Take back what was lent.

        Arguments:
            owner: the member.
            borrower: the lease that holds the client.
            now: the time.
            end: what the use says about the client.
        """
        ...

    def distrust(self, now: float) -> None:
        """Have the clients that nobody uses validated before their next use, or close them.

        For evidence against all of them: the server went away, or the member was cut off.
        """
        ...

    def needs_preparation(self, borrower: Borrower, now: float) -> bool:
        """Tell whether a client must be opened or validated before the call can use it."""
        ...

    def abandon(self) -> None:
        """Forget the clients without closing them: they belong to the parent of a fork."""
        ...


class SingleClient(Generic[C_co]):
    """The one client of a member, made by the user; `limit` calls may use it at a time."""

    on_demand = False
    maintenance_due = False
    unreachable = False
    cause = None
    retry_at = math.inf

    def __init__(self, client: C_co, limit: float = math.inf) -> None:
        self.clients: tuple[C_co, ...] = (client,)
        self.limit = limit

    def wake(self, now: float) -> None:
        """Nothing is ever due."""

    def has_room(self, in_flight: int) -> bool:
        """Tell whether one more call may run beside those that do."""
        return in_flight < self.limit

    def borrow(self, owner: Owner, borrower: Borrower, now: float) -> bool:
        """Lend the client."""
        # One statement, so that an interrupt finds the lease held or the member untouched.
        owner.taken, borrower.held = owner.taken + 1, True
        return True

    def give_back(self, owner: Owner, borrower: Borrower, now: float, end: EndOfUse) -> None:
        """Take the client back."""
        owner.taken, borrower.held = owner.taken - 1, False

    def distrust(self, now: float) -> None:
        """Do nothing: there is no other client, and this one's user knows how to connect again."""

    def needs_preparation(self, borrower: Borrower, now: float) -> bool:
        """The client is there and is used as it is."""
        return False

    def abandon(self) -> None:
        """The client is the user's, who knows what a fork means for it."""
