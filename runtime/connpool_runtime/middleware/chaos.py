"""Injects faults, delays and wrong answers into calls, to test how a service copes."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping
from functools import partial
from inspect import isawaitable
from typing import Any, NamedTuple

from connpool_runtime._concurrency.random_numbers import draw
from connpool_runtime._concurrency.threads import sleep
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.method import AnyMethod
from connpool_runtime.calls.middleware_chain import Invoke, Proceed
from connpool_runtime.middleware import testing_mode
from connpool_runtime.middleware.role import Role
from connpool_runtime.options.validation import Rule, seconds
from connpool_runtime.stats.middleware import MiddlewareCounters
from connpool_runtime.stats.types import MiddlewareStats

__all__ = ["Chaos", "Harm"]

SWITCH = "CONNPOOL_CHAOS"
_SHARE = Rule.share()


class Harm(NamedTuple):
    """The harm done to the calls of one method, each kind with its rate.

    Attributes:
        fault_rate: the share of attempts that fail by `fault` without reaching the server.
        fault: the error they get, or makes one: a class, or a function without arguments.
        delay_rate: the share of attempts that are late by `delay`, whatever else happens to them.
        delay: seconds.
        wrong_rate: the share of attempts whose answer is replaced by a wrong one.
        wrong: gets the answer, returns the wrong one; by default that is None.
    """

    fault_rate: float = 0.0
    fault: BaseException | Callable[[], BaseException] = ConnectionResetError
    delay_rate: float = 0.0
    delay: float = 0.0
    wrong_rate: float = 0.0
    wrong: Callable[[Any], Any] = lambda _answer: None


class Chaos:
    """Injects faults, delays and wrong answers into attempts, each by its rate and per method.

    An attempt is harmed where its client is called, so that everything else behaves as it would with an
    unhealthy server: breakers count the faults, `Timeout` and deadlines bound the delays, retries go to
    another member. It works at any place among the middleware. For streams and context managers only the
    opening is harmed, and there are no wrong answers; in an `AsyncPool` an opening that is not awaited is
    never late.

    Creating one raises an error unless it is switched on: the environment variable `CONNPOOL_CHAOS` is
    "1", or `switched_on` is given. While it is there, `on` switches it off and on again. Safe for threads.

    Arguments:
        harm: the harm done to all methods that `methods` does not name; None, the default, for no harm.
        methods: the harm done to single methods, by their names.
        switched_on: whether there may be chaos here; None asks `CONNPOOL_CHAOS`.
        random: floats in [0, 1); a seeded one repeats a course of events.
        sleep: waits so many seconds; a coroutine function for an `AsyncPool`. For tests.

    Raises:
        RuntimeError: it is not switched on.
        ValueError: a rate or a delay is not allowed.
        TypeError: a value is not a `Harm`.
    """

    role = Role.CHAOS

    def __init__(
        self,
        harm: Harm | None = None,
        methods: Mapping[str, Harm] | None = None,
        *,
        switched_on: bool | None = None,
        random: Callable[[], float] = draw,
        sleep: Callable[[float], Any] | None = None,
    ) -> None:
        if not (os.environ.get(SWITCH) == "1" if switched_on is None else switched_on):
            raise RuntimeError(
                f"Chaos breaks calls on purpose and is not switched on here: set {SWITCH}=1 in the"
                " environment, or pass switched_on=True, where that is wanted"
            )
        self._methods = dict(methods or {})
        self._harm = harm
        for name, one in (("all methods", harm), *self._methods.items()):
            if one is not None:
                _check(name, one)
        self._random = random
        self._sleep = sleep
        self._harmed: dict[AnyMethod, AnyMethod] = {}
        self._tally = MiddlewareCounters(chaos="Attempts that were harmed on purpose.")
        self.on = True

    def around(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of a `Pool`."""
        self._harm_method(call, blocking=True)
        return proceed(call)

    async def around_async(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of an `AsyncPool`."""
        self._harm_method(call, blocking=False)
        return await proceed(call)

    def numbers(self) -> list[MiddlewareStats]:
        """Return the numbers of this middleware, for the stats of its pool."""
        return self._tally.numbers()

    def _harm_method(self, call: Call, *, blocking: bool) -> None:
        """Make the attempts of a call run a method that may inject harm."""
        method = call.method
        harm = self._methods.get(method.name, self._harm)
        if harm is None or not self.on:
            return
        harmed = self._harmed.get(method)
        if harmed is None:
            harming = self._harming if blocking else self._harming_async
            # A judge sees injected answers and faults as it sees a server's.
            harmed = method.wrapped(partial(harming, harm=harm, held=call.held))
            # only once, also when the call is retried
            self._harmed[method] = self._harmed[harmed] = harmed
        call.method = harmed

    def _harming(self, run: Invoke, harm: Harm, *, held: bool) -> Invoke:
        def invoke(client: Any, args: Any) -> Any:
            if self._hits(harm.delay_rate, "delay"):
                (self._sleep or sleep)(0.0 if testing_mode.is_on() else harm.delay)
            if self._hits(harm.fault_rate, "fault"):
                raise _fault(harm)
            answer = run(client, args)
            wrong = not held and self._hits(harm.wrong_rate, "wrong answer")
            return harm.wrong(answer) if wrong else answer

        return invoke

    def _harming_async(self, run: Invoke, harm: Harm, *, held: bool) -> Invoke:
        from connpool_runtime._concurrency.tasks import sleep as async_sleep

        async def answer_of(pending: Any, delay: float) -> Any:
            begun = False
            try:
                if delay:
                    await (self._sleep or async_sleep)(0.0 if testing_mode.is_on() else delay)
                begun = True
                answer = await pending
            finally:
                if not begun and hasattr(pending, "close"):
                    pending.close()  # otherwise Python reports that it was never awaited
            wrong = not held and self._hits(harm.wrong_rate, "wrong answer")
            return harm.wrong(answer) if wrong else answer

        async def late_fault(delay: float) -> Any:
            await (self._sleep or async_sleep)(0.0 if testing_mode.is_on() else delay)
            raise _fault(harm)

        def invoke(client: Any, args: Any) -> Any:
            delay = harm.delay if self._hits(harm.delay_rate, "delay") else 0.0
            if self._hits(harm.fault_rate, "fault"):
                if delay and not held:
                    return late_fault(delay)
                raise _fault(harm)
            pending = run(client, args)
            # An object that is more than an awaitable is returned as it is where no harm is done.
            if not isawaitable(pending) or not (delay or harm.wrong_rate):
                return pending
            return answer_of(pending, delay)

        return invoke

    def _hits(self, rate: float, what: str) -> bool:
        if rate <= 0.0 or not self.on or self._random() >= rate:
            return False
        self._tally.add("chaos", harm=what)
        return True


def _check(name: str, harm: object) -> None:
    if not isinstance(harm, Harm):
        raise TypeError(f"what is done to {name} must be a Harm, not {harm!r}")
    for rate in ("fault_rate", "delay_rate", "wrong_rate"):
        if not _SHARE.accepts(getattr(harm, rate)):
            raise _SHARE.refusal(f"{rate} of {name}", getattr(harm, rate))
    seconds(f"delay of {name}", harm.delay)
    fault: object = harm.fault
    if not isinstance(fault, BaseException) and not callable(fault):
        raise TypeError(f"fault of {name} must be an error or make one, not {fault!r}")
    if not callable(harm.wrong):
        raise TypeError(f"wrong of {name} must be a function of the answer, not {harm.wrong!r}")


def _fault(harm: Harm) -> BaseException:
    """Return a new error for one attempt, without the frames of other attempts."""
    fault = harm.fault
    if isinstance(fault, BaseException):
        return copy.copy(fault)
    return fault()
