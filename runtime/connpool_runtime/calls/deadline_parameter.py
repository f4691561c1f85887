"""Passes the time left to the client, through the parameter by which the client itself limits a call.

A blocking call cannot be interrupted from outside, so only its client can end it in time. A method that states
such a parameter gets the least of what was given, of its policy, and of what is left until the caller's deadline.
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar, cast

from connpool_runtime._concurrency.introspection import is_coroutine
from connpool_runtime.calls.calling import current_options
from connpool_runtime.deadlines import DeadlineBlock, remaining
from connpool_runtime.errors import DeadlineExceeded, PoolError

__all__ = ["DeadlineParameter", "Rpc", "bounded", "in_time", "run_within"]

R = TypeVar("R")
Invoke = Callable[[Any, Any], Any]

_TEXT = re.compile(
    r"(?:(?P<name>\w+)(?:\[(?P<key>\w+)\])?|client\.(?P<maker>\w+)\((?P<option>\w+)\)"
    r"|(?P<function>\w+)\((?P<inner>\w+)\))(?: in (?P<unit>.+))?"
)
_OVER = re.compile(r"time[- ]?out|timed[- ]?out|deadline exceeded", re.IGNORECASE)
_UNITS = {None: (1.0, False), "seconds": (1.0, False), "ms": (0.001, True)}
_UNITS["whole seconds"] = (1.0, True)
# Because of its own clock and rounding, a client may end a call up to this many seconds before the deadline.
_TOLERANCE = 0.01
_CAUSES = 8  # errors along the chain of causes that are looked at
# What clients call the parts of a composite timeout; each limits a part of the call.
_PARTS = ("connect", "read", "write", "pool", "sock_connect", "sock_read", "ceil_threshold")
# Words in the names of sentinel types, by which clients mark an argument as not given.
_MARKS = ("default", "missing", "notgiven", "omit", "sentinel", "unset")


class DeadlineParameter:
    """The parameter of a method that limits how long its call takes.

    Arguments:
        name: of the parameter, of the key, or of the option.
        place: the index into the packed arguments of the parameter, or of what holds the key; None where it is
            no packed argument.
        unit: its unit, in seconds.
        whole: whether it is a whole number of its unit. Less than one is never given, since 0 has a meaning of
            its own to most clients; otherwise it is rounded down, so that the call ends in time.
        in_mapping: whether it is a key, of `**kwargs` or of a dictionary that the method takes.
        maker: the client's method that takes the option and returns a client with it.
    """

    __slots__ = ("in_mapping", "maker", "name", "place", "unit", "whole")

    def __init__(
        self,
        name: str,
        place: int | None,
        unit: float = 1.0,
        whole: bool = False,
        *,
        in_mapping: bool = False,
        maker: str | None = None,
    ) -> None:
        self.name = name
        self.place = place
        self.unit = unit
        self.whole = whole
        self.in_mapping = in_mapping
        self.maker = maker

    @property
    def is_of_callable(self) -> bool:
        """Whether the callable of a member takes the parameter, and not the function of the method table."""
        return self.place is None and self.maker is None

    @classmethod
    def read(cls, text: str, names: Sequence[str]) -> DeadlineParameter:
        """Parse the text of a wrapper's method table.

        Arguments:
            text: `timeout`, `timeout in ms`, `timeout in whole seconds`; `kwargs[timeout]` for a key;
                `client.options(timeout)` for an option of another client, which a method of this one makes;
                `run(timeout)` for a parameter of the callable `run` that is packed.
            names: the parameters in the order in which the wrapper packs them.

        Raises:
            ValueError: the text has another form, or names a parameter that is not packed.
        """
        found = _TEXT.fullmatch(text)
        if found is None or found["unit"] not in _UNITS:
            raise ValueError(
                f"deadline_parameter must be 'NAME', 'NAME[KEY]' or 'client.METHOD(OPTION)', optionally followed"
                f" by 'in ms' or 'in whole seconds', not {text!r}"
            )
        unit, whole = _UNITS[found["unit"]]
        if found["maker"]:
            return cls(found["option"], None, unit, whole, maker=found["maker"])
        packed = found["function"] or found["name"]
        if packed not in names:
            raise ValueError(
                f"deadline_parameter: {packed!r} is not one of the packed arguments: {', '.join(names)}"
            )
        if found["function"]:
            return cls(found["inner"], None, unit, whole)
        place = list(names).index(packed)
        if found["key"]:
            return cls(found["key"], place, unit, whole, in_mapping=True)
        return cls(packed, place, unit, whole)

    def run(self, invoke: Invoke, client: Any, args: tuple[Any, ...], seconds: float) -> Any:
        """Run a method on a client, passing the seconds that are left.

        Arguments:
            invoke: runs the method with packed arguments.
            client: to run it on.
            args: packed.
            seconds: that are left.
        """
        if self.maker is not None:
            least = self.least(_own_limit(client, self.name), seconds)
            return invoke(getattr(client, self.maker)(**{self.name: least}), args)
        place = cast("int", self.place)
        given = args[place]
        if self.in_mapping:
            held: dict[str, Any] = dict(given or {})
            least = {**held, self.name: self.least(held.get(self.name), seconds, client)}
        else:
            least = self.least(given, seconds, client)
        return invoke(client, (*args[:place], least, *args[place + 1 :]))

    def least(self, given: Any, seconds: float, client: object = None) -> object:
        """Return the timeout to pass: the caller's own or the seconds given, whichever is less.

        Arguments:
            given: what the caller gave: None for no limit, a number, a timeout of several parts (a tuple, or an
                object such as httpx's and aiohttp's), or the client's mark for "not given", for which its own
                attribute `timeout` holds. Whatever else it is stays as it is.
            seconds: that are left.
            client: whose method it is.
        """
        if _is_mark(given):
            given = getattr(client, "timeout", None)
        elif given is None:
            own = getattr(client, "timeout", None)
            given = own if _is_number(own) else _without_limit(own)
        if given is None or _is_number(given):
            return self._number(given, seconds)
        if isinstance(given, tuple):
            parts = list(cast("tuple[Any, ...]", cast("object", given)))
            limited = [part is None or _is_number(part) for part in parts]
            return (
                tuple(self._number(part, seconds) for part in parts)
                if all(limited)
                else tuple(parts)
            )
        return self._with_parts(given, seconds)

    def _number(self, given: float | None, seconds: float) -> float:
        limit = seconds / self.unit
        if self.whole:
            limit = max(1, math.floor(limit))
        return limit if given is None or limit < given else given

    def _with_parts(self, given: Any, seconds: float) -> object:
        """Return a composite timeout of the same kind, shortened; unchanged if its kind is not known."""
        kind = cast("Callable[..., object]", type(given))
        parts = {name: getattr(given, name) for name in _PARTS if hasattr(given, name)}
        if (
            hasattr(given, "total") and "sock_read" in parts
        ):  # aiohttp's: `total` limits all the others
            return kind(**parts, total=self._number(given.total, seconds))
        if parts.keys() == {"connect", "read", "write", "pool"}:  # httpx's
            return kind(**{name: self._number(part, seconds) for name, part in parts.items()})
        return given


def _own_limit(client: Any, option: str) -> float | None:
    """Return the timeout that a client is configured with: the option itself, or that of its nodes."""
    own = getattr(client, f"_{option}", None)
    if _is_number(own):
        return cast("float", own)
    if own is None and hasattr(client, f"_{option}"):
        return None  # set to None: no limit
    try:
        nodes = client.transport.node_pool.all()
        limits: list[Any] = [getattr(node.config, option, None) for node in nodes]
    except Exception:  # another library, or another version of it
        return None
    numbers: list[float] = [limit for limit in limits if _is_number(limit)]
    return min(numbers, default=None)


def _without_limit(own: object) -> object:
    """Return the value that means "no limit" for the kind of a client's own timeout: aiohttp takes no number."""
    return type(own)() if hasattr(own, "sock_read") else None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_mark(value: object) -> bool:
    """Whether a value is a client's sentinel for an argument that was not given."""
    kind = type(value)
    return kind is object or any(mark in kind.__name__.lower() for mark in _MARKS)


def bounded(method: Any, invoke: Invoke, *, opens: bool = False) -> Invoke:
    """Return a function that runs a method with its parameter set, if there is any limit.

    `opens` as in `run_within`.
    """
    parameter: DeadlineParameter = method.deadline_parameter

    def within(client: Any, args: Any) -> Any:
        if method.timeout is None and remaining() == math.inf and current_options() is None:
            return invoke(client, args)

        def run(seconds: float) -> Any:
            if seconds == math.inf:
                return invoke(client, args)
            return parameter.run(invoke, client, args, seconds)

        return run_within(method, run, opens=opens)

    return within


class Rpc:
    """One call of a gRPC callable, with the arguments of the caller; each run of it is one attempt.

    Arguments:
        method: that is called.
        args: the request, perhaps the timeout, and so on, as gRPC's callables take them.
        kwargs: the same by name.
        opens: as in `run_within`.
        awaited: as in `run_within`.
    """

    __slots__ = ("_args", "_awaited", "_kwargs", "_method", "_opens")

    def __init__(
        self,
        method: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        opens: bool = False,
        awaited: bool = False,
    ) -> None:
        self._method = method
        self._args = args
        self._kwargs = kwargs
        self._opens = opens
        self._awaited = awaited

    def __call__(self, rpc: Callable[..., Any]) -> Any:
        """Run the call on a member's callable."""
        parameter: DeadlineParameter | None = self._method.deadline_parameter
        if parameter is None:
            return rpc(*self._args, **self._kwargs)

        def run(seconds: float) -> Any:
            if seconds == math.inf:
                return rpc(*self._args, **self._kwargs)
            if len(self._args) > 1:  # the second one is the timeout
                request, given, *others = self._args
                return rpc(request, parameter.least(given, seconds), *others, **self._kwargs)
            least = parameter.least(self._kwargs.get(parameter.name), seconds)
            return rpc(*self._args, **{**self._kwargs, parameter.name: least})

        return run_within(self._method, run, opens=self._opens, awaited=self._awaited)


def run_within(
    method: Any,
    run: Callable[[float], R],
    *,
    opens: bool = False,
    awaited: bool = False,
) -> R:
    """Run a call with the seconds it has: those of its policy, or what is left of the caller's deadline.

    The error by which a client reports that its caller's time was over becomes `DeadlineExceeded`, because a
    caller's patience says nothing about a member.

    Arguments:
        method: that is called.
        run: gets the seconds, `inf` if there is no limit.
        opens: whether the result outlives the call, as a stream does, so that the policy's timeout, which is
            for one attempt, does not apply.
        awaited: whether whatever is returned has to be awaited, not only a coroutine.

    Raises:
        DeadlineExceeded: no time is left, or the call did not end in it.
    """
    limit, left = None if opens else method.timeout, remaining()
    options = current_options()
    if options is not None and options.timeout is not None and not opens:
        limit = options.timeout
    if limit is not None and limit <= left:
        return run(limit)
    if left == math.inf:
        return run(left)
    if left <= 0.0:
        raise DeadlineExceeded(f"the deadline of the caller passed before {method.name} was sent")
    try:
        result = run(left)
    except Exception as error:
        _refuse_late(method, left, error)
        raise
    if awaited or is_coroutine(result):
        return cast("R", _awaited(method, left, cast("Awaitable[Any]", result)))
    return result


async def _awaited(method: Any, left: float, result: Awaitable[R]) -> R:
    try:
        return await result
    except Exception as error:
        _refuse_late(method, left, error)
        raise


def _refuse_late(method: Any, left: float, error: Exception) -> None:
    """Raise `DeadlineExceeded` for an error by which a client reports that the caller's time is over."""
    if remaining() <= _TOLERANCE and _is_timeout(error):
        raise DeadlineExceeded(
            f"{method.name} did not end before the deadline of its caller, {left:.3g} s after it began",
            cause=error,
        ) from error


def in_time(method: Any, scope: DeadlineBlock, error: Exception) -> Exception:
    """Return the error that ended a call which outlives its request, such as a stream.

    Arguments:
        method: that was called.
        scope: the deadline of its caller when it was opened, which was passed to the client.
        error: of the client; it is returned unchanged, unless it reports that this time was over.
    """
    late = scope.remaining() <= _TOLERANCE and not isinstance(error, PoolError)
    if not late or not _is_timeout(error):
        return error
    return DeadlineExceeded(
        f"{method.name} did not end before the deadline of its caller", cause=error
    )


def _says_so(error: BaseException) -> bool:
    """Whether the text of an error without a telling type reports a timeout, as pymilvus' does."""
    try:
        return _OVER.search(str(error)) is not None
    except Exception:  # code of the client's library may raise anything
        return False


def _is_timeout(error: BaseException | None) -> bool:
    """Whether an error, or one of its causes, reports a timeout."""
    for _ in range(_CAUSES):
        if error is None:
            return False
        names = [kind.__name__.lower() for kind in type(error).__mro__]
        if any("timeout" in name or "timedout" in name for name in names) or _says_so(error):
            return True
        code = getattr(error, "code", None)
        try:
            status: object = code() if callable(code) else code
        except Exception:  # code of the client's library may raise anything
            status = None
        if getattr(status, "name", "") == "DEADLINE_EXCEEDED":
            return True
        error = error.__cause__ or error.__context__
    return False
