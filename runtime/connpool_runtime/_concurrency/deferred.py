"""Work that a finalizer leaves for later, because it must not wait for a lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol

__all__ = ["Deferred"]


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


class Deferred:
    """A mailbox of work that has to be done under a lock, for callers who must not wait for the lock.

    A finalizer may interrupt the very thread that holds the lock, and would wait for itself. So it
    adds its work here and calls `run`, which does the work at once if the lock is free. If it is
    not, whoever holds the lock does the work: every owner of the lock calls `run` after releasing
    it (or `run_locked` while holding it). Either the adder gets the lock, or the holder still has
    its call of `run` before it, so nothing is left lying.

    `add` and `run` may be called from any thread and from finalizers. Where every nanosecond counts,
    ask `if deferred.work:` before calling `run`: that looks at the mailbox without a call.
    """

    __slots__ = ("work",)

    def __init__(self) -> None:
        self.work: deque[Callable[[], object]] = deque()

    def __bool__(self) -> bool:
        """Whether there is work to do."""
        return bool(self.work)

    def add(self, work: Callable[[], object]) -> None:
        """Leave work to be done under the lock; without waiting.

        Arguments:
            work: raises nothing, takes no time, and can be repeated without harm: an interrupt may
                strike between doing it and noting that it was done.
        """
        self.work.append(work)

    def run(self, lock: _Lock) -> None:
        """Do all work, unless somebody else has the lock: then the work is that holder's to do."""
        # A lock that is not held now is not held by this thread, so waiting for it is no deadlock; at
        # most another thread is met in its few lines under it. `with` takes and releases in C code, so
        # that no interrupt leaves the lock taken.
        while self.work and not lock.locked():
            with lock:
                self.run_locked()

    def run_locked(self) -> None:
        """Do all work; the lock must be held."""
        while self.work:
            self.work[0]()
            self.work.popleft()  # last, so that an interrupt leaves the work to be done again
