"""The lock that guards a few statements: an interrupt between any two instructions leaves it free.

`with lock:` is safe because taking and giving back are done in C, and CPython runs no signal handler between
taking and the beginning of the block. CPython 3.14 does run one there (python/cpython issue 148874, mended in 3.15): where the
handler raises, the block is never entered, and a lock of `threading` stays taken for ever. So there this is a
lock that gives itself back.
"""

from __future__ import annotations

import sys
from threading import Lock
from typing import TYPE_CHECKING

__all__ = ["is_held_here", "plain_lock"]

SKIPS_EXIT = sys.version_info[:2] == (3, 14)

if SKIPS_EXIT and not TYPE_CHECKING:
    from _thread import RLock

    class _InterruptibleLock(RLock):
        """A lock that is free after an interrupt of `with lock:`.

        The lock knows its owner, and so notices when an interrupt struck between taking it and entering the
        block. It is not re-entrant all the same: a signal handler that interrupts the owner would find half
        changed what the lock guards.
        """

        def __enter__(self) -> None:
            if self._is_owned():
                raise RuntimeError(
                    "called by a signal handler or finalizer that interrupted the runtime"
                )
            try:
                self.acquire()
            except BaseException:
                if self._is_owned():
                    self.release()
                raise

    def plain_lock() -> Lock:
        """Return a new lock."""
        return _InterruptibleLock()

else:

    def plain_lock() -> Lock:
        """Return a new lock."""
        return Lock()


def is_held_here(lock: Lock, seconds: float) -> bool:
    """Return whether this thread holds a lock, after waiting up to a number of seconds for other threads."""
    if SKIPS_EXIT:
        return lock._is_owned()  # type: ignore[attr-defined, no-any-return]  # see above
    if not lock.acquire(timeout=seconds):
        return True
    lock.release()
    return False
