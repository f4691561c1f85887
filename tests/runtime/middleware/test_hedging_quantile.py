"""The quantile of the last durations."""

from connpool_runtime.middleware.hedging import LatencyQuantile


def test_too_few_samples_say_nothing() -> None:
    """Twenty are needed."""
    latencies = LatencyQuantile(0.5)
    for number in range(19):
        latencies.add(number)
    assert latencies.value is None
    latencies.add(19)
    assert latencies.value == 9


def test_old_samples_are_forgotten() -> None:
    """Only the last two hundred count."""
    latencies = LatencyQuantile(0.95)
    for _ in range(200):
        latencies.add(100.0)
    for _ in range(200):
        latencies.add(1.0)
    assert latencies.value == 1.0
