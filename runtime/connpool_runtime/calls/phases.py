"""What the middleware of a pool does for a call that succeeds at its first attempt.

When all middleware of a pool state their phases, its calls stay on the fast path: `admit` is asked before
the pick, and the functions around the call are run only once its first attempt has failed, with a
record of the call that includes this attempt.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from connpool_runtime._concurrency.threads import FREE_THREADED
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.method import AnyMethod
from connpool_runtime.calls.middleware_chain import (
    Admit,
    Invoke,
    Proceed,
    Registration,
    around_admitted,
)

__all__ = ["CallCount", "CountCalls", "Phases"]


class CallCount:
    """Counts the calls that begin before `end`.

    Who counts adds to `calls` by one statement, which threads under the interpreter lock cannot tear.

    Attributes:
        calls: how many there were.
        end: when another count takes over, in seconds of the pool's clock; `inf` if none does.
    """

    __slots__ = ("calls", "end")

    def __init__(self, end: float = math.inf) -> None:
        self.calls = 0
        self.end = end


CountCalls: TypeAlias = Callable[[float], CallCount]
"""Returns the count of the calls that begin now."""

ChainedCall: TypeAlias = tuple[Call, Proceed]
"""A call that has to be run around, and what runs it."""


class Phases:
    """What the calls of a pool need of its middleware; rebuilt when the middleware changes.

    Arguments:
        pool: its name.
        new_call: makes the record of a call.
        innermost: runs one attempt.
        middleware: of the pool, outermost first.
        clock: of the pool.

    Attributes:
        admit: asks the middleware before the pick, by method and arguments. Returns None if the call may
            take the fast path, else its record and what runs it, after counting it. None if no middleware
            has to be asked.
        invokes: for each method the function that is run on the client, if middleware wraps it; else None.
            `invoke_of` adds a method that is missing.
        chain: runs a call inside all middleware, which have admitted it.
        call_count: of the calls that begin before its `end`; afterwards `next_call_count` gives the next one.
    """

    __slots__ = (
        "_admits",
        "_attempts",
        "_clock",
        "_count_calls",
        "_new_call",
        "_pool",
        "admit",
        "call_count",
        "chain",
        "invokes",
    )

    def __init__(
        self,
        pool: str,
        new_call: Callable[..., Call],
        innermost: Proceed,
        middleware: Sequence[Registration],
        clock: Callable[[], float],
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._new_call = new_call
        self.chain = around_admitted(innermost, middleware)
        self._count_calls: CountCalls | None = None
        # Each with the middleware outside it, which have to see its refusal.
        self._admits: list[tuple[Admit, Proceed]] = []
        for place, one in enumerate(middleware):
            # A middleware that only counts calls lets the pool count for it. Without the GIL additions are
            # lost, so there the middleware counts under its own lock.
            can_count = one.admit is not None and not FREE_THREADED
            ask = getattr(one.middleware, "count_calls", None) if can_count else None
            count: CountCalls | None = ask(clock) if self._count_calls is None and ask else None
            if count is not None:
                self._count_calls = count
            elif one.admit is not None:
                self._admits.append((one.admit, around_admitted(innermost, middleware[:place])))
        self._attempts = [one.attempt for one in reversed(middleware) if one.attempt is not None]
        self.invokes: dict[AnyMethod, Invoke] | None = {} if self._attempts else None
        self.admit = self._admit_all if self._admits else None
        self.call_count = CallCount(-math.inf if self._count_calls else math.inf)

    def _admit_all(self, method: AnyMethod, args: tuple[Any, ...]) -> ChainedCall | None:
        chained = False
        for admit, outside in self._admits:
            try:
                if admit(self._pool, method, args):
                    chained = True
            except BaseException as error:
                call = self._new_call(method, args)
                call.fail_first(error)
                return call, outside
        if not chained:
            return None
        self._count()
        new_call = self._new_call
        return new_call(method, args), self.chain

    def _count(self) -> None:
        clock, call_count = self._clock, self.call_count
        now = clock()
        if now >= call_count.end:
            call_count = self.next_call_count(now)
        call_count.calls += 1

    def invoke_of(self, method: AnyMethod) -> Invoke:
        """Return the function to run on the client for a method, with all middleware of the phase ATTEMPT around it."""
        invoke: Invoke = method.invoke_in_time
        for attempt in self._attempts:
            invoke = attempt(self._pool, method, invoke)
        if self.invokes is not None:
            self.invokes[method] = invoke
        return invoke

    def next_call_count(self, now: float) -> CallCount:
        """Return the count of the calls that begin from now on."""
        if self._count_calls is not None:
            self.call_count = self._count_calls(now)
        return self.call_count
