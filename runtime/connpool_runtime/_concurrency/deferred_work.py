"""Defers work from finalizers, which must not wait for a lock, to the next owner of the lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol

__all__ = ["DeferredWork"]


class _Lock(Protocol):
    def locked(self) -> bool: ...

    def __enter__(self) -> Any: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> Any: ...


class DeferredWork:
    """A queue of work that has to run under a lock, filled by callers who must not wait for that lock.

    A finalizer may interrupt the very thread that holds the lock, and would wait for itself. So it
    adds its work here and calls `run`, which does the work at once if the lock is free. If it is
    not, the holder of the lock does the work: every owner of the lock calls `run` after releasing
    it (or `run_locked` while holding it). Either the thread that added the work gets the lock, or the holder
    of the lock has yet to call `run`; so no work is left undone.

    `add` and `run` may be called from any thread and from finalizers. On hot paths, check `if deferred.work:`
    before calling `run`: that saves the call when there is no work.
    """

    __slots__ = ("work",)

    def __init__(self) -> None:
        self.work: deque[Callable[[], object]] = deque()

    def __bool__(self) -> bool:
        """Whether any work is queued."""
        return bool(self.work)

    def add(self, work: Callable[[], object]) -> None:
        """Queue work to be run under the lock; never waits.

        Arguments:
            work: raises nothing, takes no time, and can be repeated without harm: an interrupt may
                strike between doing it and noting that it was done.
        """
        self.work.append(work)

    def run(self, lock: _Lock) -> None:
        """Run all queued work, unless another thread holds the lock: then that thread runs it."""
        # A free lock is not held by this thread, so waiting for it cannot deadlock; at most it waits for
        # another thread's few lines under the lock. `with` takes and releases the lock in C code, so no
        # interrupt leaves it taken.
        while self.work and not lock.locked():
            with lock:
                self.run_locked()

    def run_locked(self) -> None:
        """Run all queued work; the caller must hold the lock."""
        while self.work:
            self.work[0]()
            self.work.popleft()  # removed last, so that an interrupted item is run again
