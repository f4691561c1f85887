"""Hedging: asks a second member when the first one is slow, and takes the first answer."""

from __future__ import annotations

import math
from time import perf_counter
from typing import Any

from connpool_runtime._log import extra, runtime_logger
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.middleware_chain import Proceed
from connpool_runtime.clients.source import REMEDY, EndOfUse
from connpool_runtime.middleware.retry_budget import RetryBudget
from connpool_runtime.middleware.role import Role
from connpool_runtime.options.validation import amount, seconds, whole_number
from connpool_runtime.stats.middleware import MiddlewareCounters
from connpool_runtime.stats.types import MiddlewareStats

__all__ = ["Hedging", "LatencyQuantile"]

_BROKEN_OFF = EndOfUse(broken_off=True)


class LatencyQuantile:
    """Keeps the latest latencies of a method, and recomputes their quantile after every few calls."""

    KEPT = 200
    EVERY = 20

    def __init__(self, quantile: float) -> None:
        self._quantile = quantile
        self._samples: list[float] = []
        self._next = 0
        self._value: float | None = None

    @property
    def value(self) -> float | None:
        """The quantile in seconds; None as long as there are too few latencies."""
        return self._value

    def add(self, seconds: float) -> None:
        """Add the seconds that a call took."""
        if len(self._samples) < self.KEPT:
            self._samples.append(seconds)
        else:
            self._samples[self._next % self.KEPT] = seconds
        self._next += 1
        if self._next % self.EVERY == 0:
            ranked = sorted(self._samples)
            self._value = ranked[math.ceil(self._quantile * len(ranked)) - 1]


class Hedging:
    """Starts another attempt, on another member, when one is slow.

    The first success ends the call; the other attempts are cancelled, and that counts as neutral.
    A failure waits for the attempts that are still under way. Dean and Barroso, "The Tail at Scale".

    The first attempt runs in the caller's task, and no other task is made before the delay has passed.
    When another attempt wins, the first is cancelled, and the answer is returned once the first has ended: a
    client that reacts slowly to a cancellation delays its caller.

    A losing attempt is broken off in the middle. A client that serves one call at a time is then validated
    before its next use; without a `validate` its member is ejected until `uneject`, so that each race would
    eject a member. That is logged once, as a warning.

    Only for idempotent methods of an `AsyncPool`: a blocking call cannot be cancelled. Streams, context managers and
    results that live on a connection, such as the responses of aiohttp, are not hedged. Register it inside `Retry`,
    and outside `Timeout`.

    Arguments:
        delay: seconds after which another attempt is started; by default the time that
            `quantile` of the last calls of the method took, which follows the service.
        quantile: 0.95 by default, so that about one call in twenty is asked twice. Until twenty
            calls were measured nothing is hedged.
        max_hedges: attempts that may be started beside the first; 1, because a third one gains
            little and costs as much.
        budget: what bounds the hedges of all calls together; its own with the defaults of
            `RetryBudget` if not given. Share it with `Retry`.

    Raises:
        ValueError: a number is not allowed.
    """

    role = Role.HEDGING

    def __init__(
        self,
        delay: float | None = None,
        *,
        quantile: float = 0.95,
        max_hedges: int = 1,
        budget: RetryBudget | None = None,
    ) -> None:
        if delay is not None:
            seconds("delay", delay)
        amount("quantile", quantile, least=0.01)
        if quantile >= 1:
            raise ValueError(f"quantile must be less than 1, not {quantile!r}")
        whole_number("max_hedges", max_hedges, least=1)
        self.budget = RetryBudget() if budget is None else budget
        self._delay = delay
        self._quantile = quantile
        self._max_hedges = max_hedges
        self._told = False  # whether a warning about members of one call at a time was given
        self._latencies: dict[str, LatencyQuantile] = {}
        self._tally = MiddlewareCounters(
            hedges="Attempts started beside one that took long.",
            hedges_won="Calls that were answered by such an attempt.",
        )

    async def around_async(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of an `AsyncPool`."""
        if call.held or not call.idempotent:
            return await proceed(call)
        self.budget.deposit()
        latencies = self._latencies.get(call.method.name)
        if latencies is None:
            latencies = self._latencies[call.method.name] = LatencyQuantile(self._quantile)
        delay = latencies.value if self._delay is None else self._delay
        started = perf_counter()
        if delay is None:
            result = await proceed(call)
        else:
            from connpool_runtime.middleware.hedged_attempts import HedgedAttempts

            race = HedgedAttempts(call, proceed, delay, self._max_hedges, self._may_hedge)
            result = await race.run()
            if race.won:
                self._tally.add("hedges_won")
        latencies.add(perf_counter() - started)
        return result

    def _may_hedge(self, call: Call) -> bool:
        if not self.budget.withdraw():
            return False
        self._tell_of_losers(call)
        self._tally.add("hedges")
        return True

    def _tell_of_losers(self, call: Call) -> None:
        member = call.member
        if self._told or member is None or not member.source.is_spoiled_by(_BROKEN_OFF):
            return
        self._told = True
        runtime_logger().warning(
            "pool %r: Hedging ejects its members: those that lose a race are broken off in the middle, and"
            " there is no `validate` to tell whether their clients may be used again: %s",
            *(call.pool, REMEDY),
            extra=extra(event_name="hedging_ejects", pool=call.pool, member=member.name),
        )

    def numbers(self) -> list[MiddlewareStats]:
        """Return the numbers of this middleware, for the stats of its pool."""
        return self._tally.numbers()
