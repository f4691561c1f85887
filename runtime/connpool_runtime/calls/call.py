"""One call on its way through the pool, as middleware and balancers see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from connpool_runtime.breaker.outcome import Outcome

if TYPE_CHECKING:
    from connpool_runtime.balancing.balancers import Balancer
    from connpool_runtime.calls.method import Method
    from connpool_runtime.members.member import Member
    from connpool_runtime.middleware.method_breaker import BreakerPermit

__all__ = ["Call"]


class Call:
    """One call of a user, over all its attempts.

    Attributes:
        pool: the pool's name.
        method: which method, with its policy.
        args: the arguments as the wrapper packed them; never logged by the runtime.
        balancer: the balancer asked for by this call, or None for the pool's own.
        key: what calls have in common that should meet the same member; None if nothing.
        attempt: how many attempts have begun; 0 before the first pick.
        member: the member of the latest attempt, None before the first pick.
        outcome: how the latest attempt ended, None while it runs.
        elsewhere: whether only a member that was not tried yet will do.
        held: whether the member stays taken after the attempt, as for streams and context managers;
            such a call cannot have two attempts at a time.
        tried: the members of all attempts; the next pick prefers others.
        trial: what `MethodBreaker` knows about the next attempt: the members that are barred to it.
        timed_out: tells whether the runtime itself cancelled the attempt, because it took too long.
    """

    __slots__ = (
        "_key",
        "_on_close",
        "args",
        "attempt",
        "balancer",
        "elsewhere",
        "given",
        "held",
        "member",
        "method",
        "outcome",
        "pool",
        "timed_out",
        "trial",
        "tried",
    )

    def __init__(
        self,
        pool: str,
        method: Method[Any, Any],
        args: tuple[Any, ...] = (),
        balancer: str | Balancer | None = None,
        given: Member[Any] | None = None,
        key: object = None,
    ) -> None:
        self.pool = pool
        self.method = method
        self.args = args
        self.balancer = balancer
        self.given = given  # picked already, on the short way; for the first attempt
        self._key = key
        self._on_close: dict[object, Callable[[], object]] | None = None
        self.elsewhere = False
        self.held = False
        self.attempt = 0
        self.member: Member[Any] | None = None
        self.outcome: Outcome | None = None
        self.tried: list[Member[Any]] = []
        self.timed_out: Callable[[], bool] | None = None
        self.trial: BreakerPermit | None = None

    @property
    def key(self) -> object:
        """The key for consistent hashing: the one given, or the argument that the method names."""
        index = self.method.hash_key
        if self._key is None and index is not None and index < len(self.args):
            return self.args[index]
        return self._key

    def key_share(self) -> float:
        """Return a number in [0, 1) that is the same for the same key, in every process."""
        from connpool_runtime.balancing.ring_hash import point_of

        return point_of(("share", self.key)) / 2**64

    @property
    def barred(self) -> frozenset[Member[Any]]:
        """The members that the next attempt must not be made on."""
        return frozenset() if self.trial is None else self.trial.barred

    def begin(self, member: Member[Any]) -> None:
        """Note that an attempt starts on a member."""
        self.tried.append(member)
        self.member = member
        self.attempt += 1
        self.outcome = None

    def fork(self) -> Call:
        """Return a call for an attempt beside others of this one, on another member than they."""
        twin = Call(self.pool, self.method, self.args, self.balancer, self.given, self._key)
        self.given = None
        twin.tried = self.tried
        twin.elsewhere = True
        return twin

    def merge(self, twin: Call) -> None:
        """Take over how the attempt of a twin ended."""
        self.member, self.outcome = twin.member, twin.outcome
        self.attempt = len(self.tried)

    def on_close(self, middleware: object, act: Callable[[], object]) -> None:
        """Let a middleware act when a call that is `held` is over, however that comes about.

        It may run in a finalizer, so it must take no lock that the same thread may hold, and it
        must do no harm a second time. A middleware has one act; a new one takes the place of the old.
        """
        if self._on_close is None:
            self._on_close = {}
        self._on_close[middleware] = act

    def run_on_close(self, middleware: object) -> None:
        """Do what a middleware left for the end now, if it left anything."""
        if self._on_close is not None and (act := self._on_close.get(middleware)) is not None:
            act()  # first, so that an interrupt leaves it to be done again
            self._on_close.pop(middleware, None)

    def close(self) -> None:
        """Do what all middleware left for the end. Harmless when done already."""
        while self._on_close:
            self.run_on_close(next(iter(self._on_close)))

    def judge(self, error: BaseException | None) -> Outcome:
        """Return what an attempt came to, given the error that ended it.

        A cancellation is neutral, unless it was the runtime's own answer to a slow member.
        """
        if error is None:
            return Outcome.SUCCESS
        if self.timed_out is not None and self.timed_out():
            return Outcome.FAILURE
        return self.method.classify(error)

    def __repr__(self) -> str:
        member = self.member.name if self.member else None
        return f"<Call {self.pool}.{self.method.name} member={member!r} attempt={self.attempt}>"
