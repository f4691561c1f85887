"""Outlier detection: finds members that were worse than the others in the same interval.

The rules are those of Envoy's outlier detection and of gRPC's proposal A50: members with enough calls in
an interval are compared, if there are enough of them; one whose success rate is more than a number of
standard deviations below the mean of all is ejected, for a time that grows each time and shrinks with each
interval in which it stayed; no more than a share of the members is ejected at once. What is added:

- *latency*, by the same rule the other way round. What is compared is the typical latency of a member, the
  geometric mean of its calls: one call that took a thousand times as long as the others moves it little.
- *doubt*. Among members that are equally well, or equally ill, one is always the worst, and often by
  two standard deviations. So the difference has to matter, and has to be one that chance gives about once
  in a million comparisons.

The window of each comparison is the interval since the one before; what was before is forgotten.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from typing import Generic, Literal, NamedTuple, TypeAlias, TypeVar

from connpool_runtime.breaker.relative import differs

__all__ = ["Measure", "Outlier", "OutlierDetector", "OutlierRules", "Totals"]

M = TypeVar("M", bound=Hashable)

Measure: TypeAlias = Literal["success_rate", "latency"]
EXCESS = 0.05  # a member whose share of failures is barely higher than that of the others is kept
SLOWER = 2.0  # a member less slow than this multiple of the others is kept
# standard errors of the difference of two means; exceeded by chance once in a million, one-sided
DEVIATIONS = 4.9


class OutlierRules(NamedTuple):
    """How members are compared; `PoolSettings` explains each number, under `outlier_...`."""

    success_rate_stdev: float = 0.0
    latency_stdev: float = 0.0
    interval: float = 10.0
    minimum_members: int = 5
    minimum_calls: int = 100
    ejection_time: float = 30.0
    ejection_time_max: float = 300.0
    max_ejection_share: float = 0.1

    def may_eject(self, ejected: int, members: int) -> bool:
        """Return whether one more member may be ejected when so many already are; the first one always may."""
        return ejected <= 0 or (ejected + 1) <= self.max_ejection_share * members


class Totals(NamedTuple):
    """The running totals of a member; the differences between two moments are compared.

    Attributes:
        successes: calls that a healthy server answers, errors that are answers included.
        failures: calls that failed.
        timed: calls whose latency is known.
        logarithms: of their seconds, added up.
        squares: of these logarithms, added up.
    """

    successes: int
    failures: int
    timed: int = 0
    logarithms: float = 0.0
    squares: float = 0.0

    def since(self, before: Totals) -> Totals:
        """Return what was added since an earlier moment."""
        return Totals(
            self.successes - before.successes,
            self.failures - before.failures,
            self.timed - before.timed,
            self.logarithms - before.logarithms,
            self.squares - before.squares,
        )

    @property
    def calls(self) -> int:
        """The number of calls that say something about the member."""
        return self.successes + self.failures


class Outlier(NamedTuple, Generic[M]):
    """A member that was worse than the others.

    Attributes:
        member: which.
        measure: by which number the member was worse.
        value: its success rate from 0 to 1, or its typical latency in seconds.
        mean: of the members that were compared.
        threshold: beyond which a member is an outlier.
        calls: of the member, by which it was judged.
    """

    member: M
    measure: Measure
    value: float
    mean: float
    threshold: float
    calls: int


class OutlierDetector(Generic[M]):
    """Finds the members that were worse than the others, and decides how long each is ejected.

    To be guarded by a lock, or used by one thread or task only.
    """

    def __init__(self, rules: OutlierRules) -> None:
        self._rules = rules
        self._before: dict[M, Totals] = {}
        self._away: frozenset[M] = frozenset()
        self._times: dict[M, int] = {}  # how often each member was ejected lately

    def compare(
        self,
        totals: Mapping[M, Totals],
        alike: Callable[[M], Hashable],
        away: frozenset[M] = frozenset(),
        serving: Callable[[M], Hashable] = type,
    ) -> list[Outlier[M]]:
        """Return the outliers of the interval that ends now, the worst first.

        Arguments:
            totals: of all members of the pool.
            alike: returns a member's group; latencies are compared only within a group.
            away: the members that take no calls now, and are not compared.
            serving: returns the kind of calls that a member serves; success rates are compared only within a
                kind.
        """
        before, self._before = self._before, dict(totals)
        lately = {
            one: now.since(before[one])
            for one, now in totals.items()
            if one in before and one not in away
        }
        kinds: dict[Hashable, dict[M, Totals]] = {}
        for one, counts in lately.items():
            kinds.setdefault(serving(one), {})[one] = counts
        found = [failing for kind in kinds.values() for failing in self._failing(kind)]
        known = {outlier.member for outlier in found}
        groups: dict[Hashable, dict[M, Totals]] = {}
        for one, counts in lately.items():
            groups.setdefault(alike(one), {})[one] = counts
        for group in groups.values():
            found += [slow for slow in self._slow(group) if slow.member not in known]
        # A member that is no outlier and took calls for the whole interval has a shorter ejection next time.
        known = {outlier.member for outlier in found}
        self._times = {one: times for one, times in self._times.items() if one in totals}
        for one in lately.keys() - known - self._away:
            self._forgive(one)
        self._away = away
        return found

    def eject(self, member: M) -> float:
        """Note that a member is ejected; return for how many seconds."""
        rules = self._rules
        self._times[member] = times = self._times.get(member, 0) + 1
        longest = max(rules.ejection_time, rules.ejection_time_max)
        return min(rules.ejection_time * times, longest)

    def _forgive(self, member: M) -> None:
        times = self._times.pop(member, 0) - 1
        if times > 0:
            self._times[member] = times

    def _failing(self, lately: Mapping[M, Totals]) -> list[Outlier[M]]:
        rules = self._rules
        compared = {one: each for one, each in lately.items() if each.calls >= rules.minimum_calls}
        if rules.success_rate_stdev <= 0 or len(compared) < rules.minimum_members:
            return []
        rates = {one: each.successes / each.calls for one, each in compared.items()}
        mean, deviation = _mean_and_deviation([*rates.values()])
        threshold = mean - rules.success_rate_stdev * deviation
        calls = sum(each.calls for each in compared.values())
        failures = sum(each.failures for each in compared.values())
        return [
            Outlier(one, "success_rate", rate, mean, threshold, compared[one].calls)
            for one, rate in sorted(rates.items(), key=lambda item: item[1])
            if rate < threshold
            and differs(
                mine := compared[one].failures,
                compared[one].calls,
                failures - mine,
                calls - compared[one].calls,
                excess=EXCESS,
            )
        ]

    def _slow(self, lately: Mapping[M, Totals]) -> list[Outlier[M]]:
        rules = self._rules
        compared = {one: each for one, each in lately.items() if each.timed >= rules.minimum_calls}
        if rules.latency_stdev <= 0 or len(compared) < rules.minimum_members:
            return []
        typical = {one: each.logarithms / each.timed for one, each in compared.items()}
        mean, deviation = _mean_and_deviation([*typical.values()])
        threshold = mean + rules.latency_stdev * deviation
        together = Totals(*map(sum, zip(*compared.values(), strict=True)))
        return [
            Outlier(
                one,
                "latency",
                math.exp(value),
                math.exp(mean),
                math.exp(threshold),
                compared[one].timed,
            )
            for one, value in sorted(typical.items(), key=lambda item: -item[1])
            if value > threshold and _is_slower(compared[one], together.since(compared[one]))
        ]


def _mean_and_deviation(values: list[float]) -> tuple[float, float]:
    """Return the mean and the standard deviation of values that are the whole population."""
    mean = sum(values) / len(values)
    return mean, math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))


def _is_slower(mine: Totals, others: Totals) -> bool:
    """Return whether a member's latencies are higher than those of the others, by more than chance or a trifle."""
    difference = mine.logarithms / mine.timed - others.logarithms / others.timed
    doubt = math.sqrt(_variance(mine) / mine.timed + _variance(others) / others.timed)
    return difference >= math.log(SLOWER) and difference > DEVIATIONS * doubt


def _variance(counts: Totals) -> float:
    mean = counts.logarithms / counts.timed
    return max(0.0, counts.squares / counts.timed - mean * mean)
