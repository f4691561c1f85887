"""Closes pools safely from signal handlers and finalizers, which may interrupt a thread that holds a lock.

Python runs both between any two instructions of a thread, so also where that thread holds a lock of the
runtime. Code that waits for the lock there would wait for ever: the lock is given back when the handler has
returned. The locks are not re-entrant on purpose, because what they guard is half changed just then. So
closing, which is what handlers are for, is left to a thread where it would wait for itself.

Only closing asks for this, so calls pay nothing.
"""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from time import monotonic
from types import FrameType

from connpool_runtime._concurrency.forks import all_locks
from connpool_runtime._concurrency.introspection import current_frame
from connpool_runtime._concurrency.locks import is_held_here
from connpool_runtime._log import log_failure

__all__ = ["closes_coroutine", "run_beside_finalizer", "run_in_thread_if_interrupted"]

# seconds; any other thread releases a lock within this time, since it guards only a few lines
PATIENCE = 0.25
_RUNTIME = __file__.rpartition("_concurrency")[0]


def run_in_thread_if_interrupted(name: str, work: Callable[..., object], *args: object) -> bool:
    """Run work in a new thread if this thread holds a lock of the runtime; return whether it did.

    The work begins when the interrupted code has released the lock, and the interpreter waits for the end of
    the work before it exits. An error that it raises is logged.

    Arguments:
        name: of the thread.
        work: the function to run.
        args: its arguments.
    """
    if not _holds_a_lock():
        return False

    def run() -> None:
        try:
            work(*args)
        except Exception:
            log_failure(
                "%s, which ran in a thread of its own, failed", name, event_name="finalizer_failed"
            )

    threading.Thread(target=Context().run, args=(run,), name=name, daemon=False).start()
    return True


def closes_coroutine(error: BaseException | None) -> bool:
    """Return whether an error is the one by which Python closes a suspended coroutine that nothing will resume.

    The garbage collector closes coroutines in any thread at any moment, also while that thread holds a lock of the
    runtime. So code that runs because of this error must not wait for a lock.
    """
    return error.__class__ is GeneratorExit


def run_beside_finalizer(work: Callable[[], object]) -> None:
    """Start a thread from a finalizer and run work in it.

    `threading.Thread` takes locks of its own, which the interrupted thread may hold; the interpreter's
    own function takes none. At the interpreter's end nothing is done any more.
    """
    with suppress(RuntimeError):
        _thread.start_new_thread(work, ())


def _holds_a_lock() -> bool:
    """Return whether this thread was interrupted holding a lock: other threads release it within `PATIENCE`."""
    # The stack is looked at first: there is one lock for each member of each pool of the process.
    if not _was_interrupted(current_frame()):
        return False
    taken = [lock for lock in all_locks() if lock.locked()]
    until = monotonic() + PATIENCE
    return any(is_held_here(lock, max(0.0, until - monotonic())) for lock in taken)


def _was_interrupted(frame: FrameType | None) -> bool:
    """Return whether code of the runtime is running in this thread below the caller."""
    while frame is not None and _is_ours(frame):
        frame = frame.f_back
    while frame is not None and not _is_ours(frame):
        frame = frame.f_back
    return frame is not None


def _is_ours(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_RUNTIME)
