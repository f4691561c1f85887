"""Histograms of latencies, in which counting a usual sample costs two additions."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import pairwise

__all__ = ["BOUNDS", "NO_BUCKET", "Bucket", "Histogram"]

# Seconds, in steps of 1-2-5 from 100 us: a pooled server may answer faster than the usual first bucket of 5 ms.
BOUNDS = (
    *(0.0001, 0.0002, 0.0005),
    *(0.001, 0.002, 0.005),
    *(0.01, 0.02, 0.05),
    *(0.1, 0.2, 0.5),
    *(1.0, 2.0, 5.0, 10.0),
)


class Bucket:
    """The samples in (low, high]; the upper bound is included, as in Prometheus."""

    __slots__ = ("count", "high", "low", "total")

    def __init__(self, low: float, high: float) -> None:
        self.low = low
        self.high = high
        self.count = 0
        self.total = 0.0


NO_BUCKET = Bucket(math.inf, -math.inf)
"""Nothing falls into it."""


class Histogram:
    """Buckets, and the one that the last sample fell into.

    The caller adds to `last` itself when the sample fits there, because latencies cluster; each
    such addition is one statement, which threads under the interpreter lock cannot tear.
    """

    __slots__ = ("_bounds", "buckets", "last")

    def __init__(self, bounds: tuple[float, ...] = BOUNDS) -> None:
        self._bounds = bounds
        # A clock may return the same instant twice, so 0.0 must fall into the first bucket.
        edges = (-math.inf, *bounds, math.inf)
        self.buckets = tuple(Bucket(low, high) for low, high in pairwise(edges))
        self.last = self.buckets[0]

    def record(self, seconds: float) -> Bucket:
        """Count a sample in any bucket; return the bucket."""
        bucket = self.buckets[bisect_left(self._bounds, seconds)]
        bucket.count += 1
        bucket.total += seconds
        self.last = bucket
        return bucket
