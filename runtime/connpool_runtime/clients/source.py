"""Where the calls on a member get their client from: a single client, or a store of clients.

A source is asked with the pool's lock held and never waits. `ClientStore` in `store.py` is the source
of an endpoint with a factory; `SingleClient` is the one of a client that the user made.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from connpool_runtime.clients.pooled_client import PooledClient

__all__ = [
    "CLEAN",
    "REMEDY",
    "Borrower",
    "ClientSource",
    "EndOfUse",
    "Owner",
    "SingleClient",
    "UseBrokenOff",
]

C_co = TypeVar("C_co", covariant=True)


class EndOfUse(NamedTuple):
    """What a use says against its client; several fields may be set.

    Attributes:
        failed: the server failed, or the caller's deadline passed before the answer came.
        disconnected: the server closed the connection, so the other clients are in doubt too.
        broken_off: the use was interrupted or cancelled, so an answer may still be on its way.
    """

    failed: bool = False
    disconnected: bool = False
    broken_off: bool = False


CLEAN = EndOfUse()
"""No error was seen on the client: it may be used again as it is."""


REMEDY = "give `add_client` a `validate`, or `add_endpoint` a factory"
"""What to do lest a client of one call at a time is no longer lent."""


class UseBrokenOff(ConnectionAbortedError):
    """Why an exclusive client is no longer lent: an answer to its last caller may still be on its way."""

    def __init__(self) -> None:
        super().__init__(
            "the last call on this client was broken off in the middle, and there is no `validate` to"
            f" tell whether it may be used again: {REMEDY}; `uneject` lends it again"
        )


class Owner(Protocol):
    """The member that a source belongs to: `taken` and `served` count calls, see `Member`."""

    taken: int
    served: int


class Borrower(Protocol):
    """The lease that a client is lent to: `held` while it has the client.

    `entry` says which client of a store it is; it says nothing before the lease is held.
    """

    held: bool
    entry: PooledClient[Any] | None


class ClientSource(Protocol[C_co]):
    """What a member needs to know about its clients.

    Attributes:
        limit: calls at a time that need no look at the source; 0 where each call must ask it.
        on_demand: whether the pool opens and closes the clients, by a factory.
        needs_validation: whether the one client there is must be validated before its next use.
    """

    limit: float
    on_demand: bool
    needs_validation: bool

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
    def cause(self) -> BaseException | None:
        """The error of the last failed opening."""
        ...

    @property
    def retry_at(self) -> float:
        """When opening may be tried again; `inf` if it is not held back."""
        ...

    def wake(self, now: float) -> None:
        """Do what has become due by time."""
        ...

    def has_room(self, in_flight: int) -> bool:
        """Return whether one more call finds a client, or may open one."""
        ...

    def borrow(self, owner: Owner, borrower: Borrower, now: float) -> bool:
        """Lend a client, or the right to open one; return False if there was neither."""
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

    def lend_ready(self, owner: Owner, borrower: Borrower, now: float) -> bool:
        """Lend a client that needs neither opening nor a check; return False if there is none."""
        ...

    def take_back_ready(self, owner: Owner, borrower: Borrower, now: float) -> bool:
        """Take back a client that `lend_ready` has lent, and count a success; return False if that takes `give_back`."""
        ...

    def is_spoiled_by(self, end: EndOfUse) -> bool:
        """Return whether the end of a use leaves the member without a usable client."""
        ...

    def distrust(self, now: float) -> None:
        """Have idle clients validated before their next use, or close them.

        For evidence against all of them: the server went away, or the member was ejected.
        """
        ...

    def needs_preparation(self, borrower: Borrower, now: float) -> bool:
        """Return whether a client has to be opened or validated before the call can use it."""
        ...

    def in_child(self) -> ClientSource[C_co]:
        """Return the source that replaces this one in a child process; leases of this one keep it."""
        ...


class SingleClient(Generic[C_co]):
    """The one client of a member, created by the user.

    Arguments:
        client: the client.
        limit: calls that may use it at a time. Where that is one, a use that was broken off may leave
            the answer on its way, and the next caller would take it for its own.
        validate: checks whether the client may be used again after that; called without the lock.
    """

    on_demand = False
    maintenance_due = False
    unreachable = False
    cause = None
    retry_at = math.inf

    def __init__(
        self,
        client: C_co,
        limit: float = math.inf,
        validate: Callable[[], object] | None = None,
    ) -> None:
        self.clients: tuple[C_co, ...] = (client,)
        self.limit = limit
        self.validate = validate
        self.needs_validation = False
        # In a child process, until it has run: opens a client to replace the parent's, within a number of
        # seconds; `needs_validation` is set for as long.
        self.reopen: Callable[[float], Any] | None = None

    def wake(self, now: float) -> None:
        """Do nothing: nothing ever becomes due."""

    def has_room(self, in_flight: int) -> bool:
        """Return whether one more call may use the client."""
        return in_flight < self.limit

    def borrow(self, owner: Owner, borrower: Borrower, now: float) -> bool:
        """Lend the client."""
        # One statement, so that an interrupt finds the lease held or the member untouched.
        owner.taken, borrower.held = owner.taken + 1, True
        return True

    def give_back(self, owner: Owner, borrower: Borrower, now: float, end: EndOfUse) -> None:
        """Take the client back."""
        if self.limit == 1 and self.validate is not None and end is not CLEAN:
            self.needs_validation = True
        owner.taken, borrower.held = owner.taken - 1, False

    def lend_ready(self, owner: Owner, borrower: Borrower, now: float) -> bool:
        """Lend the client, unless it is at its limit or in doubt."""
        if self.needs_validation or owner.taken - owner.served >= self.limit:
            return False
        owner.taken, borrower.held = owner.taken + 1, True
        return True

    def take_back_ready(self, owner: Owner, borrower: Borrower, now: float) -> bool:
        """Take the client back."""
        owner.served, borrower.held = owner.served + 1, False
        return True

    def is_spoiled_by(self, end: EndOfUse) -> bool:
        """Return whether its only use was broken off, and it cannot be validated."""
        return self.limit == 1 and self.validate is None and end.broken_off

    def distrust(self, now: float) -> None:
        """Do nothing: there is no other client, and the one there is reconnects by itself."""

    def needs_preparation(self, borrower: Borrower, now: float) -> bool:
        """Return whether the last use left the client in doubt."""
        return self.needs_validation

    def in_child(self) -> SingleClient[C_co]:
        """Return a source of the same client: what a fork means for it is up to the user."""
        heir = SingleClient(self.clients[0], self.limit, self.validate)
        heir.needs_validation = self.needs_validation
        return heir
