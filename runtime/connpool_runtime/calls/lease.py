"""A lease: a member in a caller's hands, with what is needed to give it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar

from connpool_runtime.breaker.breaker import Generation
from connpool_runtime.members.group import Candidates
from connpool_runtime.members.member import Member

if TYPE_CHECKING:
    from connpool_runtime.clients.pooled_client import PooledClient
    from connpool_runtime.errors import PoolError

__all__ = ["AnyLease", "Lease", "WaitingCall"]

C = TypeVar("C")


class Lease(Generic[C]):
    """One use of one member. `held` turns true once when the member is taken, and false once when it is given back.

    The lease is created before the member is taken, so that the member has an owner even if an interrupt
    strikes in between. For the same reason the lease knows the caller's place in the wait queue, if there is
    one: `waiter`.
    """

    __slots__ = (
        "__weakref__",
        "began",
        "broken_off",
        "entry",
        "generation",
        "held",
        "lent_at",
        "taken_from",
        "used",
        "waiter",
    )

    def __init__(
        self,
        member: Member[C] | None = None,
        generation: Generation | None = None,
        entry: PooledClient[C] | None = None,
        lent_at: float = 0.0,
        began: float = 0.0,
    ) -> None:
        self.taken_from = member
        self.generation = generation
        self.began = began  # when the attempt began, where durations are needed
        self.lent_at = lent_at  # when the caller got the client; for members with a limit
        self.held = False
        self.used = member is not None  # whether the caller got the client
        # set by the holder if the use of the client was broken off
        self.broken_off = False
        self.entry = entry  # the client of the member's store, if it has one
        self.waiter: WaitingCall | None = None

    @property
    def open(self) -> bool:
        """Whether there is something to give back: a member, or a place in the wait queue."""
        return self.held or self.waiter is not None

    @property
    def client(self) -> C:
        """The client to call."""
        return self.member.client if self.entry is None else self.entry.client

    @property
    def member(self) -> Member[C]:
        """The member; readable even after it was given back."""
        if self.taken_from is None:
            raise RuntimeError("this lease has no member yet: enter it with `with` first")
        return self.taken_from


class Wanted(Protocol):
    """The members that a call may use, where its route allows only some of them."""

    @property
    def kind(self) -> object:
        """A key that is equal for calls that may use the same members."""
        ...

    def candidates_locked(self) -> Candidates:
        """Return the allowed members that may be picked now."""
        ...

    def refusal_locked(self) -> PoolError:
        """Return the error to raise if there is no such member."""
        ...


class WaitingCall:
    """A call in the wait queue, until its lease is held or it is refused.

    `signal` is the `Signal` of `_concurrency/threads.py` or `tasks.py`: `set` wakes the caller, from
    any thread and any number of times, and returns False if the caller's event loop is gone. `wanted`
    are the members that may serve it, None if any may.
    """

    __slots__ = ("lease", "number", "refusal", "signal", "since", "wanted")

    def __init__(
        self,
        lease: Lease[Any],
        signal: Any,
        since: float,
        wanted: Wanted | None = None,
    ) -> None:
        self.wanted = wanted
        self.number = 0  # position in the order of joining the queue
        self.lease = lease
        self.signal = signal
        self.since = since
        self.refusal: PoolError | None = None

    def takes(self, member: Member[Any]) -> bool:
        """Return whether a member may serve the call."""
        return self.wanted is None or self.wanted.candidates_locked().has(member)

    @property
    def over(self) -> bool:
        """Whether the call has nothing more to wait for."""
        return self.lease.held or self.refusal is not None


AnyLease: TypeAlias = Lease[Any]
"""For code to which it does not matter what clients a pool has."""
