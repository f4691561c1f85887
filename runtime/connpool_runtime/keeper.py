"""A thread that looks after something from time to time, as long as that lives."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from contextlib import suppress
from threading import TIMEOUT_MAX, Lock, Thread

__all__ = ["Keeper"]


class Keeper:
    """Runs a method whenever it is due, in a thread of its own that ends with the method's object.

    Arguments:
        name: of the thread.
        upkeep: a bound method; does what is due and returns when it wants to be run again.
        clock: what `upkeep` reckons in.
    """

    def __init__(self, name: str, upkeep: Callable[[], float], clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until = -math.inf  # when the thread will look again by itself
        self._stopped = False
        # A bare lock as in `Gate`, because a finalizer may want to wake a thread that it interrupts.
        self._starting = Lock()
        self._signal = Lock()
        self._signal.acquire()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._upkeep = weakref.WeakMethod(upkeep, lambda _: self.stop())

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
        upkeep = self._upkeep()
        return math.inf if upkeep is None else upkeep()
