"""Interrupts at moments that nobody chooses: a signal handler that raises."""

import gc
import signal
from collections.abc import Callable, Iterator

import pytest

needs_alarms = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="needs interval timers, which Windows lacks"
)


class Interrupted(BaseException):
    """Raised by the signal handler; no `Exception`, which code that goes on after errors of others would catch."""


def interrupted(work: Callable[[], object], times: int) -> Iterator[int]:
    """Do something again and again until it is interrupted, so many times; yield after each interrupt."""

    def interrupt(*_: object) -> None:
        raise Interrupted

    def work_on(seconds: float) -> None:
        # Repeated, because CPython 3.11 may not notice a signal until the next one comes.
        signal.setitimer(signal.ITIMER_REAL, seconds, 0.05)
        try:
            while True:
                work()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)

    before = signal.signal(signal.SIGALRM, interrupt)
    gc.disable()  # what is raised in a finalizer that the collector runs is printed, and ends nothing
    try:
        for number in range(times):
            with pytest.raises(Interrupted):
                work_on(0.0005 + number * 1e-6)
            yield number
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
        gc.enable()
