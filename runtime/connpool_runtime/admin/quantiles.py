"""Estimates quantiles from the buckets of a histogram, as Prometheus' `histogram_quantile` does. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["quantile"]


def quantile(buckets: Sequence[tuple[float, int]], share: float) -> float | None:
    """Return the duration that a share of the samples does not exceed; None without samples.

    Within a bucket samples are taken to be spread evenly; of those above the last finite bound no more
    is known than that bound.

    Arguments:
        buckets: (upper bound in seconds, samples up to it), ascending; the last bound is `inf`.
        share: from 0 to 1.
    """
    total = buckets[-1][1] if buckets else 0
    if not total:
        return None
    rank = share * total
    low, below = 0.0, 0
    for bound, upto in buckets:
        if upto >= rank and upto > below:
            return (
                low if bound == math.inf else low + (bound - low) * (rank - below) / (upto - below)
            )
        low, below = (low if bound == math.inf else bound), upto
    return low
