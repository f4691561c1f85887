"""The numbers of shared clients as OpenTelemetry metrics; needs opentelemetry-api (extra `otel`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from weakref import WeakKeyDictionary

from connpool_runtime._concurrency.forks import new_lock
from connpool_runtime._extras import extra
from connpool_runtime.metrics.otel import default_meter
from connpool_runtime.metrics.shared_clients_series import (
    SHARED_SERIES,
    ExportedSharing,
    SharedSeries,
    Sharing,
)

with extra("otel"):
    from opentelemetry.metrics import CallbackOptions, Meter, Observation

__all__ = ["observe_shared_clients"]

_joining = new_lock()
_exported: WeakKeyDictionary[Meter, ExportedSharing] = WeakKeyDictionary()


def observe_shared_clients(*shared: Sharing, meter: Meter | None = None) -> None:
    """Start exporting how many shared clients there are, until they are closed, to OpenTelemetry. Safe for threads.

    May be called again for more of them.

    Arguments:
        shared: `SharedClients` or `AsyncSharedClients`, each of a name of its own.
        meter: makes the instruments; by default that of the global provider.

    Raises:
        TypeError: an argument is neither a `SharedClients` nor an `AsyncSharedClients`.
        ValueError: two that are open have one name.
    """
    meter = meter or default_meter()
    with _joining:
        exported = _exported.get(meter)
        if exported is None:
            exported = _exported[meter] = ExportedSharing()
            for series in SHARED_SERIES:
                meter.create_observable_up_down_counter(
                    series.opentelemetry, [_callback(series, exported)], series.unit, series.text
                )
    exported.add(*shared)


def _callback(
    series: SharedSeries, exported: ExportedSharing
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    return partial(_observations, series, exported)


def _observations(
    series: SharedSeries, exported: ExportedSharing, _options: CallbackOptions
) -> Iterable[Observation]:
    for sharing, clients in exported.numbers():
        for value, number in series.samples(sharing, clients):
            attributes = {"connpool.shared_clients.name": sharing.name}
            if series.label:
                attributes[f"connpool.shared_client.{series.label}"] = value
            yield Observation(number, attributes)
