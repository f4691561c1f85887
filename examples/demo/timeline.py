"""When the breaker of one member opened and closed."""

from __future__ import annotations

from time import monotonic

from connpool_runtime import BreakerChanged, BreakerState, Event


class Timeline:
    """Listens to a pool.

    Args:
        member: the name of the member whose breaker to follow.
    """

    def __init__(self, member: str) -> None:
        self._member = member
        self._opened: float | None = None
        self._closed: float | None = None

    def __call__(self, event: Event) -> None:
        """Take an event, as a listener does."""
        if not isinstance(event, BreakerChanged) or event.member != self._member:
            return
        # The first opening counts: later ones are probes that found the server still dead.
        if event.after is BreakerState.OPEN and self._opened is None:
            self._opened = monotonic()
        elif event.after is BreakerState.CLOSED:
            self._closed = monotonic()

    @property
    def has_opened(self) -> bool:
        """Whether the breaker has opened."""
        return self._opened is not None

    @property
    def has_recovered(self) -> bool:
        """Whether the breaker has closed again."""
        return self._closed is not None

    def seconds_to_open(self, *, since: float) -> float | None:
        """Return how long after `since` the breaker opened; None if it did not."""
        return None if self._opened is None else self._opened - since

    def seconds_to_close(self, *, since: float) -> float | None:
        """Return how long after `since` the breaker closed; None if it did not."""
        return None if self._closed is None else self._closed - since
