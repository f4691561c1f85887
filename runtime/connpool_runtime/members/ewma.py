"""How long a member lately took to answer.

The peak-sensitive moving average of Finagle's load balancer: a slow answer is believed at once, a
quick one by and by, and what was long ago fades, so that a member that was slow gets another try.
"""

from __future__ import annotations

from math import exp, inf, log

__all__ = ["LatencyEwma", "LatencySums"]

MEMORY = 10.0  # seconds in which what was known fades to a third
RESOLUTION = 1e-6  # seconds below which latencies are all the same
FAILURE = 1.0  # seconds that a failure is taken to last at least, or failing fast would look quick


class LatencyEwma:
    """The latency of one member. Replaced as a whole, so it can be read and observed without a lock.

    Attributes:
        known: seconds, which are 0 if nothing is known, and since when they fade.
    """

    __slots__ = ("known",)

    def __init__(self) -> None:
        self.known: tuple[float, float] = (0.0, -inf)

    def observe(self, seconds: float, failed: bool, now: float) -> None:
        """Take note of an attempt that ended now."""
        before, at = self.known
        kept = exp((at - now) / MEMORY) if at < now else 1.0
        if failed:
            seconds = max(seconds, before, FAILURE)
        if seconds < before * kept:
            seconds = before * kept + seconds * (1 - kept)
        self.known = seconds, now

    def at(self, now: float) -> float:
        """Return what is known at this time; 0 is unknown."""
        seconds, at = self.known
        return seconds * exp(min(0.0, (at - now) / MEMORY))


class LatencySums(LatencyEwma):
    """The same, for members that are compared by their latencies: it adds up what is compared.

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
        """Take note of an attempt that ended now."""
        super().observe(seconds, failed, now)
        if not failed:  # how soon a member fails is no latency
            logarithm = log(max(seconds, RESOLUTION))
            self.timed += 1
            self.logarithms += logarithm
            self.squares += logarithm * logarithm
