"""Cuts off a method from a member, and no other method."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from connpool_runtime._sync import Lock
from connpool_runtime.core.call import Call
from connpool_runtime.core.chain import Proceed
from connpool_runtime.core.outcome import Outcome
from connpool_runtime.core.pairs import Pairs, Trial
from connpool_runtime.core.stats import LayerStats
from connpool_runtime.layer_numbers import Tally
from connpool_runtime.settings import PoolSettings

__all__ = ["MethodBreaker"]


class MethodBreaker:
    """A breaker for each pair of a method and a member, beside the one that each member has.

    For servers on which one method can be broken while the others are well: a report that times
    out, a permission that is missing. Calls of that method go to other members, and are refused by
    `AllMembersOpen` when it is cut off from all of them; other methods notice nothing. Give the
    pool `max_fails=0` if no method's failures shall cut off a whole member.

    It judges single attempts, so it belongs inside `Retry`. A pair whose cooldown is over is probed
    by the next call of the method that is sent there. Callers who wait in line for a member with a
    limit take the first that is free, also one that the method is cut off from. Safe for threads.

    Arguments:
        max_fails: failures of a method on a member in a row that cut it off there; 5, as for
            members.
        cooldown: seconds that this lasts at first, 5.0; it grows and is jittered as that of members.
        random: floats in [0, 1), for the jitter.
        clock: monotonic seconds; for tests.

    Raises:
        ValueError: a number is not allowed.
    """

    def __init__(
        self,
        max_fails: int = 5,
        cooldown: float = 5.0,
        *,
        random: Callable[[], float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        settings = PoolSettings.of({"max_fails": max_fails, "cooldown": cooldown, "random": random})
        self._pairs = Pairs(settings.rules())
        self._clock = clock
        self._lock = Lock()
        # A finalizer may end a call on a thread that holds a lock of ours, and must not wait for it.
        # So ends are only noted, for the next attempt, which is the first to whom they matter.
        self._ended: deque[tuple[Any, ...]] = deque()
        self._tally = Tally(
            method_cut_offs="Times that a method was cut off from a member.",
            method_rejections="Calls of a method that is cut off from all members.",
        )

    def around(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of a `Pool`."""
        trial, attempts = self._begin(call), call.attempt
        try:
            result = proceed(call)
        except BaseException as error:
            self._end(call, trial, attempts, error)
            raise
        self._passed(call, trial, attempts)
        return result

    async def around_async(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of an `AsyncPool`."""
        trial, attempts = self._begin(call), call.attempt
        try:
            result = await proceed(call)
        except BaseException as error:
            self._end(call, trial, attempts, error)
            raise
        self._passed(call, trial, attempts)
        return result

    def numbers(self) -> list[LayerStats]:
        """Return what this layer counted, for the stats of its pool."""
        with self._lock:
            self._settle_locked()
        return self._tally.numbers()

    def _begin(self, call: Call) -> Trial:
        call.part(self)  # from an attempt that failed after it had begun
        with self._lock:
            self._settle_locked()
            trial = self._pairs.begin(call.method.name, self._clock())
        call.trial = trial
        return trial

    def _passed(self, call: Call, trial: Trial, attempts: int) -> None:
        if call.held:  # how a stream fares is known at its end
            call.at_end(self, partial(self._end, call, trial, attempts))
        else:
            self._end(call, trial, attempts)

    def _end(
        self, call: Call, trial: Trial, attempts: int, error: BaseException | None = None
    ) -> None:
        method, member = call.method.name, call.member if call.attempt > attempts else None
        if call.trial is trial:
            call.trial = None
        if member is None and trial.barred and error is not None:
            self._tally.add("method_rejections", method=method)
        outcome = call.outcome or Outcome.NEUTRAL
        self._ended.append((method, trial, member, outcome, self._clock(), error))

    def _settle_locked(self) -> None:
        while self._ended:
            method, *rest = self._ended.popleft()
            if self._pairs.end(method, *rest):
                self._tally.add("method_cut_offs", method=method)
