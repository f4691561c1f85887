"""The record of one call on its way through the pool, for middleware and balancers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple, TypeAlias, cast

from connpool_runtime._log import warn
from connpool_runtime.breaker.outcome import Outcome
from connpool_runtime.calls.calling import CallOptions
from connpool_runtime.calls.error_judge import ErrorJudge, judged_as
from connpool_runtime.calls.method import Method
from connpool_runtime.calls.retry_policy import NEVER, RetryPolicy
from connpool_runtime.calls.route import Route
from connpool_runtime.classifiers.verdict import SUCCESS, Verdict, wrong_field
from connpool_runtime.members.member import Member

__all__ = ["Balancer", "Call", "Reopen"]

_JUDGE = ErrorJudge()

Reopen: TypeAlias = Callable[[BaseException], Any]
"""Opens a stream again, given the error that came in place of its first item; or raises."""


class Exclusion(NamedTuple):
    """Members that one middleware excludes from the next attempts of a call."""

    members: Callable[[], Collection[Member[Any]]]
    refusal: Callable[[], Exception]


class Call:
    """The record of one call of a user, over all its attempts.

    A middleware that influences the attempts inside it registers that here: `exclude` keeps the attempts away
    from members, `judge_by` decides what their errors mean, and a function given to `on_close` is run when a
    long call ends. So this class depends on no middleware.

    Attributes:
        pool: the pool's name.
        method: which method, with its policy.
        args: the arguments as the wrapper packed them; never logged by the runtime.
        balancer: the balancer asked for by this call, or None for the pool's own.
        key: calls with the same key should meet the same member; None for no key.
        attempt: how many attempts have begun; 0 before the first pick.
        member: the member of the latest attempt, None before the first pick.
        verdict: how the latest attempt ended, None while it runs.
        first_error: of an attempt that was made before any middleware ran; the next attempt raises it
            instead of being made.
        suspects: the members that gave an unknown error, with the breaker's generation and the error;
            when the call succeeds on another member, these errors count as failures.
        held: whether the member stays taken after the attempt, as for streams and context managers;
            such a call cannot have two attempts at a time.
        tried: the members of all attempts; the next pick prefers others.
        error_judge: judges errors that no middleware judges.
        may_go_elsewhere: whether another member than those that were tried could be picked, when the latest attempt
            failed on one that asks to wait.
        may_be_fast: whether its next attempt may take the fast path: only the pool's balancer, by method and
            arguments, and the members that were tried decide which member is picked.
        spent: seconds that passed before the middleware ran.
        given: a member that was picked already, for the first attempt.
        options: the options that the caller sets by `calling`, None if there are none.
        reopen: opens a stream again that failed before its first item; None if the stream cannot be opened
            again. Set by a middleware once the stream is open, and removed by the stream after its first
            item.
    """

    # Attributes that most calls neither set nor read have their defaults on the class: a record is created for every
    # call that some middleware needs to see, so creating one has to be cheap. Those that each call reads are set
    # for each, since CPython 3.11 looks for a default on the class anew each time; `_call_around` does so too.
    balancer: str | Balancer | None = None
    given: Member[Any] | None = None
    first_error: BaseException | None = None
    spent = 0.0
    may_be_fast: bool
    held: bool
    attempt: int
    member: Member[Any] | None = None
    verdict: Verdict | None = None
    may_go_elsewhere = False
    suspects: list[tuple[Member[Any], object, BaseException]] | None = None
    tried: Sequence[Member[Any]]
    reopen: Reopen | None = None
    options: CallOptions | None = None
    _key: object = None
    error_judge: ErrorJudge
    _judged: tuple[BaseException, Verdict] | None = None  # the latest error; judged once
    _exclusions: dict[object, Exclusion] | None = None
    _judges: dict[object, Callable[[BaseException], Outcome | Verdict | None]] | None = None
    _on_close: dict[object, Callable[[], object]] | None = None

    def __init__(
        self,
        pool: str,
        method: Method[Any, Any],
        args: tuple[Any, ...] = (),
        key: object = None,
        judge: ErrorJudge | None = None,
    ) -> None:
        self.pool = pool
        self.method = method
        self.args = args
        self.error_judge = _JUDGE if judge is None else judge
        self.attempt, self.tried, self.held, self.may_be_fast = 0, (), False, key is None
        if key is not None:
            self._key = key

    @property
    def key(self) -> object:
        """The key for consistent hashing: the given one, or the argument that the method declares.

        Raises:
            KeysApart: the method takes several keys, and these do not belong together.
        """
        if self._key is not None:
            return self._key
        index = self.method.hash_key
        if index is not None:
            return self.args[index] if index < len(self.args) else None
        return None if self.method.hash_keys is None else self._common_key()

    @property
    def has_key(self) -> bool:
        """Whether a balancer may choose the member by a key."""
        return self._key is not None or self.method.has_key

    @property
    def idempotent(self) -> bool:
        """Whether a second execution does no harm: as the caller says, else by the method's policy."""
        said = None if self.options is None else self.options.idempotent
        return self.method.idempotent if said is None else said

    @property
    def timeout(self) -> float | None:
        """Seconds that one attempt may take: as the caller says, else by the method's policy."""
        said = None if self.options is None else self.options.timeout
        return self.method.timeout if said is None else said

    @property
    def retry(self) -> RetryPolicy | None:
        """How the call is retried: as the caller says, else by the method's policy; None for the pool's `Retry`."""
        said = None if self.options is None else self.options.retry
        return NEVER if said is False else said or self.method.retry

    @property
    def route(self) -> Route | None:
        """The route of the call: as the caller says, else by the method's policy; None for the pool's default."""
        said = None if self.options is None else self.options.route
        return self.method.route if said is None else said

    def follow(self, options: CallOptions) -> None:
        """Apply the options of a `calling` block; the arguments of the call itself win."""
        self.options, self.may_be_fast = options, False
        if options.key is not None and self._key is None:
            self._key = options.key

    def _common_key(self) -> object:
        from connpool_runtime.calls.keys import common_key  # its hash function takes 4 ms to import

        return common_key(self.method, self.args, self.pool)

    def begin(self, member: Member[Any]) -> None:
        """Note that an attempt starts on a member."""
        self.avoid(member)
        self.member = member
        self.attempt += 1
        self.verdict = None

    def avoid(self, member: Member[Any]) -> None:
        """Make the next picks prefer other members than this one."""
        if isinstance(self.tried, list):
            self.tried.append(member)  # parallel attempts share the list
        else:
            self.tried = [member]

    def fail_first(self, error: BaseException) -> None:
        """Make the next attempt raise an error that was raised before any middleware ran."""
        self.first_error, self.may_be_fast = error, False

    @property
    def outcome(self) -> Outcome | None:
        """The verdict on the member of the latest attempt; None while it runs."""
        return None if self.verdict is None else self.verdict.outcome

    def fork(self) -> Call:
        """Return a record for an attempt in parallel with others of this call: it shares the members tried.

        The exclusions and judges of the middleware outside apply to the new record too.
        """
        if not isinstance(self.tried, list):
            self.tried = list(self.tried)
        self.may_be_fast = False
        twin = Call(self.pool, self.method, self.args, self._key, self.error_judge)
        twin.balancer, twin.given, twin.may_be_fast = self.balancer, self.given, False
        self.given = None
        twin.tried, twin.options = self.tried, self.options
        twin._exclusions = None if self._exclusions is None else dict(self._exclusions)
        twin._judges = None if self._judges is None else dict(self._judges)
        return twin

    def exclude(
        self,
        middleware: object,
        members: Callable[[], Collection[Member[Any]]],
        refusal: Callable[[], Exception],
    ) -> None:
        """Keep the next attempts of this call away from members, until `readmit`.

        Arguments:
            middleware: the middleware that excludes them; a new exclusion replaces its former one.
            members: returns them; called at each pick, under no lock.
            refusal: makes the error of a call for which no other member is left.
        """
        if self._exclusions is None:
            self._exclusions = {}
        self.may_be_fast = False
        self._exclusions[middleware] = Exclusion(members, refusal)

    def readmit(self, middleware: object) -> None:
        """End the exclusion of a middleware. Harmless when there is none."""
        if self._exclusions is not None:
            self._exclusions.pop(middleware, None)

    @property
    def excluded(self) -> frozenset[Member[Any]]:
        """The members that the next attempt must not use."""
        if not self._exclusions:
            return frozenset()
        none: frozenset[Member[Any]] = frozenset()
        return none.union(*(one.members() for one in self._exclusions.values()))

    def refusal(self, member: Member[Any] | None) -> Exception | None:
        """Return the error of the middleware that excluded a member, picked because no other is left."""
        for exclusion in self._exclusions.values() if self._exclusions else ():
            if member in exclusion.members():
                return exclusion.refusal()
        return None

    def on_close(self, middleware: object, act: Callable[[], object]) -> None:
        """Register a function to run when a call that is `held` ends, in whatever way.

        It may run in a finalizer, so it must take no lock that the same thread may hold, and it
        must do no harm a second time. A middleware has one such function; a new one replaces the old one.
        """
        if self._on_close is None:
            self._on_close = {}
        self._on_close[middleware] = act

    def run_on_close(self, middleware: object) -> None:
        """Run the function that one middleware registered for the end of the call, if any."""
        if self._on_close is not None and (act := self._on_close.get(middleware)) is not None:
            act()  # run before it is removed, so that an interrupt leaves it to be run again
            self._on_close.pop(middleware, None)

    def close(self) -> None:
        """Run all functions registered for the end of the call. Harmless when done already."""
        if self.reopen is not None:
            self.reopen = None  # which refers to this call
        while self._on_close:
            self.run_on_close(next(iter(self._on_close)))

    def judge_by(
        self,
        middleware: object,
        judge: Callable[[BaseException], Outcome | Verdict | None] | None,
    ) -> None:
        """Let a middleware judge the errors of the attempts inside it; None ends that.

        For errors that the middleware itself causes: a cancellation is neutral, unless the middleware
        cancelled a slow member. Where the judge returns None or raises, the method's policy decides.
        """
        if judge is not None:
            if self._judges is None:
                self._judges = {}
            self._judges[middleware] = judge
        elif self._judges is not None:
            self._judges.pop(middleware, None)

    def judge(self, error: BaseException | None) -> Verdict:
        """Return the verdict on an attempt by the error that ended it, and whether to retry."""
        if error is None:
            return SUCCESS
        if self._judged is not None and self._judged[0] is error:
            return self._judged[1]
        verdict = self._judge_anew(error)
        self._judged = (error, verdict)
        return verdict

    def _judge_anew(self, error: BaseException) -> Verdict:
        for judge in self._judges.values() if self._judges else ():
            if (said := _judged_by(judge, error)) is not None:
                return said if isinstance(said, Verdict) else judged_as(said)
        return self.error_judge(self.method, error)

    def __repr__(self) -> str:
        member = self.member.name if self.member else None
        return f"<Call {self.pool}.{self.method.name} member={member!r} attempt={self.attempt}>"


def _judged_by(
    judge: Callable[[BaseException], Outcome | Verdict | None], error: BaseException
) -> Outcome | Verdict | None:
    """Return what a middleware says of an error, None if it fails: the client's error matters more."""
    try:
        said = cast("object", judge(error))
    except Exception as problem:
        warn(f"{judge!r} failed to judge {type(error).__name__}: {problem!r}")
        return None
    if said is None or isinstance(said, Outcome):
        return said
    if isinstance(said, Verdict) and wrong_field(said) is None:
        return said
    warn(f"{judge!r} has to return an Outcome, a Verdict or None, not a {type(said).__name__}")
    return None


Balancer: TypeAlias = Callable[[Sequence[Member[Any]], Call], Member[Any]]
"""A balancer of the user's own: given the available members and the call, return one of them."""
