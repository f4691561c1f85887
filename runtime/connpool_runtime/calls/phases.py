"""What the middleware of a pool have to do for a call that succeeds at once.

When all middleware of a pool state their phases, its calls stay on the fast path: `admit` is asked before
the pick, and the functions around the call are run only once its first attempt has failed, with a
record of the call that tells of this attempt.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from connpool_runtime.calls.call import Call
from connpool_runtime.calls.chain import Admit, Invoke, Proceed, Registered, around_admitted
from connpool_runtime.calls.method import AnyMethod

__all__ = ["CallCount", "CountCalls", "Phases"]


class CallCount:
    """Counts the calls that begin before a moment.

    Pools add to `calls` by one statement each, which threads under the interpreter lock cannot tear.

    Attributes:
        calls: that have begun.
        end: when calls are counted elsewhere, in seconds of the pool's clock.
    """

    __slots__ = ("calls", "end")

    def __init__(self, end: float) -> None:
        self.calls = 0
        self.end = end


CountCalls: TypeAlias = Callable[[float], CallCount]
"""Returns where calls are counted that begin now."""

Elsewhere: TypeAlias = tuple[Call, Proceed]
"""A call that has to be run around, and what runs it."""


class Phases:
    """Keeps what the calls of a pool need of its middleware; made anew with each middleware.

    Arguments:
        pool: its name.
        new_call: makes the record of a call.
        innermost: runs one attempt.
        middleware: of the pool, outermost first.
        clock: of the pool.

    Attributes:
        admit: asks the middleware before the pick, by method and arguments. Returns None if the call may
            take the fast path, else its record and what runs it; a call that goes on was counted then. None
            if there is nobody to ask.
        invokes: for each method what is run on the client, where something is put around it; else None. A
            method that is not there yet is asked for by `invoke_of`.
        go_on: runs a call around which no middleware was run so far.
        counted: where calls are counted that begin before its `end`; see `count_on`.
    """

    __slots__ = (
        "_admits",
        "_attempts",
        "_clock",
        "_count_calls",
        "_new_call",
        "_pool",
        "admit",
        "counted",
        "go_on",
        "invokes",
    )

    def __init__(
        self,
        pool: str,
        new_call: Callable[..., Call],
        innermost: Proceed,
        middleware: Sequence[Registered],
        clock: Callable[[], float],
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._new_call = new_call
        self.go_on = around_admitted(innermost, middleware)
        self._count_calls: CountCalls | None = None
        # Each with what lies outside it, which has to see its refusal.
        self._admits: list[tuple[Admit, Proceed]] = []
        for place, one in enumerate(middleware):
            # A middleware that wants to know no more of a call than that it begins lets the pool count.
            ask = getattr(one.middleware, "count_calls", None) if one.admit else None
            count: CountCalls | None = ask(clock) if self._count_calls is None and ask else None
            if count is not None:
                self._count_calls = count
            elif one.admit is not None:
                self._admits.append((one.admit, around_admitted(innermost, middleware[:place])))
        self._attempts = [one.attempt for one in reversed(middleware) if one.attempt is not None]
        self.invokes: dict[AnyMethod, Invoke] | None = {} if self._attempts else None
        self.admit = self._ask_all if self._admits else None
        self.counted = CallCount(-math.inf if self._count_calls else math.inf)

    def _ask_all(self, method: AnyMethod, args: tuple[Any, ...]) -> Elsewhere | None:
        elsewhere = False
        for admit, outside in self._admits:
            try:
                if admit(self._pool, method, args):
                    elsewhere = True
            except BaseException as error:
                call = self._new_call(method, args)
                call.fail_first(error)
                return call, outside
        if not elsewhere:
            return None
        if self._count_calls is not None:
            self._count()
        return self._new_call(method, args), self.go_on

    def _count(self) -> None:
        now, counted = self._clock(), self.counted
        if now >= counted.end:
            counted = self.count_on(now)
        counted.calls += 1

    def invoke_of(self, method: AnyMethod) -> Invoke:
        """Return what is run on the client for a method, with all that is put around it."""
        invoke: Invoke = method.invoke
        for attempt in self._attempts:
            invoke = attempt(self._pool, method, invoke)
        if self.invokes is not None:
            self.invokes[method] = invoke
        return invoke

    def count_on(self, now: float) -> CallCount:
        """Return where calls are counted from now on."""
        if self._count_calls is not None:
            self.counted = self._count_calls(now)
        return self.counted
