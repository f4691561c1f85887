"""The counters of middleware, and their collection for the stats of the pool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from connpool_runtime._concurrency.forks import new_lock
from connpool_runtime._log import log_failure
from connpool_runtime.stats.types import ExemplarStats, MiddlewareStats

__all__ = ["MiddlewareCounters", "go_on_counting", "middleware_exemplars", "middleware_stats"]

Labels = tuple[tuple[str, str], ...]


class MiddlewareCounters:
    """Counts what a middleware does, by name and labels. Safe for threads.

    Arguments:
        texts: for each counter, by its name, what it counts.
    """

    def __init__(self, **texts: str) -> None:
        self._texts = texts
        self._counts: Counter[tuple[str, Labels]] = Counter()
        # without it, threads of a free-threaded interpreter would lose counts
        self._lock = new_lock()

    def add(self, name: str, **labels: str) -> None:
        """Add one to a counter, and to its series with these labels."""
        with self._lock:
            self._counts[name, tuple(labels.items())] += 1

    def numbers(self) -> list[MiddlewareStats]:
        """Return all counts; a counter without labels exists from the start, with zero."""
        with self._lock:
            counts = dict(self._counts)
        labelled = {name for name, labels in counts if labels}
        for name in self._texts.keys() - labelled:
            counts.setdefault((name, ()), 0)
        return [
            MiddlewareStats(name=name, value=count, text=self._texts[name], labels=labels)
            for (name, labels), count in sorted(counts.items())
        ]


def go_on_counting(before: object, after: object) -> None:
    """Let a middleware continue the counters of the middleware that it replaces.

    Exporters would take a count that starts again from zero for a restarted process.
    """
    if type(before) is type(after):
        for name, value in vars(before).items():
            if isinstance(value, MiddlewareCounters):
                setattr(after, name, value)


def middleware_stats(middleware: Iterable[object]) -> tuple[MiddlewareStats, ...]:
    """Return the numbers of all middleware; one that fails to give its numbers is logged and left out."""
    return _told(middleware, "numbers")


def middleware_exemplars(middleware: Iterable[object]) -> tuple[ExemplarStats, ...]:
    """Return the exemplars of all middleware, in the same way."""
    return _told(middleware, "exemplars")


def _told(middleware: Iterable[object], what: str) -> tuple[Any, ...]:
    found: list[Any] = []
    for one in middleware:
        owner: object = getattr(one, "__self__", one)
        ask: Callable[[], Iterable[Any]] | None = getattr(owner, what, None)
        if callable(ask):
            try:
                found.extend(ask())
            except Exception:
                log_failure(
                    "middleware %r failed to return its %s",
                    one,
                    what,
                    event_name="middleware_failed",
                )
    return tuple(found)
