"""The metrics of shared clients, whatever the library."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from connpool_runtime._concurrency.forks import new_lock
from connpool_runtime.sharing.base import BaseSharing
from connpool_runtime.sharing.reference_counts import SharedClientStats

__all__ = ["SHARED_SERIES", "ExportedSharing", "SharedSeries"]

Sharing: TypeAlias = BaseSharing[Any, Any]


@dataclass(frozen=True, slots=True)
class SharedSeries:
    """One gauge: its names, its description, its label beside the name of the sharing, its samples."""

    prometheus: str
    opentelemetry: str
    unit: str
    text: str
    label: str | None
    samples: Callable[[Sharing, tuple[SharedClientStats, ...]], Iterable[tuple[str, float]]]


def _by_state(
    _sharing: Sharing, clients: tuple[SharedClientStats, ...]
) -> Iterable[tuple[str, float]]:
    counts = Counter(map(_state, clients))
    return ((state, counts[state]) for state in ("healthy", "unhealthy", "retired"))


def _state(client: SharedClientStats) -> str:
    if client.retired:
        return "retired"
    return "healthy" if client.healthy else "unhealthy"


SHARED_SERIES = (
    SharedSeries(
        "connpool_shared_clients",
        "connpool.shared_client.count",
        "{client}",
        "Shared clients that are open; retired ones are kept only for their present users.",
        "state",
        _by_state,
    ),
    SharedSeries(
        "connpool_shared_client_references",
        "connpool.shared_client.reference.count",
        "{reference}",
        "Handles of shared clients that are in use.",
        None,
        lambda _sharing, clients: [("", sum(client.references for client in clients))],
    ),
    SharedSeries(
        "connpool_shared_clients_limit",
        "connpool.shared_client.limit",
        "{client}",
        "Shared clients that may be open at a time; where there is a limit.",
        None,
        lambda sharing, _clients: (
            [("", sharing.settings.max_clients)] if sharing.settings.max_clients else []
        ),
    ),
)
"""All numbers of shared clients."""


class ExportedSharing:
    """The `SharedClients` that one exporter reads, until they are closed. Safe for threads."""

    def __init__(self) -> None:
        self._lock = new_lock()
        self._known: dict[str, Sharing] = {}

    def add(self, *shared: Sharing) -> None:
        """Export more `SharedClients`.

        Raises:
            TypeError: an argument is neither a `SharedClients` nor an `AsyncSharedClients`.
            ValueError: two that are open have one name.
        """
        for one in shared:
            _check(one)
        with self._lock:
            after = self._open()
            for one in shared:
                if after.get(one.name, one) is not one:
                    raise ValueError(
                        f"other shared clients named {one.name!r} are already exported, and their series could"
                        " not be told apart: give each SharedClients a name of its own"
                    )
                after[one.name] = one
            self._known = after

    def numbers(self) -> list[tuple[Sharing, tuple[SharedClientStats, ...]]]:
        """Return the open `SharedClients`, with their clients at this moment."""
        with self._lock:
            self._known = known = self._open()
        return [(one, one.stats()) for one in known.values()]

    def _open(self) -> dict[str, Sharing]:
        return {name: one for name, one in self._known.items() if not one.closed}


def _check(one: object) -> None:
    if not isinstance(one, BaseSharing):
        raise TypeError(
            f"{type(one).__name__} is neither a SharedClients nor an AsyncSharedClients"
        )
