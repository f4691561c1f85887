"""The latency of a member: an exponentially weighted moving average, and sums for outlier detection.

The peak-sensitive moving average of Finagle's load balancer: a slow answer is believed at once, a
quick one gradually, and old latencies fade, so that a member that was slow gets another try.
"""

from __future__ import annotations

from math import exp, inf, log

__all__ = ["LatencyEwma", "LatencySums"]

MEMORY = 10.0  # seconds in which an old latency fades to about a third
RESOLUTION = 1e-6  # seconds below which all latencies count as equal
# A member that fails fast must not look quick, so each failure makes its latency this many times longer, up to
# the limit. A single failure must not keep a healthy member idle either: the others would get its calls for as
# long as the latency takes to fade.
FAILURE_FACTOR = 2.0
FAILURE_LIMIT = 1.0  # seconds
FIRST_FAILURE = 0.1  # seconds, for a member whose latency is unknown


class LatencyEwma:
    """The moving average of one member's latency. Replaced as a whole, so it needs no lock.

    Attributes:
        known: seconds, which are 0 if nothing is known, and since when they fade.
    """

    __slots__ = ("known",)

    def __init__(self) -> None:
        self.known: tuple[float, float] = (0.0, -inf)

    def observe(self, seconds: float, failed: bool, now: float) -> None:
        """Record an attempt that ended now."""
        before, at = self.known
        kept = exp((at - now) / MEMORY) if at < now else 1.0
        if failed:
            known = before * kept or FIRST_FAILURE / FAILURE_FACTOR
            seconds = max(seconds, known, min(FAILURE_FACTOR * known, FAILURE_LIMIT))
        if seconds < before * kept:
            seconds = before * kept + seconds * (1 - kept)
        self.known = seconds, now

    def forget(self) -> None:
        """Start anew, for a member that is ejected: what its failures added would keep even the probes away from it."""
        self.known = (0.0, -inf)

    def at(self, now: float) -> float:
        """Return the latency as of a time; 0 is unknown."""
        seconds, at = self.known
        return seconds * exp(min(0.0, (at - now) / MEMORY))


class LatencySums(LatencyEwma):
    """The same, with sums for members whose latencies are compared with each other.

    Each sum moves by single statements, which threads under the interpreter lock cannot tear.

    Attributes:
        timed: attempts that did not fail.
        logarithms: of their seconds, added up.
        squares: of these logarithms, added up.
    """

    __slots__ = ("logarithms", "squares", "timed")

    def __init__(self) -> None:
        super().__init__()
        self.timed = 0
        self.logarithms = 0.0
        self.squares = 0.0

    def observe(self, seconds: float, failed: bool, now: float) -> None:
        """Record an attempt that ended now."""
        super().observe(seconds, failed, now)
        if not failed:  # the time until a failure is no latency
            logarithm = log(max(seconds, RESOLUTION))
            self.timed += 1
            self.logarithms += logarithm
            self.squares += logarithm * logarithm
