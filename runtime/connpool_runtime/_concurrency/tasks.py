"""What pools need from asyncio. `threads.py` has the same names for threads.

Imported by the first pool that waits for something: asyncio alone costs more than the rest of the
runtime to import.
"""

from __future__ import annotations

import asyncio
import math
import threading
import weakref
from asyncio import sleep
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from contextvars import Context
from time import monotonic
from typing import Any, TypeVar, cast

from connpool_runtime._concurrency.forks import keep, renew_after_fork
from connpool_runtime._concurrency.holders import acting_for, current_holder
from connpool_runtime._concurrency.introspection import is_awaitable
from connpool_runtime._concurrency.is_async import ASYNC
from connpool_runtime._log import log_failure
from connpool_runtime.errors import reportable

__all__ = [
    "ASYNC",
    "Gate",
    "Helpers",
    "Latch",
    "PeriodicWorker",
    "Signal",
    "Step",
    "background_task",
    "to_thread",
    "is_cancellation",
    "call_later",
    "monotonic",
    "must_end",
    "new_mutex",
    "on_signal",
    "ran_out",
    "resolve",
    "run_all",
    "running_loop",
    "sleep",
    "spawn",
    "time_limit",
]

T = TypeVar("T")

AFTER_FAILURE = 1.0  # seconds after which a worker whose round has failed runs the next one


class Gate:
    """A gate that opens once; any number of tasks of one event loop wait for it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def open(self) -> None:
        """Open the gate and wake all waiters; callable from any thread and from finalizers."""
        self._on_loop(self._event.set)

    async def wait(self, seconds: float) -> bool:
        """Wait up to a number of seconds; return whether the gate is open."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
        return self._event.is_set()

    def call(self, work: Callable[[], None]) -> None:
        """Run a function on the gate's event loop; callable from any thread."""
        self._on_loop(work)

    def _on_loop(self, callback: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed, so no task waits there any more
            self._loop.call_soon_threadsafe(callback)


class Latch(Gate):
    """A gate that only the runtime's own background work opens, never the end of a call."""


class Signal:
    """Wakes one task of one event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._came = False
        self._waiting: asyncio.Future[None] | None = None

    def set(self) -> bool:
        """Wake the task, from any thread and from finalizers; return whether its loop is still open."""
        self._came = True
        # Not only by the error: a future that cannot reach its loop drops its task, whose coroutine would end on the spot,
        # under the lock that the caller holds.
        if self._loop.is_closed():
            return False
        try:
            if threading.get_ident() == self._thread:
                self._wake()
            else:
                self._loop.call_soon_threadsafe(self._wake)
        except RuntimeError:  # the loop is closed
            return False
        return not self._loop.is_closed()

    async def wait(self, seconds: float) -> bool:
        """Wait up to a number of seconds; return whether the signal was set."""
        if not self._came:
            self._waiting = self._loop.create_future()
            timer = None if seconds == math.inf else self._loop.call_later(seconds, self._wake)
            try:
                await self._waiting
            finally:
                if timer is not None:
                    timer.cancel()
        came, self._came = self._came, False
        return came

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


# The event loop itself refers to tasks only weakly.
_spawned: set[asyncio.Task[None]] = set()


def background_task(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T], name: str | None = None
) -> asyncio.Task[T]:
    """Start a task that takes over nothing from its starter, as a new thread does.

    It may outlive the caller by whom it was started, and with it the caller's deadline, trace and tenant.
    """
    # Not as an argument of `create_task`: a task factory of the program may not know that argument.
    return Context().run(loop.create_task, work, name=name)


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs in this thread; None if something else drives coroutines."""
    with suppress(RuntimeError):
        return asyncio.get_running_loop()
    return None


def spawn(
    loop: asyncio.AbstractEventLoop,
    work: Callable[..., Coroutine[Any, Any, None]],
    *args: Any,
) -> bool:
    """Run a coroutine function in a new task of an event loop; return whether the loop is still open.

    From any thread and from finalizers: nothing of the work runs before this returns.
    """

    def start() -> None:
        task = background_task(loop, work(*args))
        _spawned.add(task)
        task.add_done_callback(_spawned.discard)

    try:
        loop.call_soon_threadsafe(start)
    except RuntimeError:  # the loop is closed
        return False
    return True


def time_limit(seconds: float) -> asyncio.Timeout:
    """Return a context manager that raises TimeoutError in its block after a number of seconds."""
    return asyncio.timeout(None if seconds == math.inf else seconds)


def ran_out(limit: asyncio.Timeout) -> bool:
    """Return whether a time limit has broken off its block."""
    return limit.expired()


def call_later(seconds: float, act: Callable[[], object]) -> None:
    """Have the running event loop call a function after a number of seconds, if it is still there."""
    asyncio.get_running_loop().call_later(seconds, act, context=Context())


def must_end(error: BaseException) -> bool:
    """Return whether an error of a user's code is to end this task: a cancellation of the task, or the end of the program.

    A cancellation that leaked from a library is neither.
    """
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is None or task.cancelling() > 0
    return isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit)


def is_cancellation(error: BaseException) -> bool:
    """Return whether an error is that of a task that was cancelled."""
    return isinstance(error, asyncio.CancelledError)


# The event loop refers to tasks only weakly, and nothing else refers to one that waits for a signal.
_workers: set[asyncio.Task[None]] = set()


class PeriodicWorker:
    """Runs a coroutine method whenever it is due, in a task that ends with the method's object.

    The object is held weakly: a task does not keep an unused object alive. `wake`, `wake_by`
    and `stop` may be called from any thread and from finalizers.

    Arguments:
        name: of the task.
        work: a bound coroutine method; does what is due and returns when it wants to be run again, in
            seconds of the clock; `math.inf` is never, unless it is woken.
        clock: the clock of these seconds.
    """

    def __init__(
        self, name: str, work: Callable[[], Awaitable[float]], clock: Callable[[], float]
    ) -> None:
        self._name = name
        self._clock = clock
        self._stopped = False
        self._until = -math.inf  # when the task runs next without being woken
        self._signal: Signal | None = None
        self._task: asyncio.Task[None] | None = None
        self._work = weakref.WeakMethod(work, lambda _: self.stop())
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Forget the task in a child process: its event loop runs only in the parent."""
        self._until, self._signal, self._task = -math.inf, None, None

    @property
    def running(self) -> bool:
        """Whether the task runs, and its event loop is open."""
        task = self._task
        return task is not None and not task.done() and not task.get_loop().is_closed()

    def start(self) -> None:
        """Start the task, unless it runs or `stop` was called; the first round runs immediately.

        Does nothing where no event loop runs: the next call may run in one.
        """
        if self.running or self._stopped:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if self._task is not None:  # its event loop was closed under it, so that it never ends
            _workers.discard(self._task)
        self._signal = Signal()
        self._task = background_task(loop, self._run(self._signal), self._name)
        _workers.add(self._task)
        self._task.add_done_callback(_workers.discard)

    def try_start(self) -> bool:
        """Do what `start` does; return False if no event loop runs yet."""
        self.start()
        return self.running or self._stopped

    def wake_by(self, due: float) -> None:
        """Run the work at `due` at the latest, in seconds of the clock."""
        if due < self._until:
            self.wake()

    def wake(self) -> None:
        """Run the work now."""
        signal = self._signal
        if signal is not None:
            signal.set()

    def stop(self) -> None:
        """Let the task end for good; it may still run its last round."""
        self._stopped = True
        self.wake()

    async def join(self, seconds: float) -> None:
        """Wait up to a number of seconds for the end of the task, then cancel it; from inside, do nothing."""
        task = self._task
        if task is None or task is asyncio.current_task():
            return
        if task.get_loop() is not asyncio.get_running_loop():
            return
        _, late = await asyncio.wait([task], timeout=None if seconds == math.inf else seconds)
        if late:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self, signal: Signal) -> None:
        while not self._stopped:
            # Set before the round, so that a change made during the round causes another one.
            self._until = math.inf
            due = await self._round()
            self._until = min(self._until, due)
            await signal.wait(max(0.0, due - self._clock()))

    async def _round(self) -> float:
        work = self._work()
        try:
            return math.inf if work is None else await work()
        except BaseException as error:
            if must_end(error):
                raise
            log_failure("%s failed, and will run again", self._name, event_name="worker_failed")
            return self._clock() + AFTER_FAILURE


class Helpers:
    """Short-lived tasks for work whose end no caller waits for. For the tasks of one event loop.

    Arguments:
        name: of the tasks.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._running: set[asyncio.Task[object]] = set()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Forget the tasks, in a child process: their event loop runs in the parent only."""
        keep(*self._running)
        self._running = set()

    def start(self, work: Callable[..., Coroutine[Any, Any, object]], *args: Any) -> None:
        """Run a coroutine function in a task of its own; it must not raise."""
        task = background_task(asyncio.get_running_loop(), work(*args), self._name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def cancel(self) -> None:
        """Cancel all tasks that run."""
        for task in tuple(self._running):
            task.cancel()

    async def join(self, seconds: float) -> None:
        """Wait up to a number of seconds for the end of all tasks that run now."""
        others = self._running - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=None if seconds == math.inf else seconds)


class Step:
    """Code of a library that runs in a task of its own, so that a caller need not wait until it returns.

    Neither a library that does not keep to its timeout nor one that swallows a cancellation keeps
    the caller.

    Arguments:
        name: of the task.
        work: a coroutine function; may hang, and may raise anything.
    """

    def __init__(self, name: str, work: Callable[[], Coroutine[Any, Any, object]]) -> None:
        self._cancelled_at = math.inf
        self._task = background_task(asyncio.get_running_loop(), work(), name)
        self._task.add_done_callback(_look_at_error)
        _steps.add(self._task)
        self._task.add_done_callback(_steps.discard)

    async def wait(self, seconds: float) -> BaseException | None:
        """Wait up to a number of seconds for the end; return what went wrong, `TimeoutError` if it hangs.

        A step that is late is cancelled, and so is one whose caller is.
        """
        task = self._task
        try:
            # Without a wait_for around it: that would wait for the end of a step that cannot be cancelled.
            await asyncio.wait([task], timeout=None if seconds == math.inf else seconds)
        finally:
            if not task.done():
                self._cancelled_at = monotonic()
                task.cancel()
        if not task.done() or task.cancelled():
            return TimeoutError(f"no answer within {seconds:g} s")
        return task.exception()

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._task.done()

    @property
    def hangs(self) -> bool:
        """Whether a caller waited in vain and the step has not ended a moment after it was cancelled."""
        return not self._task.done() and monotonic() - self._cancelled_at > CLEAN_UP

    def cancel(self) -> None:
        """Cancel the task."""
        self._task.cancel()


CLEAN_UP = 0.1  # seconds that a library has for closing what it had opened when it was cancelled

_steps: set[asyncio.Task[object]] = set()  # for the same reason as `_workers`


def _look_at_error(task: asyncio.Task[object]) -> None:
    # Retrieved, or asyncio would complain about the error of a step that was given up.
    if not task.cancelled():
        task.exception()


async def run_all(
    work: Callable[[T], object],
    items: Iterable[T],
    at_once: int | None = None,
    *,
    for_caller: bool = False,
) -> list[Exception | None]:
    """Run a function on all items, in tasks; return the error of each, None where there was none, in the same order.

    Arguments:
        work: the function; its result is awaited if it is awaitable.
        items: its arguments, one for each run.
        at_once: how many run at a time; None is all of them.
        for_caller: whether results that the caller holds count as held by these tasks, see `holders`.
    """
    holder = current_holder(blocking=False) if for_caller else None
    todo = list(items)
    free = asyncio.Semaphore(at_once or max(1, len(todo)))

    async def run(item: T) -> Exception | None:
        async with free:
            try:
                await resolve(work(item))
            except BaseException as error:  # of a user's code
                if must_end(error):
                    raise
                return reportable(error, "what was called")
            return None

    with acting_for(holder):  # tasks take it over where they are created
        running = asyncio.gather(*map(run, todo))
    return await running


def new_mutex() -> asyncio.Lock:
    """Return a lock that may be held over awaits; waiting for it lets the event loop run."""
    return asyncio.Lock()


def on_signal(number: int, act: Callable[[], object]) -> Callable[[], object]:
    """Call a function in the event loop whenever a signal arrives; return a function that restores the old handler.

    Raises:
        ValueError: no event loop runs here, or this is not the main thread.
    """
    import signal

    loop = running_loop()
    if loop is None:
        raise ValueError("no event loop runs here that could wait for signals")
    before = signal.getsignal(number)

    def restore() -> None:
        loop.remove_signal_handler(number)
        # asyncio sets the default, by which a SIGHUP ends even a program that `nohup` has started.
        if before is not None:
            signal.signal(number, before)

    try:
        loop.add_signal_handler(number, act)
    except NotImplementedError:  # as those of Windows; they do wake up for a signal
        signal.signal(number, lambda _number, _frame: loop.call_soon_threadsafe(act))
        return lambda: signal.signal(number, before)
    return restore


async def to_thread(work: Callable[[], T]) -> T:
    """Run a function that may block for a moment in a thread, so that the event loop goes on."""
    return await asyncio.to_thread(work)


async def resolve(value: Awaitable[T] | T) -> T:
    """Return a value, or its result if it has to be awaited; the derived text has the value itself."""
    return cast("T", await value if is_awaitable(value) else value)
