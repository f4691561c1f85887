"""What the pools need from threads. `tasks.py` has the same names for asyncio."""

from __future__ import annotations

import math
import os
import sys
import weakref
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from threading import TIMEOUT_MAX, Lock, Thread, get_ident
from time import sleep
from typing import Any, Protocol, TypeVar
from weakref import WeakSet

__all__ = [
    "FREE_THREADED",
    "Gate",
    "PeriodicWorker",
    "Lock",
    "Signal",
    "get_ident",
    "renew_after_fork",
    "result_of",
    "sleep",
    "start",
    "time_limit",
    "run_all",
]

T = TypeVar("T")

# Without the interpreter lock `x += 1` may lose an addition, so every count goes under the lock.
FREE_THREADED = not getattr(sys, "_is_gil_enabled", lambda: True)()


class Gate:
    """Opens once; any number of threads wait for it.

    A bare lock, because opening must be possible from a finalizer that interrupts a waiter: an
    Event would take its inner lock a second time and hang.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._lock.acquire()

    def open(self) -> None:
        """Let all waiters go. Called once, under the pool's lock."""
        self._lock.release()

    def wait(self, seconds: float) -> bool:
        """Wait up to a number of seconds; tell whether the gate is open."""
        if not self._lock.acquire(timeout=min(seconds, TIMEOUT_MAX)):
            return False
        self._lock.release()
        return True


class Signal:
    """Wakes one thread. Like a gate a bare lock, and for the same reason."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = Lock()
        self._lock.acquire()

    def set(self) -> bool:
        """Wake the thread, now or when it comes to wait; from finalizers too."""
        with suppress(RuntimeError):  # it was set before
            self._lock.release()
        return True

    def wait(self, seconds: float) -> bool:
        """Wait up to a number of seconds; tell whether the signal came."""
        return self._lock.acquire(timeout=min(seconds, TIMEOUT_MAX))


def start(name: str, work: Callable[[], None]) -> Thread:
    """Run something beside; the interpreter does not wait for it at its end."""
    thread = Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread


class PeriodicWorker:
    """Runs a method whenever it is due, in a thread of its own that ends with the method's object.

    Arguments:
        name: of the thread.
        work: a bound method; does what is due and returns when it wants to be run again.
        clock: what `work` reckons in.
    """

    def __init__(self, name: str, work: Callable[[], float], clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until = -math.inf  # when the thread will look again by itself
        self._stopped = False
        # A bare lock as in `Gate`, because a finalizer may want to wake a thread that it interrupts.
        self._starting = Lock()
        self._signal = Lock()
        self._signal.acquire()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._work = weakref.WeakMethod(work, lambda _: self.stop())

    def start(self) -> None:
        """Start the thread; again does nothing, or what an interrupt kept from being done."""
        if self._thread.ident is None:
            with self._starting:  # two at once would make two of one thread
                if self._thread.ident is None:
                    self._thread.start()

    def wake_by(self, due: float) -> None:
        """Make sure that the thread looks at that time at the latest."""
        if due < self._until:
            self.wake()

    def wake(self) -> None:
        """Let the thread look now; from any thread and from finalizers."""
        with suppress(RuntimeError):  # it was woken already
            self._signal.release()

    def stop(self) -> None:
        """Let the thread end; it may still be at its last round."""
        self._stopped = True
        self.wake()

    def join(self, seconds: float) -> None:
        """Wait for the end of the thread."""
        if self._thread.ident is not None:
            self._thread.join(min(seconds, TIMEOUT_MAX))

    def _run(self) -> None:
        while not self._stopped:
            # Before the round, so that whoever changes something during it wakes us for another one.
            self._until = math.inf
            due = self._round()
            self._until = min(self._until, due)
            wait = max(0.0, due - self._clock())
            self._signal.acquire(timeout=min(wait, TIMEOUT_MAX))

    def _round(self) -> float:
        work = self._work()
        return math.inf if work is None else work()


def run_all(work: Callable[[T], object], things: Iterable[T]) -> list[Exception | None]:
    """Do work on all things, each in a thread of its own; return how each of them failed, or None."""
    things = list(things)
    errors: list[Exception | None] = [None] * len(things)

    def run(index: int, thing: T) -> None:
        try:
            work(thing)
        except Exception as error:
            errors[index] = error

    threads = [Thread(target=run, args=pair, daemon=True) for pair in enumerate(things)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def result_of(value: Any) -> Any:
    """Return what a function of the user's gave."""
    return value


def time_limit(_seconds: float) -> AbstractContextManager[None]:
    """Return a context without a limit: a blocking call of a thread cannot be cut off."""
    return nullcontext()


class _Forked(Protocol):
    def after_fork(self) -> None: ...


_alive: WeakSet[_Forked] = WeakSet()


def renew_after_fork(engine: _Forked) -> None:
    """Have `after_fork` called in child processes, as long as the object lives."""
    _alive.add(engine)


def _after_fork() -> None:
    for engine in tuple(_alive):
        engine.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
