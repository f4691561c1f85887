"""What the pools need from threads. `tasks.py` has the same names for asyncio."""

from __future__ import annotations

import math
import sys
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from threading import TIMEOUT_MAX, Event, Lock, Thread, current_thread, get_ident
from time import monotonic, sleep
from typing import Any, TypeVar

from connpool_runtime._concurrency.forks import new_lock, renew_after_fork

__all__ = [
    "FREE_THREADED",
    "Gate",
    "Helpers",
    "Latch",
    "Lock",
    "PeriodicWorker",
    "Signal",
    "Step",
    "get_ident",
    "beside",
    "monotonic",
    "new_mutex",
    "on_signal",
    "run_all",
    "sleep",
    "start",
    "time_limit",
]

T = TypeVar("T")

# Without the interpreter lock `x += 1` may lose an addition, so every count goes under the lock.
FREE_THREADED = not getattr(sys, "_is_gil_enabled", lambda: True)()
STARTING = 1.0  # seconds in which a thread begins that is being started


class Gate:
    """Opens once; any number of threads wait for it.

    A bare lock, because opening must be possible from a finalizer that interrupts a waiter: an
    Event would take its inner lock a second time and hang.
    """

    def __init__(self) -> None:
        self._open = False
        self._lock = Lock()
        self._lock.acquire()

    def open(self) -> None:
        """Let all waiters go. Called under the pool's lock; again only after an interrupt."""
        self._open = True
        self._release()

    def wait(self, seconds: float) -> bool:
        """Wait up to a number of seconds; tell whether the gate is open."""
        # Whoever is interrupted between the next two lines keeps the lock, so it is not all that tells.
        if not self._open and self._lock.acquire(timeout=min(seconds, TIMEOUT_MAX)):
            self._release()
        return self._open

    def _release(self) -> None:
        with suppress(
            RuntimeError
        ):  # released by who opens the gate once more, or by another waiter
            self._lock.release()


class Latch(Gate):
    """A gate that is opened by work of the runtime's own, never by a call that ends."""


class Signal:
    """Wakes one thread. Like a gate a bare lock, and for the same reason."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = Lock()
        self._lock.acquire()

    def set(self) -> bool:
        """Wake the thread, now or when it comes to wait; from finalizers too."""
        if self._lock.locked():
            # No `suppress`: at the end of the interpreter, where finalizers come here, its name may be gone.
            try:  # noqa: SIM105
                self._lock.release()
            except RuntimeError:  # another thread came first
                pass
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

    The object is held weakly: a thread does not keep alive what nobody uses any more. A child
    process that was forked has no such thread until `start` is called there. Safe for threads;
    `wake`, `wake_by` and `stop` may be called from finalizers.

    Arguments:
        name: of the thread.
        work: a bound method; does what is due and returns when it wants to be run again, in seconds
            of the clock; `math.inf` is never, unless it is woken.
        clock: what `work` reckons in.
    """

    def __init__(self, name: str, work: Callable[[], float], clock: Callable[[], float]) -> None:
        self._name = name
        self._clock = clock
        self._stopped = False
        self._begin()
        self._work = weakref.WeakMethod(work, lambda _: self.stop())  # may be called from here on
        renew_after_fork(self)

    def _begin(self) -> None:
        self._until = -math.inf  # when the thread will look again by itself
        self._starting = new_lock()
        self._signal = Signal()
        self._thread: Thread | None = None

    @property
    def running(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread, unless it runs or `stop` was called; the first round comes at once."""
        if self.running or self._stopped:
            return
        with self._starting:  # two at once would start two threads
            if not self.running:
                # Stored before it is started: what an interrupt leaves is replaced by the next start.
                self._thread = Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def wake_by(self, due: float) -> None:
        """Make sure that the work is run at that time at the latest; `due` in seconds of the clock."""
        if due < self._until:
            self.wake()

    def wake(self) -> None:
        """Let the work be run now."""
        self._signal.set()

    def stop(self) -> None:
        """Let the thread end, for ever; it may still be at its last round."""
        self._stopped = True
        self.wake()

    def join(self, seconds: float) -> None:
        """Wait up to a number of seconds for the end of the thread; from inside of it, do nothing."""
        thread = self._thread
        if thread is not None and thread.ident not in (None, get_ident()):
            thread.join(min(seconds, TIMEOUT_MAX))

    def after_fork(self) -> None:
        """Forget the thread, in a child process: it runs in the parent only."""
        self._begin()

    def _run(self) -> None:
        # Ends too if another one took its place, after an interrupt in the midst of starting it.
        while not self._stopped and self._thread is current_thread():
            # Before the round, so that whoever changes something during it wakes us for another one.
            self._until = math.inf
            due = self._round()
            self._until = min(self._until, due)
            self._signal.wait(max(0.0, due - self._clock()))

    def _round(self) -> float:
        work = self._work()
        return math.inf if work is None else work()


class Helpers:
    """Short-lived threads that do what nobody waits for. Safe for threads.

    Arguments:
        name: of the threads.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._running: set[Thread] = set()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Forget the threads, in a child process."""
        self._running = set()

    def start(self, work: Callable[..., object], *args: Any) -> None:
        """Run a function in a thread of its own; it must not raise."""
        thread = Thread(target=work, args=args, name=self._name, daemon=True)
        # Steps that no other thread can tear, on any interpreter; one that has not started yet is no dead one.
        self._running.difference_update(
            [one for one in self._running.copy() if one.ident is not None and not one.is_alive()]
        )
        self._running.add(thread)
        try:
            thread.start()
        except RuntimeError:  # the interpreter is about to end and starts no threads any more
            work(*args)

    def cancel(self) -> None:
        """Do nothing: a thread cannot be cancelled, and ends by itself."""

    def join(self, seconds: float) -> None:
        """Wait up to a number of seconds for the end of all threads that run now."""
        until = monotonic() + seconds
        for thread in self._running.copy():
            if thread is not current_thread():
                self._join(thread, until)

    @staticmethod
    def _join(thread: Thread, until: float) -> None:
        # Another thread may be starting it this moment; one whose start was interrupted never begins.
        begins_by = min(until, monotonic() + STARTING)
        while True:
            try:
                return thread.join(min(max(0.0, until - monotonic()), TIMEOUT_MAX))
            except RuntimeError:
                if monotonic() >= begins_by:
                    return None
                sleep(0.001)


class Step:
    """Something of a library's that runs in a thread of its own, so that nobody need wait for its end.

    Arguments:
        name: of the thread.
        work: may hang, and may raise anything.
    """

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        self._work = work
        self._ended = Event()
        self._error: BaseException | None = None
        self._late = False
        start(name, self._run)

    def wait(self, seconds: float) -> BaseException | None:
        """Wait up to a number of seconds for the end; return what went wrong, `TimeoutError` if it hangs."""
        if self._ended.wait(min(seconds, TIMEOUT_MAX)):
            return self._error
        self._late = True
        return TimeoutError(f"no answer within {seconds:g} s")

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._ended.is_set()

    @property
    def hangs(self) -> bool:
        """Whether somebody waited for it in vain, and it still has not ended."""
        return self._late and not self._ended.is_set()

    def cancel(self) -> None:
        """Do nothing: a thread cannot be cancelled, and ends by itself."""

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # it belongs to the caller, who may be gone
            self._error = error
        finally:
            self._ended.set()


def new_mutex() -> Lock:
    """Return a lock that is held over blocking calls."""
    return new_lock()


def on_signal(number: int, act: Callable[[], object]) -> Callable[[], object]:
    """Have a function called in the main thread whenever a signal comes; return what ends that.

    Raises:
        ValueError: this is not the main thread.
    """
    import signal

    before = signal.signal(number, lambda _number, _frame: act())
    return lambda: signal.signal(number, before)


def beside(work: Callable[[], T]) -> T:
    """Run what may block for a moment: a thread may."""
    return work()


def run_all(
    work: Callable[[T], object], items: Iterable[T], at_once: int | None = None
) -> list[Exception | None]:
    """Run a function on all items, in threads; return how each of them failed, or None, in their order.

    Arguments:
        work: the function.
        items: what it gets.
        at_once: how many run at a time; None is all of them.
    """
    todo = deque(enumerate(items))
    errors: list[Exception | None] = [None] * len(todo)

    def run() -> None:
        with suppress(IndexError):
            while True:
                index, item = todo.popleft()
                errors[index] = _error_of(work, item)

    count = min(len(todo), at_once or len(todo))
    threads = [start("run_all", run) for _ in range(count)]
    for thread in threads:
        thread.join()
    return errors


def time_limit(_seconds: float) -> AbstractContextManager[None]:
    """Return a context without a limit: a blocking call of a thread cannot be cut off."""
    return nullcontext()


def _error_of(work: Callable[[T], object], item: T) -> Exception | None:
    try:
        work(item)
    except Exception as error:
        return error
    return None
