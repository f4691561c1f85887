"""Gives a run a cache that no other run uses at the same time.

The type checker's cache is made for one writer: two runs at once, of two checkouts or of a hook and an
editor, would read what the other has half written, and find errors that are none.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import IO, Any

# Further runs at the same time do without a cache, which only costs time.
SLOTS = 8


@contextmanager
def cache_slot(folder: Path | None) -> Generator[Path | None]:
    """Return the folder itself, or one inside it if other runs use it; None if all are in use.

    The system frees the slot of a run that dies. Where the system has no such locks, all runs share the folder.
    """
    lock = locking()
    if folder is None or lock is None:
        yield folder
        return
    with ExitStack() as stack:
        for number in range(SLOTS):
            slot = folder / f"beside-{number}" if number else folder
            try:
                slot.mkdir(parents=True, exist_ok=True)
                file = stack.enter_context((slot / ".lock").open("wb"))
            except OSError:
                break
            if is_taken(lock, file):
                yield slot
                return
        yield None


def locking() -> Any:
    """Return the module with the locks of this system; None if it has none."""
    try:
        return import_module("fcntl")
    except ImportError:
        return None


def is_taken(lock: Any, file: IO[bytes]) -> bool:
    """Take the lock of a file if no other run has it."""
    try:
        lock.flock(file, lock.LOCK_EX | lock.LOCK_NB)
    except OSError:
        return False
    return True
