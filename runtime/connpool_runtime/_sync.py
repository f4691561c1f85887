"""What the pools need from threads; the only file of the runtime's centre that imports threading."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from threading import TIMEOUT_MAX, Lock, Thread, get_ident
from typing import Protocol
from weakref import WeakSet

__all__ = ["FREE_THREADED", "Gate", "Lock", "Signal", "get_ident", "renew_after_fork", "start"]

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
