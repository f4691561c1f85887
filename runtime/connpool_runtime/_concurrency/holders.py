"""Tells which thread or task holds a result, so that a thread or task that waits for results does not wait for itself.

A thread that closes a pool while one of its own variables holds a cursor would wait for that cursor in vain:
it can drop the cursor only after the wait. The same holds for results in a list that belong to a thread or a
task that has ended.
"""

from __future__ import annotations

import threading
import weakref
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["Holder", "acting_for", "current_holder", "has_ended"]

Holder: TypeAlias = "int | weakref.ref[Any] | None"
"""A thread or task by a reference that does not keep it and its frames; None if it is not known.

What `threading` does not know, as greenlets and threads of C libraries, by its identifier: nothing tells when it ends.
"""

_acting_for: ContextVar[Holder] = ContextVar("connpool_acting_for", default=None)


def current_holder(*, blocking: bool) -> Holder:
    """Return the thread or task that runs now, or the one on whose behalf it runs.

    Arguments:
        blocking: whether the holder is a thread, and not a task.
    """
    if (for_whom := _acting_for.get()) is not None:
        return for_whom
    if blocking:
        ident = threading.get_ident()
        # Not `current_thread`, which makes up a thread for one that it does not know, and keeps that for good.
        known: dict[int, threading.Thread] = getattr(threading, "_active", {})
        thread = known.get(ident)
        return ident if thread is None else weakref.ref(thread)
    from asyncio import current_task  # only pools for tasks need it

    try:
        task = current_task()
    except RuntimeError:  # no event loop runs
        return None
    return None if task is None else weakref.ref(task)


@contextmanager
def acting_for(holder: Holder) -> Generator[None]:
    """Have work that other threads and tasks do inside the block count as work of a holder.

    Tasks take that over when they are created, threads if they run in a copy of the context.
    """
    token = _acting_for.set(holder)
    try:
        yield
    finally:
        _acting_for.reset(token)


def has_ended(holder: Holder) -> bool:
    """Return whether a thread or task has ended; False if it is not known."""
    if holder is None or isinstance(holder, int):
        return False
    found = cast("Any", holder())
    if isinstance(found, threading.Thread):
        return not found.is_alive()
    return found is None or bool(found.done())
