"""What pools need from threads. `tasks.py` has the same names for asyncio."""

from __future__ import annotations

import math
import sys
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from contextvars import Context
from threading import TIMEOUT_MAX, Event, Lock, Thread, current_thread, get_ident, main_thread
from time import monotonic, sleep
from typing import Any, TypeVar

from connpool_runtime._concurrency.forks import new_lock, renew_after_fork
from connpool_runtime._concurrency.holders import acting_for, current_holder
from connpool_runtime._log import log_failure
from connpool_runtime.errors import reportable

__all__ = [
    "FREE_THREADED",
    "Gate",
    "Helpers",
    "Latch",
    "Lock",
    "PeriodicWorker",
    "Signal",
    "Step",
    "background_thread",
    "get_ident",
    "to_thread",
    "is_cancellation",
    "call_later",
    "monotonic",
    "must_end",
    "new_mutex",
    "on_signal",
    "ran_out",
    "run_all",
    "sleep",
    "start",
    "time_limit",
]

T = TypeVar("T")

# Without the GIL, `x += 1` may lose an addition, so every count is taken under the lock.
FREE_THREADED = not getattr(sys, "_is_gil_enabled", lambda: True)()
AFTER_FAILURE = 1.0  # seconds after which a worker whose round has failed runs the next one
STARTING = 1.0  # seconds within which a started thread begins to run


class Gate:
    """A gate that opens once; any number of threads wait for it.

    A bare lock, because opening must be possible from a finalizer that interrupts a waiter: an
    Event would take its inner lock a second time and hang.
    """

    def __init__(self) -> None:
        self._open = False
        self._lock = Lock()
        self._lock.acquire()

    def open(self) -> None:
        """Open the gate and wake all waiters. Called under the pool's lock; a second time only after an interrupt."""
        self._open = True
        self._release()

    def wait(self, seconds: float) -> bool:
        """Wait up to a number of seconds; return whether the gate is open."""
        # A waiter that is interrupted between the next two lines keeps the lock: the lock alone does not decide.
        if not self._open and self._lock.acquire(timeout=min(seconds, TIMEOUT_MAX)):
            self._release()
        return self._open

    def _release(self) -> None:
        # It was released already if the gate is opened a second time, or by another waiter.
        with suppress(RuntimeError):
            self._lock.release()


class Latch(Gate):
    """A gate that only the runtime's own background work opens, never the end of a call."""


class Signal:
    """Wakes one thread. A bare lock, like `Gate`, and for the same reason."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = Lock()
        self._lock.acquire()

    def set(self) -> bool:
        """Wake the thread, now or as soon as it waits; also from finalizers."""
        if self._lock.locked():
            # No `suppress`: finalizers run this at interpreter shutdown, when the name may be gone.
            try:  # noqa: SIM105
                self._lock.release()
            except RuntimeError:  # another thread released it first
                pass
        return True

    def wait(self, seconds: float) -> bool:
        """Wait up to a number of seconds; return whether the signal was set."""
        return self._lock.acquire(timeout=min(seconds, TIMEOUT_MAX))


def background_thread(name: str, work: Callable[..., object], *args: Any) -> Thread:
    """Return a daemon thread, for which the interpreter does not wait at shutdown, with an empty context.

    From Python 3.14 on a new thread may take over the context of its starter; without the interpreter lock it
    does. The thread may outlive the caller by whom it is started, and with it the caller's deadline and trace.
    """
    return Thread(target=Context().run, args=(work, *args), name=name, daemon=True)


def start(name: str, work: Callable[[], None]) -> Thread:
    """Start a thread in the background."""
    thread = background_thread(name, work)
    thread.start()
    return thread


class PeriodicWorker:
    """Runs a method whenever it is due, in a thread of its own that ends with the method's object.

    The object is held weakly: a thread does not keep an unused object alive. A child
    process that was forked has no such thread until `start` is called there. Safe for threads;
    `wake`, `wake_by` and `stop` may be called from finalizers.

    Arguments:
        name: of the thread.
        work: a bound method; does what is due and returns when it wants to be run again, in seconds
            of the clock; `math.inf` is never, unless it is woken.
        clock: the clock of these seconds.
    """

    def __init__(self, name: str, work: Callable[[], float], clock: Callable[[], float]) -> None:
        self._name = name
        self._clock = clock
        self._stopped = False
        self._try_again_at = -math.inf  # after the system gave no thread
        self._begin()
        self._work = weakref.WeakMethod(work, lambda _: self.stop())  # may be called from now on
        renew_after_fork(self)

    def _begin(self) -> None:
        self._until = -math.inf  # when the thread runs next without being woken
        self._starting = new_lock()
        self._signal = Signal()
        self._thread: Thread | None = None

    @property
    def running(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread, unless it runs or `stop` was called; the first round runs immediately.

        Raises:
            RuntimeError: the system gives no thread, or the interpreter ends.
        """
        if self.running or self._stopped:
            return
        with self._starting:  # two callers at the same time would start two threads
            if not self.running:
                # Stored before it is started: the next start replaces what an interrupt leaves behind.
                self._thread = background_thread(self._name, self._run)
                self._thread.start()

    def try_start(self) -> bool:
        """Do what `start` does, for callers whose own work must not fail by it; return False if there is no thread yet.

        What fails is logged, and not tried again within a second, so that calls may ask as often as they like.
        """
        if self.running or self._stopped:
            return True
        if self._clock() < self._try_again_at:
            return False
        try:
            self.start()
        except RuntimeError:
            self._try_again_at = self._clock() + AFTER_FAILURE
            log_failure(
                "%s cannot start now, and is tried again", self._name, event_name="worker_failed"
            )
            return False
        return True

    def wake_by(self, due: float) -> None:
        """Run the work at `due` at the latest, in seconds of the clock."""
        if due < self._until:
            self.wake()

    def wake(self) -> None:
        """Run the work now."""
        self._signal.set()

    def stop(self) -> None:
        """Let the thread end for good; it may still run its last round."""
        self._stopped = True
        self.wake()

    def join(self, seconds: float) -> None:
        """Wait up to a number of seconds for the end of the thread; called from the thread itself, do nothing."""
        thread = self._thread
        if thread is not None and thread.ident not in (None, get_ident()):
            thread.join(min(seconds, TIMEOUT_MAX))

    def after_fork(self) -> None:
        """Forget the thread in a child process: it runs only in the parent."""
        self._begin()

    def _run(self) -> None:
        # Also ends if another thread took its place after an interrupt during the start.
        while not self._stopped and self._thread is current_thread():
            # Set before the round, so that a change made during the round causes another one.
            self._until = math.inf
            due = self._round()
            self._until = min(self._until, due)
            self._signal.wait(max(0.0, due - self._clock()))

    def _round(self) -> float:
        work = self._work()
        try:
            return math.inf if work is None else work()
        except BaseException:  # of a user's code: nothing interrupts this thread
            log_failure("%s failed, and will run again", self._name, event_name="worker_failed")
            return self._clock() + AFTER_FAILURE


class Helpers:
    """Short-lived threads for work whose end no caller waits for. Safe for threads.

    Arguments:
        name: of the threads.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._running: set[Thread] = set()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Forget the threads in a child process."""
        self._running = set()

    def start(self, work: Callable[..., object], *args: Any) -> None:
        """Run a function in a thread of its own; it must not raise."""
        try:
            thread = background_thread(self._name, work, *args)
        except RuntimeError:
            # A subinterpreter has no threads that its end does not wait for.
            work(*args)
            return
        # Atomic on every interpreter; a thread that has not started yet does not count as dead.
        self._running.difference_update(
            [one for one in self._running.copy() if one.ident is not None and not one.is_alive()]
        )
        self._running.add(thread)
        try:
            thread.start()
        except RuntimeError:  # the system gives no thread, or the interpreter is shutting down
            self._running.discard(thread)  # nobody is to wait for its beginning
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
        # Another thread may be starting it at this moment; a thread whose start was interrupted never begins.
        begins_by = min(until, monotonic() + STARTING)
        while True:
            try:
                return thread.join(min(max(0.0, until - monotonic()), TIMEOUT_MAX))
            except RuntimeError:
                if monotonic() >= begins_by:
                    return None
                sleep(0.001)


class Step:
    """Code of a library that runs in a thread of its own, so that a caller need not wait until it returns.

    Where the system gives no thread, the caller runs it: what a library says of a server is known all the same.

    Arguments:
        name: of the thread.
        work: may hang, and may raise anything.
    """

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        self._work = work
        self._ended = Event()
        self._error: BaseException | None = None
        self._late = False
        try:
            start(name, self._run)
        except RuntimeError:  # the system gives no thread, or the interpreter is shutting down
            self._run()
            self._raise_what_must_end()

    def wait(self, seconds: float) -> BaseException | None:
        """Wait up to a number of seconds for the end; return the error, or `TimeoutError` if the step hangs."""
        if self._ended.wait(min(seconds, TIMEOUT_MAX)):
            return self._error
        self._late = True
        return TimeoutError(f"no answer within {seconds:g} s")

    @property
    def ended(self) -> bool:
        """Whether the step has ended."""
        return self._ended.is_set()

    @property
    def hangs(self) -> bool:
        """Whether a caller waited in vain and the step still has not ended."""
        return self._late and not self._ended.is_set()

    def cancel(self) -> None:
        """Do nothing: a thread cannot be cancelled, and ends by itself."""

    def _raise_what_must_end(self) -> None:
        if self._error is not None and must_end(self._error):
            raise self._error from None

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # it belongs to the caller, who may be gone
            self._error = error
        finally:
            self._ended.set()


def new_mutex() -> Lock:
    """Return a lock that may be held during blocking calls."""
    return new_lock()


def on_signal(number: int, act: Callable[[], object]) -> Callable[[], object]:
    """Call a function in the main thread whenever a signal arrives; return a function that restores the old handler.

    Raises:
        ValueError: this is not the main thread.
    """
    import signal

    before = signal.signal(number, lambda _number, _frame: act())
    return lambda: signal.signal(number, before)


def to_thread(work: Callable[[], T]) -> T:
    """Run a function that may block for a moment; in a thread it may."""
    return work()


def run_all(
    work: Callable[[T], object],
    items: Iterable[T],
    at_once: int | None = None,
    *,
    for_caller: bool = False,
) -> list[Exception | None]:
    """Run a function on all items in threads; return the error of each, None where there was none, in the same order.

    Arguments:
        work: the function.
        items: what it gets.
        at_once: how many run at a time; None is all of them.
        for_caller: whether results that the caller holds count as held by these threads, see `holders`.
    """
    holder = current_holder(blocking=True) if for_caller else None
    todo = deque(enumerate(items))
    errors: list[Exception | None] = [None] * len(todo)

    def run() -> None:
        with suppress(IndexError), acting_for(holder):
            while True:
                index, item = todo.popleft()
                errors[index] = _error_of(work, item)

    threads: list[Thread] = []
    try:
        count = min(len(todo), at_once or len(todo))
        threads.extend(start("run_all", run) for _ in range(count))  # keeps those before an error
    except RuntimeError:  # the system gives no more threads, or the interpreter is shutting down
        run()
    for thread in threads:
        thread.join()
    return errors


def time_limit(_seconds: float) -> AbstractContextManager[None]:
    """Return a context manager without a limit: a blocking call cannot be cancelled."""
    return nullcontext()


def ran_out(_limit: AbstractContextManager[None]) -> bool:
    """Return False: nothing breaks off a blocking call."""
    return False


def call_later(_seconds: float, act: Callable[[], object]) -> None:
    """Call a function now: only an event loop can put it off."""
    act()


def must_end(error: BaseException) -> bool:
    """Return whether an error of a user's code is to end all that runs: Ctrl-C does, which only the main thread gets."""
    return isinstance(error, KeyboardInterrupt) and current_thread() is main_thread()


def is_cancellation(_error: BaseException) -> bool:
    """Return False: threads are not cancelled."""
    return False


def _error_of(work: Callable[[T], object], item: T) -> Exception | None:
    try:
        work(item)
    except BaseException as error:  # of a user's code
        if must_end(error):
            raise
        return reportable(error, "what was called")
    return None
