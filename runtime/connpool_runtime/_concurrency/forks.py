"""Resets locks and objects in a child process after a fork.

A child has the memory of its parent and one thread of it. A lock that another thread held stays taken;
threads, and tasks of an event loop that does not run here, never go on; what they were doing is never
ended; and connections belong to the parent, whose bytes would be read here. So

- a lock that guards a few statements is made by `new_lock`, and is free in the child. None of the user's
  code runs under one, so the thread that forks holds none;
- an object with threads, tasks, clients, or places that others hold says `renew_after_fork(self)` once,
  and its `after_fork` is called in the child before anything else runs there;
- what must neither be used nor closed in the child goes to `keep`, because a finalizer may say goodbye to
  a server in the name of the parent;
- a fork waits for modules that other threads are importing, a second at most. In the child such a module would stay half made, and
  its lock taken: importing it would hang, or give a module that lacks names, for as long as the child lives.

All of these objects are held weakly, and cost something only when they are created.
"""

from __future__ import annotations

import os
import sys
from itertools import count
from threading import Lock, active_count
from time import monotonic, sleep
from typing import Any, Protocol
from weakref import WeakSet, WeakValueDictionary

from connpool_runtime._concurrency.introspection import current_frame
from connpool_runtime._concurrency.locks import plain_lock
from connpool_runtime._log import log_failure

__all__ = ["all_locks", "all_renewables", "keep", "new_lock", "renew_after_fork"]


class _Renewable(Protocol):
    def after_fork(self) -> None: ...


_locks: WeakSet[Any] = WeakSet()
# In order of creation: an object comes after the objects that it consists of.
_renewables: WeakValueDictionary[int, _Renewable] = WeakValueDictionary()
_numbers = count()
_kept: list[object] = []
_LONGEST_IMPORT = 1.0  # seconds that a fork waits for: an import may wait for the thread that forks


def new_lock() -> Lock:
    """Return a lock that is free in a child process, even if it was held at the fork."""
    lock = plain_lock()
    _locks.add(lock)
    return lock


def all_locks() -> tuple[Any, ...]:
    """Return all locks that exist now."""
    while True:
        try:
            return tuple(_locks)
        except RuntimeError:  # another thread created a lock meanwhile
            continue


def renew_after_fork(renewable: _Renewable) -> None:
    """Call the object's `after_fork` in child processes for as long as the object lives.

    It must neither wait, nor do I/O, nor start anything: most children never use what they inherit.
    """
    _renewables[next(_numbers)] = renewable


def all_renewables() -> tuple[object, ...]:
    """Return all registered objects that exist now."""
    return tuple(_renewables.values())


def keep(*objects: object) -> None:
    """Keep an object of the parent process alive until the child exits, so that its finalizer never runs here."""
    _kept.extend(objects)


def _before_fork() -> None:
    if active_count() == 1 or _imports_itself():
        return
    until = monotonic() + _LONGEST_IMPORT
    while _is_importing() and monotonic() < until:
        sleep(0.001)


def _is_importing() -> bool:
    """Return whether a module is being imported, by any thread."""
    return any(
        getattr(getattr(module, "__spec__", None), "_initializing", False)
        for module in tuple(sys.modules.values())
    )


def _imports_itself() -> bool:
    """Return whether this thread is importing a module, which ends after the fork only."""
    frame = current_frame().f_back
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _after_fork() -> None:
    for lock in all_locks():
        lock._at_fork_reinit()
    for renewable in tuple(_renewables.values()):
        try:
            renewable.after_fork()
        except Exception:  # an error in one object must not keep the others from being reset
            log_failure(
                "%r could not be reset after a fork",
                type(renewable).__name__,
                event_name="fork_failed",
            )


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
