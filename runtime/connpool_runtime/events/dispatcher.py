"""Delivers events to listeners: in order, without the pool's lock, isolated from calls."""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import TYPE_CHECKING

from connpool_runtime._concurrency.forks import renew_after_fork
from connpool_runtime._concurrency.introspection import is_coroutine_function
from connpool_runtime._log import log_failure

if TYPE_CHECKING:
    from connpool_runtime.events.types import Event, Listener

__all__ = ["EventDispatcher"]


class EventDispatcher:
    """Queues events under the pool's lock and delivers them after it, by one thread at a time.

    Without listeners none are made: their types are imported with the first listener, not with the
    runtime.
    """

    def __init__(self) -> None:
        self._listeners: tuple[Listener, ...] = ()
        # Held while listeners run, one of which may fork; so it is no `new_lock`.
        self._lock = Lock()
        self.waiting: deque[Event] = deque()
        renew_after_fork(self)

    def subscribe(self, listener: Listener) -> None:
        """Add a listener.

        Raises:
            TypeError: the listener is not a function, or is a coroutine function, which nobody would await.
        """
        if not callable(listener):
            raise TypeError(f"a listener must be a function that takes an event, not {listener!r}")
        if is_coroutine_function(listener):
            raise TypeError(
                f"{listener!r} is a coroutine function: listeners are called and not awaited; pass a plain function"
                " that starts a task"
            )
        self._listeners = (*self._listeners, listener)

    def unsubscribe(self, listener: Listener) -> None:
        """Remove a listener, if it is registered."""
        self._listeners = tuple(one for one in self._listeners if one is not listener)

    @property
    def has_listeners(self) -> bool:
        """Whether there are listeners, so that an event is worth creating."""
        return bool(self._listeners)

    def queue(self, event: Event) -> None:
        """Queue an event, if there are listeners."""
        if self._listeners:
            self.waiting.append(event)

    def after_fork(self) -> None:
        """Start anew in a child process: the parent delivers the queued events."""
        self._lock = Lock()
        self.waiting.clear()

    def deliver(self) -> None:
        """Deliver the queued events, unless another thread is doing so, which then delivers these too."""
        # Checked again after the release: an event queued meanwhile found the lock taken.
        while self.waiting and self._deliver_all():
            pass

    def _deliver_all(self) -> bool:
        """Deliver what is queued by now; return False, and do nothing, if another thread is doing so."""
        lock = self._lock  # a listener may fork, and the child has another lock
        taken: list[bool] = []
        try:
            # One call in C, so that an interrupt finds the lock taken and that noted, or neither.
            taken.extend(map(lock.acquire, (False,)))
            while taken[0] and self.waiting:
                self._tell(self.waiting.popleft())
            return taken[0]
        finally:
            if taken and taken[0]:
                lock.release()

    def _tell(self, event: Event) -> None:
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:
                log_failure(
                    "listener %r failed on %r",
                    *(listener, event),
                    event_name="listener_failed",
                    pool=event.pool,
                )
