"""Builds the middleware chain of a call, the first registered outermost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from enum import Enum
from types import MethodType
from typing import Any, NamedTuple, Protocol, TypeAlias, cast

from connpool_runtime._concurrency.introspection import is_coroutine_function
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.method import AnyMethod

__all__ = [
    "Admit",
    "AroundAttempt",
    "AsyncMiddleware",
    "Invoke",
    "MiddlewareFunction",
    "Middleware",
    "Phase",
    "Proceed",
    "Registration",
    "around",
    "around_admitted",
    "outermost",
    "refuse_duplicate",
    "registration_of",
]

Proceed: TypeAlias = Callable[[Call], Any]
"""Runs what lies further in; each call of it is one attempt, on a member picked anew."""

MiddlewareFunction: TypeAlias = Callable[[Call, Proceed], Any]
"""A middleware as a function, of the call and of what lies inside."""


Admit: TypeAlias = Callable[[str, AnyMethod, tuple[Any, ...]], object]
"""Looks at a call before a member is picked, by pool, method and packed arguments."""


Invoke: TypeAlias = Callable[[Any, Any], Any]
"""Runs a method on a client with packed arguments."""

AroundAttempt: TypeAlias = Callable[[str, AnyMethod, Invoke], Invoke]
"""Returns what is run in the place of a method's own function, by pool, method and that function."""


class Phase(Enum):
    """States in which phases of a call a middleware has something to do.

    A middleware without an attribute `phases` is run around every call. One that states its phases is
    left out where it has nothing to do, so that a call that succeeds at once does not pay for it. Where it
    has other phases in an `AsyncPool`, `phases_async` states those.
    """

    ADMIT = "admit"
    """Before a member is picked: `admit(pool, method, args)` refuses the call by an error. It must not
    wait. If it returns true, all middleware of the pool are run around this call, whatever its end. What
    an `AsyncPool` has to do otherwise is in `admit_async`, which must not wait either."""
    ATTEMPT = "attempt"
    """Around what runs on the client: `attempt(pool, method, invoke)` returns what is run in the place of
    `invoke`, a function of the client and the packed arguments. It is asked once for each method. What an
    `AsyncPool` runs otherwise is returned by `attempt_async`. Who cancels `invoke` there, and raises another
    error, sets `cut_off` of that error to true: the client may be in the middle of a conversation."""
    FAILED = "failed"
    """Once the first attempt has failed, or was refused further in: `around(call, proceed)`, whose first
    `proceed` raises that error instead of making an attempt. It may be run around other calls too, such as
    those that wait for a member within a `Timeout`, and then has to let a success pass."""


class Middleware(Protocol):
    """A middleware as an object, for a `Pool`."""

    def around(self, call: Call, proceed: Proceed, /) -> Any:
        """Run the rest of a call by `proceed(call)`, or not; return what the caller gets."""


class AsyncMiddleware(Protocol):
    """A middleware as an object, for an `AsyncPool`."""

    def around_async(self, call: Call, proceed: Proceed, /) -> Awaitable[Any]:
        """Run the rest of a call by `await proceed(call)`; see `Middleware`."""
        ...


class Registration(NamedTuple):
    """What a pool needs to know about one registered middleware.

    Attributes:
        middleware: as it was registered.
        around: what is run around a call; None if it only admits calls.
        admit: what is asked first, if anything is.
        attempt: what puts something around the method itself, if anything does.
        always: whether `around` is run for every call, and not only after a failure.
        is_async: whether `around` is a coroutine function.
    """

    middleware: object
    around: MiddlewareFunction | None
    admit: Admit | None
    attempt: AroundAttempt | None
    always: bool
    is_async: bool


def registration_of(middleware: object, way: str) -> Registration:
    """Return the registration of a middleware, after checking it.

    Arguments:
        middleware: an object with such a method, or a function of (call, proceed).
        way: the name of the method, "around" for a `Pool`, "around_async" for an `AsyncPool`.

    Raises:
        TypeError: the middleware is neither, is for the other kind of pool, is a class, or states
            phases that it has no method for.
    """
    is_async = way == "around_async"
    stated: Collection[Phase] | None = getattr(middleware, "phases", None)
    if is_async:
        stated = getattr(middleware, "phases_async", stated)
    if stated is None:
        return Registration(middleware, function_of(middleware, way), None, None, True, is_async)
    name = type(middleware).__name__
    phases = set(stated)
    if not phases <= set(Phase):
        raise TypeError(f"phases of {name} must be members of Phase, not {stated!r}")
    admit: Admit | None = None
    if Phase.ADMIT in phases:
        admit = getattr(middleware, "admit", None)
        if is_async:
            admit = getattr(middleware, "admit_async", admit)
        _check_admit(name, admit)
    attempt: AroundAttempt | None = None
    if Phase.ATTEMPT in phases:
        attempt = getattr(middleware, "attempt", None)
        if is_async:
            attempt = getattr(middleware, "attempt_async", attempt)
        if not callable(attempt):
            raise TypeError(
                f"{name} has the phase ATTEMPT and needs a method attempt(pool, method, invoke)"
            )
    # A middleware with the phase ATTEMPT runs by `around` instead where another middleware has to see each
    # call.
    needed = phases != {Phase.ADMIT} or hasattr(middleware, way)
    function = function_of(middleware, way) if needed else None
    return Registration(middleware, function, admit, attempt, False, is_async)


def refuse_duplicate(pool: str, middleware: object, registered: Iterable[Registration]) -> None:
    """Refuse a second middleware that repeats calls: the attempts of two `Retry` multiply.

    Roles are compared without their enumeration, whose import would bring all middleware with it.

    Arguments:
        pool: its name.
        middleware: the one to be registered.
        registered: those that are.

    Raises:
        ValueError: there is one of the same role already.
    """
    role = getattr(middleware, "role", None)
    if not getattr(role, "repeats_calls", False):
        return
    for one in registered:
        if getattr(one.middleware, "role", None) is role:
            raise ValueError(
                f"pool {pool!r} already has a {type(one.middleware).__name__}: with a second one attempts would"
                " multiply. Give the first one the settings that you want, or set a policy for a method"
            )


def _check_admit(name: str, admit: object) -> None:
    """Refuse an `admit` that cannot be called, or would have to be awaited."""
    if not callable(admit):
        raise TypeError(f"{name} has the phase ADMIT and needs a method admit(pool, method, args)")
    if is_coroutine_function(admit):
        raise TypeError(f"admit of {name} must not wait: do that in `around_async`")


def function_of(middleware: object, way: str) -> MiddlewareFunction:
    """Return the function that a pool calls for a middleware: a method of it, or the middleware itself.

    Arguments:
        middleware: an object with such a method, or a function of (call, proceed).
        way: the name of the method, "around" for a `Pool`, "around_async" for an `AsyncPool`.

    Raises:
        TypeError: the middleware is neither, is for the other kind of pool, or is a class.
    """
    name = getattr(middleware, "__name__", type(middleware).__name__)
    if isinstance(middleware, type) and not isinstance(getattr(middleware, way, None), MethodType):
        raise TypeError(f"{name} is a class: register an instance of it, such as {name}()")
    function: MiddlewareFunction | None = getattr(middleware, way, None)
    if function is None:
        if hasattr(middleware, _OTHER[way]):
            raise TypeError(
                f"{name} is for {_POOLS[_OTHER[way]]}: {_POOLS[way]} needs a method"
                f" {way}(call, proceed)"
            )
        function = cast("MiddlewareFunction", middleware)
    if not callable(function):
        raise TypeError(
            f"middleware must be a function of (call, proceed) or have a method {way}(call,"
            f" proceed); {middleware!r} is neither"
        )
    _check(function, way)
    return function


_OTHER = {"around": "around_async", "around_async": "around"}
_POOLS = {"around": "a Pool", "around_async": "an AsyncPool"}


def _check(function: MiddlewareFunction, way: str) -> None:
    """Refuse a function whose first call would fail, or whose result would not be awaited or iterated."""
    import inspect  # see `_concurrency.introspection`

    runs = (function, type(function).__call__)  # an object with a `__call__`, too
    if way == "around" and any(map(inspect.iscoroutinefunction, runs)):
        raise TypeError(f"{function!r} is a coroutine function: that is for an AsyncPool")
    if any(inspect.isgeneratorfunction(run) or inspect.isasyncgenfunction(run) for run in runs):
        raise TypeError(f"{function!r} is a generator function: a middleware returns the answer")
    try:
        signature = inspect.signature(function)
    except Exception:
        return  # builtins have no signature, and annotations may fail; the first call will show
    try:
        signature.bind(None, None)
    except TypeError as error:
        raise TypeError(
            f"middleware must be a function of (call, proceed); {function!r} cannot be called with"
            f" these two: {error}"
        ) from None


def around(innermost: Proceed, middleware: Sequence[Registration]) -> Proceed:
    """Return a function that runs a call through all middleware."""
    proceed = innermost
    for one in reversed(middleware):
        if one.around is not None:
            proceed = _wrapped(one.around, proceed)
        if one.admit is not None:
            proceed = (_admitted_async if one.is_async else _admitted)(one.admit, proceed)
    return proceed


def outermost(
    innermost: Proceed, middleware: Sequence[Registration]
) -> tuple[MiddlewareFunction, Proceed]:
    """Return the outermost middleware and the function that runs what is inside it."""
    first, *others = middleware
    if first.around is not None and first.admit is None:
        return first.around, around(innermost, others)
    return _passed_on, around(innermost, middleware)


def _passed_on(call: Call, inner: Proceed) -> Any:
    return inner(call)


def around_admitted(innermost: Proceed, middleware: Sequence[Registration]) -> Proceed:
    """Return a function that runs a call through all middleware, all of which have admitted it already."""
    proceed = innermost
    for one in reversed(middleware):
        if one.around is not None:
            proceed = _wrapped(one.around, proceed)
    return proceed


def _wrapped(function: MiddlewareFunction, inner: Proceed) -> Proceed:
    def proceed(call: Call) -> Any:
        return function(call, inner)

    return proceed


def _admitted(admit: Admit, inner: Proceed) -> Proceed:
    def proceed(call: Call) -> Any:
        admit(call.pool, call.method, call.args)
        return inner(call)

    return proceed


def _admitted_async(admit: Admit, inner: Proceed) -> Proceed:
    async def proceed(call: Call) -> Any:
        admit(call.pool, call.method, call.args)
        return await inner(call)

    return proceed
