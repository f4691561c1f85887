"""What a scrape of the pools gives, shortened to what the demo is about."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from connpool_runtime import Pool
from connpool_runtime.metrics.prometheus import PoolCollector

SHOWN = re.compile(
    r"connpool_(calls_total|trips_total|retries_total|attempts_total\{.*\"failure\").* (?!0\.0$)"
)


def shown_metrics(pools: Iterable[Pool[Any]]) -> str:
    """Return the calls, failures, cut-offs and retries of the pools as Prometheus text, and how much there is besides."""
    registry = CollectorRegistry()
    PoolCollector(*pools, registry=registry)
    lines = generate_latest(registry).decode().splitlines()
    shown = [line for line in lines if SHOWN.match(line)]
    others = sum(not line.startswith("#") for line in lines) - len(shown)
    return "\n".join([*shown, f"... and {others} more series"])
