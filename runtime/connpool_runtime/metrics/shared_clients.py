"""The numbers of shared clients as Prometheus metrics; needs prometheus-client (extra `prometheus`)."""

from __future__ import annotations

from collections.abc import Iterable

from connpool_runtime._extras import extra
from connpool_runtime.metrics.registered_collector import RegisteredCollector
from connpool_runtime.metrics.shared_clients_series import SHARED_SERIES, ExportedSharing, Sharing
from connpool_runtime.sharing.reference_counts import SharedClientStats

with extra("prometheus"):
    from prometheus_client.core import GaugeMetricFamily, Metric
    from prometheus_client.registry import CollectorRegistry

__all__ = ["SharedClientsCollector"]


class SharedClientsCollector(RegisteredCollector):
    """Collects how many shared clients there are, by state, and how many users they have. Safe for threads.

    A registry has one such collector: creating another one returns the existing one. Closed `SharedClients`
    are forgotten.

    Arguments:
        shared: `SharedClients` or `AsyncSharedClients`, each of a name of its own.
        registry: where to register; nowhere if not given.

    Raises:
        TypeError: an argument is neither a `SharedClients` nor an `AsyncSharedClients`.
        ValueError: two have one name, or the registry has metrics of these names from elsewhere.
    """

    _shared: ExportedSharing

    def _begin(self) -> None:
        self._shared = ExportedSharing()

    def __init__(self, *shared: Sharing, registry: CollectorRegistry | None = None) -> None:
        self.add(*shared)

    def add(self, *shared: Sharing) -> None:
        """Collect from more `SharedClients`.

        Raises:
            TypeError: an argument is neither a `SharedClients` nor an `AsyncSharedClients`.
            ValueError: two that are open have one name.
        """
        self._shared.add(*shared)

    def describe(self) -> Iterable[Metric]:
        """Return the metrics without samples."""
        return _families([])

    def collect(self) -> Iterable[Metric]:
        """Return the current metrics."""
        return _families(self._shared.numbers())


def _families(
    numbers: list[tuple[Sharing, tuple[SharedClientStats, ...]]],
) -> Iterable[Metric]:
    for series in SHARED_SERIES:
        labels = ["shared", *([series.label] if series.label else [])]
        family = GaugeMetricFamily(series.prometheus, series.text, labels=labels)
        for sharing, clients in numbers:
            for value, number in series.samples(sharing, clients):
                family.add_metric([sharing.name, *([value] if series.label else [])], number)
        yield family
