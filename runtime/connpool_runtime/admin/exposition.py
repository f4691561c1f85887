"""The stats of pools in Prometheus' exposition format; needs prometheus-client (extra `prometheus`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from connpool_runtime._extras import extra
from connpool_runtime.metrics.prometheus import families
from connpool_runtime.stats.types import PoolStats

with extra("prometheus"):
    from prometheus_client.core import Metric
    from prometheus_client.exposition import choose_encoder
    from prometheus_client.registry import Collector, CollectorRegistry

__all__ = ["exposed"]


class _Collector(Collector):
    """The metrics of one scrape."""

    def __init__(self, pools: list[PoolStats]) -> None:
        self._pools = pools

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        return families(self._pools)


def exposed(pools: list[PoolStats], accept: str) -> tuple[bytes, str]:
    """Return the series of pools, and the media type that the scraper has asked for.

    Arguments:
        pools: each of its own name.
        accept: the scraper's `Accept` header; OpenMetrics if that is in it.
    """
    registry = CollectorRegistry()
    registry.register(_Collector(pools))
    encode: Callable[[CollectorRegistry], bytes]
    encode, media_type = choose_encoder(accept)
    return encode(registry), media_type
