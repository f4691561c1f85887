"""The histogram that counts most samples with two additions."""

import math

import pytest

from connpool_runtime.stats.histogram import BOUNDS, Histogram


def counts(histogram: Histogram) -> list[int]:
    return [bucket.count for bucket in histogram.buckets]


@pytest.mark.parametrize(
    ("sample", "place"), [(0.0, 0), (0.5, 0), (1.0, 0), (1.1, 1), (2.0, 1), (99.0, 2)]
)
def test_a_bound_belongs_to_the_bucket_below(sample: float, place: int) -> None:
    """Upper bounds are inclusive, as Prometheus has them, and every sample falls somewhere."""
    histogram = Histogram((1.0, 2.0))
    bucket = histogram.record(sample)
    assert counts(histogram) == [int(index == place) for index in range(3)]
    assert bucket is histogram.buckets[place] is histogram.last
    assert bucket.low < sample <= bucket.high


def test_totals_are_sums() -> None:
    """The sum of all samples is kept."""
    histogram = Histogram((1.0, 2.0))
    for sample in (0.5, 1.5, 0.25):
        histogram.record(sample)
    assert sum(bucket.total for bucket in histogram.buckets) == 2.25


def test_default_bounds_ascend_and_reach_from_100_us_to_10_s() -> None:
    """The defaults suit servers near and far."""
    assert list(BOUNDS) == sorted(set(BOUNDS))
    assert (BOUNDS[0], BOUNDS[-1]) == (0.0001, 10.0)
    assert Histogram().buckets[-1].high == math.inf
