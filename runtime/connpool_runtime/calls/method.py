"""What generated code states about one method of a client: its name, its call, its policy."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar, cast

from connpool_runtime.breaker.classifier import ResultClassifier, judged
from connpool_runtime.calls.named_keys import key_getter
from connpool_runtime.calls.retry_policy import NEVER, RetryPolicy
from connpool_runtime.calls.route import Route
from connpool_runtime.deadlines import at_first_use, in_use
from connpool_runtime.options.validation import error_classes, is_text

if TYPE_CHECKING:
    from connpool_runtime.calls.deadline_parameter import DeadlineParameter

__all__ = ["AnyMethod", "Method", "method"]

C_contra = TypeVar("C_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)
C = TypeVar("C")
R = TypeVar("R")


class Method(Generic[C_contra, R_co]):
    """One method of a client class, created once per module and never changed.

    Arguments:
        name: the label of this method in stats and metrics.
        invoke: runs the method on a client with the arguments packed by the wrapper.
        idempotent: whether running it twice does no harm; `Retry` retries only such methods.
        timeout: seconds that one attempt may take: the client is told by `deadline_parameter`, and `Timeout`
            cancels it; None for no limit but that of `Timeout`.
        expected: errors that are answers: the member is healthy.
        ignored: errors that say nothing about the member: the call counts as neutral.
        failures: errors that count against the member, whatever is known of them.
        judge: a function of what the client returned or of the `Exception` it raised; says what
            that means for the member, or None for the usual judgement. A result that it calls a
            failure is one for the breaker, for `Retry` and in the numbers, and the caller gets it
            all the same. Streams and context managers are judged by their errors only.
        hash_key: index into the packed arguments of the key for consistent hashing.
        hash_keys: in place of it, gets the packed arguments and returns the keys of a method that
            takes several: keys, None, or what holds them. All must belong together.
        deadline_parameter: the parameter by which the client bounds how long a call takes. It gets the least of
            what the caller gives, of `timeout`, and of what is left until the caller's deadline.
        retry: how `Retry` tries it again, where that differs from the other methods; False for never.
        route: the roles of the members that its calls are for, those that are preferred first: "replica",
            "replica, any", "replica, none"; see `Route.read`. A pool goes by it that was made with this method
            among its `methods`, once a member has a role.

    Raises:
        TypeError: `name` is not a string, or holds half a surrogate pair.
        ValueError: `expected`, `ignored` or `failures` is not a tuple of exception classes, or `route` is not
            valid.

    Safe to share between threads, tasks and pools.
    """

    __slots__ = (
        "__weakref__",
        "_bounded",
        "deadline_parameter",
        "declares",
        "expected",
        "failures",
        "hash_key",
        "hash_keys",
        "idempotent",
        "ignored",
        "invoke",
        "judge",
        "name",
        "open",
        "raw",
        "retry",
        "route",
        "timeout",
        "unjudged",
    )

    def __init__(
        self,
        name: str,
        invoke: Callable[[C_contra, Any], R_co],
        *,
        idempotent: bool = False,
        timeout: float | None = None,
        expected: tuple[type[BaseException], ...] = (),
        ignored: tuple[type[BaseException], ...] = (),
        failures: tuple[type[BaseException], ...] = (),
        judge: ResultClassifier | None = None,
        hash_key: int | None = None,
        hash_keys: Callable[[Any], object] | None = None,
        deadline_parameter: DeadlineParameter | None = None,
        retry: RetryPolicy | Literal[False] | None = None,
        route: str | None = None,
    ) -> None:
        # A name that cannot be encoded would break the scrape of all pools.
        if not is_text(cast("object", name)):
            raise TypeError(
                f"the name of a method must be a string, not {name!r}: Method(name, invoke)"
            )
        error_classes("expected", expected)
        error_classes("ignored", ignored)
        error_classes("failures", failures)
        self.name = name
        self.raw = self.unjudged = self.open = invoke
        # Judging results is part of the call itself, so that methods without a judge pay nothing for it.
        self.invoke = invoke if judge is None else judged(invoke, judge)
        self.judge = judge
        self.idempotent = idempotent
        self.timeout = timeout
        self.expected = expected
        self.ignored = ignored
        self.failures = failures
        self.declares = judge is not None or bool(expected or ignored or failures)
        self.hash_key = hash_key
        self.hash_keys = hash_keys
        self.retry = NEVER if retry is False else retry
        self.route = None if route is None else Route.read(route)
        self.deadline_parameter = deadline_parameter
        self._bounded: Callable[[C_contra, Any], R_co] | None = None
        if deadline_parameter is not None and not deadline_parameter.is_of_callable:
            from connpool_runtime.calls.deadline_parameter import bounded  # few clients have one

            # Replaces `raw` for results that are not judged, and for those that outlive their call.
            self.unjudged = within = bounded(self, invoke)
            self.open = bounded(self, invoke, opens=True)
            self._bounded = within if judge is None else judged(within, judge)
            if timeout is not None:
                self.invoke = self._bounded
            else:
                _not_bounded.append(weakref.ref(self))
                if in_use():
                    _bound_all()

    @property
    def invoke_in_time(self) -> Callable[[C_contra, Any], R_co]:
        """The function that runs the method on a client within the time of the call; `invoke` may ignore the time."""
        return self._bounded or self.invoke

    def wrapped(
        self, wrap: Callable[[Callable[[Any, Any], Any]], Callable[[Any, Any], Any]]
    ) -> Method[C_contra, R_co]:
        """Return a copy whose functions are those of this method, wrapped by `wrap`."""
        twin = copy.copy(self)
        twin.raw, twin.unjudged, twin.open = map(wrap, (self.raw, self.unjudged, self.open))
        # A judge sees the results of the wrapping, inside which the time is observed.
        within = twin.unjudged
        twin.invoke = within if self.judge is None else judged(within, self.judge)
        twin._bounded = None
        return twin

    def look_at_time(self) -> None:
        """Observe the time of the call from now on."""
        self.invoke = self.invoke_in_time

    @property
    def has_key(self) -> bool:
        """Whether some arguments of the method are keys."""
        return self.hash_key is not None or self.hash_keys is not None

    def __repr__(self) -> str:
        return f"Method({self.name!r})"


AnyMethod: TypeAlias = Method[Any, Any]

# Methods with a `deadline_parameter` are called unchanged until some caller sets a deadline.
_not_bounded: list[weakref.ref[AnyMethod]] = []


def _bound_all() -> None:
    while _not_bounded:
        made = _not_bounded.pop()()
        if made is not None:
            made.look_at_time()


at_first_use(_bound_all)


def method(
    name: str,
    *,
    idempotent: bool = False,
    timeout: float | None = None,
    expected: tuple[type[BaseException], ...] = (),
    ignored: tuple[type[BaseException], ...] = (),
    failures: tuple[type[BaseException], ...] = (),
    judge: ResultClassifier | None = None,
    hash_key: str | None = None,
    deadline_parameter: str | None = None,
    retry: RetryPolicy | Literal[False] | None = None,
    route: str | None = None,
) -> Callable[[Callable[[C, Any], R]], Method[C, R]]:
    """Return a `Method` for a function that unpacks the arguments and calls one method of a client.

        @method("get", idempotent=True, hash_key="key")
        def _get(client: Client, packed: tuple[str, int]) -> bytes:
            key, limit = packed
            return client.get(key, limit=limit)

    The function's name is what tracebacks and profilers show.

    Arguments:
        name: the label of this method in stats and metrics.
        idempotent: as in `Method`.
        timeout: as in `Method`, seconds.
        expected: as in `Method`.
        ignored: as in `Method`.
        failures: as in `Method`.
        judge: as in `Method`.
        hash_key: the names of the unpacked arguments that are keys, as the policy of that name has
            them: `key`, `*keys`, `source, *others`, `*args[:count]`.
        deadline_parameter: the name of the unpacked argument by which the client bounds how long a call takes,
            with its unit if that is not seconds: `timeout`, `timeout in ms`, `timeout in whole seconds`. A key
            of an unpacked mapping is `kwargs[timeout]`; `client.options(timeout)` is an option with which a
            method of the client makes another one, on which the call is run.
        retry: as in `Method`.
        route: as in `Method`.

    Raises:
        ValueError: `hash_key` or `deadline_parameter` names what is not unpacked, or something is refused as in
            `Method`.
    """

    def make(invoke: Callable[[C, Any], R]) -> Method[C, R]:
        key = bounding = None
        if hash_key is not None or deadline_parameter is not None:
            code = cast("FunctionType", invoke).__code__
            # The variables that the function unpacks first come first in `co_varnames`, after its parameters.
            names = code.co_varnames[code.co_argcount :]
            key = None if hash_key is None else key_getter(hash_key, names)
            if deadline_parameter is not None:
                from connpool_runtime.calls.deadline_parameter import DeadlineParameter

                bounding = DeadlineParameter.read(deadline_parameter, names)
        return Method(
            name,
            invoke,
            idempotent=idempotent,
            timeout=timeout,
            expected=expected,
            ignored=ignored,
            failures=failures,
            judge=judge,
            hash_key=key if isinstance(key, int) else None,
            hash_keys=None if isinstance(key, int) else key,
            deadline_parameter=bounding,
            retry=retry,
            route=route,
        )

    return make
