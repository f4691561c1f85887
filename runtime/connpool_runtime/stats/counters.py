"""The running counters of a pool, from which `pool/collect_stats.py` builds its stats."""

from __future__ import annotations

from collections import Counter

from connpool_runtime.breaker.breaker import BreakerState
from connpool_runtime.stats.histogram import Histogram

__all__ = ["Counters", "MethodCounters"]


class MethodCounters(Histogram):
    """The durations of one method, and its calls without success, by how they are counted."""

    __slots__ = ("answers", "failures", "neutrals", "overloads", "unknowns")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        super().__init__(bounds)
        self.answers = 0
        self.failures = 0
        self.neutrals = 0
        self.overloads = 0
        self.unknowns = 0

    def count(self, counted_as: str, seconds: float) -> None:
        """Count a call; the duration of a cancelled or refused call is no latency."""
        match counted_as:
            case "neutral":
                self.neutrals += 1
                return
            case "failure":
                self.failures += 1
            case "answer":
                self.answers += 1
            case "overload":
                self.overloads += 1
            case "unknown":
                self.unknowns += 1
            case _:
                pass
        self.record(seconds)


class Counters:
    """Counters of methods, by name, and of refusals. Guarded by the pool's lock, except for `of`.

    Without `by_method` all methods share one count, under the name `ALL`.

    Where members have a limit, a call that needs nothing but a free client lasts as long as it holds
    that client. Its duration is counted in `uses_of` its method only, and belongs to both: to the
    durations of the method and to those of the uses. All other uses are in `other_uses`.
    """

    ALL = "*"

    def __init__(self, bounds: tuple[float, ...], *, by_method: bool = True) -> None:
        self._by_method = by_method
        self._bounds = bounds
        self._methods: dict[str, MethodCounters] = {}
        self._uses: dict[str, Histogram] = {}
        self.other_uses = Histogram(bounds)
        self.rejections: Counter[str] = Counter()
        self.transitions: Counter[str] = Counter()
        self.leaks = 0  # suspected leaks
        self.outliers: Counter[str] = Counter()  # outlier ejections, by what was measured

    def of(self, method: str) -> MethodCounters:
        """Return the counters of a method, created when its name is first seen."""
        if not self._by_method:
            method = self.ALL
        found = self._methods.get(method)
        if found is None:
            # setdefault is atomic: two threads get the same object
            found = self._methods.setdefault(method, MethodCounters(self._bounds))
        return found

    def uses_of(self, method: str) -> Histogram:
        """Return the histogram of a method's calls that are counted as uses of a client only."""
        if not self._by_method:
            method = self.ALL
        found = self._uses.get(method)
        if found is None:
            self.of(method)
            found = self._uses.setdefault(method, Histogram(self._bounds))  # atomic, as above
        return found

    def reject(self, error: Exception) -> None:
        """Count a call that reached no member."""
        self.rejections[type(error).__name__] += 1

    def changed(self, state: BreakerState) -> None:
        """Count a breaker that entered a state."""
        self.transitions[state.value] += 1

    @property
    def uses(self) -> dict[str, Histogram]:
        """The histograms of calls counted as uses only, by method; they keep changing."""
        return self._uses.copy()  # atomic, as below

    @property
    def methods(self) -> tuple[tuple[str, MethodCounters], ...]:
        """The counters of all methods, by name; they keep changing."""
        return tuple(self._methods.copy().items())  # a copy is atomic on every interpreter
