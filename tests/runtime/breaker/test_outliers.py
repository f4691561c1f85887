"""Which members are worse than the others."""

import math
import random

import pytest

from connpool_runtime.breaker.outliers import Outlier, OutlierDetector, OutlierRules, Totals

RULES = OutlierRules(success_rate_stdev=1.9, latency_stdev=1.9)


class Fleet:
    """Members by their names, with what they have done so far."""

    def __init__(
        self, names: str = "abcdefghij", rules: OutlierRules = RULES, seed: int = 1
    ) -> None:
        self.totals = dict.fromkeys(names, Totals(0, 0))
        self.detector: OutlierDetector[str] = OutlierDetector(rules)
        self.dice = random.Random(seed)
        self.apart = ""  # those of a group of their own
        assert self.compared() == []

    def calls(
        self, name: str, calls: int = 200, failing: float = 0.0, latency: float = 0.01
    ) -> None:
        """Let a member serve calls, whose latencies are exponentially distributed."""
        failures = sum(self.dice.random() < failing for _ in range(calls))
        logs = [
            math.log(self.dice.expovariate(1.0 / latency) + 1e-6) for _ in range(calls - failures)
        ]
        more = Totals(len(logs), failures, len(logs), sum(logs), sum(log * log for log in logs))
        self.totals[name] = Totals(*map(sum, zip(self.totals[name], more, strict=True)))

    def all_call(self, **how: float) -> None:
        for name in self.totals:
            self.calls(name, **how)  # type: ignore[arg-type]  # `calls` is an int, the others are not

    def compared(self) -> list[Outlier[str]]:
        return self.detector.compare(self.totals, lambda name: name in self.apart)

    def found(self) -> list[tuple[str, str]]:
        return [(outlier.member, outlier.measure) for outlier in self.compared()]


@pytest.mark.parametrize("names", ["abcde", "abcdefghij"])
def test_a_member_that_fails_more_often_is_an_outlier(names: str) -> None:
    """30 % errors where the others have none; it is told what was compared."""
    fleet = Fleet(names)
    fleet.all_call()
    fleet.calls("b", failing=0.5)
    (found,) = fleet.compared()
    assert (found.member, found.measure, found.calls) == ("b", "success_rate", 400)
    assert found.value < found.threshold < found.mean < 1.0


@pytest.mark.parametrize("names", ["abcde", "abcdefghij"])
def test_a_member_that_is_slower_is_an_outlier(names: str) -> None:
    """Ten times slower than the others, by the geometric mean of its calls."""
    fleet = Fleet(names)
    for name in names:
        fleet.calls(name, latency=0.1 if name == "c" else 0.01)
    (found,) = fleet.compared()
    assert (found.member, found.measure, found.calls) == ("c", "latency", 200)
    assert found.value > found.threshold > found.mean
    assert 0.03 < found.value < 0.1


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("failing", [0.0, 0.01, 0.3, 0.9, 1.0])
def test_among_equals_nobody_is_an_outlier(failing: float, seed: int) -> None:
    """However ill they are: the worst of equals is often two deviations from the mean, by chance."""
    fleet = Fleet(seed=seed)
    fleet.all_call(failing=failing, latency=0.5)
    assert fleet.found() == []


def test_half_of_the_members_are_no_outliers() -> None:
    """They differ from the others, and are not too far from the mean of all."""
    fleet = Fleet()
    for name in fleet.totals:
        ill = name in "abcde"
        fleet.calls(name, failing=0.5 * ill, latency=0.1 if ill else 0.01)
    assert fleet.found() == []


@pytest.mark.parametrize("seed", range(100))
def test_of_few_calls_nothing_can_be_told(seed: int) -> None:
    """With five calls each, one member is often twice as slow as the others by chance."""
    fleet = Fleet(rules=RULES._replace(minimum_calls=5), seed=seed)
    fleet.all_call(calls=5)
    assert fleet.found() == []


def test_a_few_slow_calls_make_no_slow_member() -> None:
    """One call that took a thousand times as long as the others moves a typical latency little."""
    fleet = Fleet()
    fleet.all_call()
    for _ in range(3):
        fleet.calls("a", 1, latency=1000.0)
    assert fleet.found() == []


def test_a_small_difference_does_not_matter() -> None:
    """With calls enough to be sure of it, 4 % errors or a half more time are not worth a member."""
    fleet = Fleet()
    for name in fleet.totals:
        fleet.calls(
            name, 5000, failing=0.04 * (name == "a"), latency=0.015 if name == "b" else 0.01
        )
    assert fleet.found() == []


def test_what_is_compared_needs_members_and_calls() -> None:
    """Fewer members than five with a hundred calls each are not compared."""
    fleet = Fleet("abcdef")
    for name, calls in zip("abcdef", (100, 100, 100, 100, 99, 99), strict=True):
        fleet.calls(name, calls, failing=float(name == "a"))
    assert fleet.found() == []
    for name in "abcde":
        fleet.calls(name, 100, failing=float(name == "a"))
    assert fleet.found() == [("a", "success_rate")]


def test_what_was_before_the_interval_is_forgotten() -> None:
    """A member that was ill in the last interval, and is well in this one, is no outlier."""
    fleet = Fleet()
    fleet.all_call()
    fleet.calls("a", failing=1.0)
    assert fleet.found() == [("a", "success_rate")]
    fleet.all_call()
    assert fleet.found() == []


def test_latencies_are_compared_within_a_group() -> None:
    """Those that are far away are slower by nature, and are compared with each other only."""
    fleet = Fleet("abcdefghijkl")
    fleet.apart = "abcdef"
    for name in fleet.totals:
        fleet.calls(name, latency=0.1 if name in "abcdef" else 0.01)
    fleet.calls("a", latency=5.0)
    assert fleet.found() == [("a", "latency")]


@pytest.mark.parametrize("measure", ["success_rate", "latency"])
def test_a_rule_that_is_off_finds_nobody(measure: str) -> None:
    """0 deviations is no rule."""
    fleet = Fleet(rules=RULES._replace(**{f"{measure}_stdev": 0.0}))
    fleet.all_call()
    fleet.calls("a", 400, failing=0.5)
    fleet.calls("b", 400, latency=5.0)
    assert [found for _, found in fleet.found()] == [
        "latency" if measure == "success_rate" else "success_rate"
    ]


def test_the_worst_comes_first() -> None:
    """So that it is the one that is ejected, if not all may be."""
    fleet = Fleet("abcdefghijklmnop")
    for name in fleet.totals:
        fleet.calls(name, failing={"a": 0.6, "b": 0.9}.get(name, 0.0))
    assert fleet.found() == [("b", "success_rate"), ("a", "success_rate")]


def test_each_ejection_is_longer_until_it_is_forgiven() -> None:
    """Once, twice, three times the base, up to the longest; one less for each whole interval without."""
    fleet = Fleet(rules=RULES._replace(ejection_time_max=80.0))
    assert [fleet.detector.eject("a") for _ in range(4)] == [30.0, 60.0, 80.0, 80.0]
    away = frozenset("a")
    fleet.detector.compare(fleet.totals, lambda _: None, away)
    fleet.compared()  # it is back, but was away for a part of the interval
    assert fleet.detector.eject("a") == 80.0
    for _ in range(4):
        fleet.compared()
    assert fleet.detector.eject("a") == 60.0
    for _ in range(5):
        fleet.compared()
    assert fleet.detector.eject("a") == 30.0
    assert OutlierDetector[str](RULES._replace(ejection_time=500.0)).eject("a") == 500.0


def test_who_takes_no_calls_is_not_compared() -> None:
    """A member that is cut off already counts for nothing."""
    fleet = Fleet()
    fleet.all_call()
    fleet.calls("a", failing=1.0)
    assert fleet.detector.compare(fleet.totals, lambda _: None, frozenset("a")) == []


def test_who_has_left_is_forgotten() -> None:
    """A pool whose members come and go does not remember all of them."""
    fleet = Fleet()
    fleet.detector.eject("a")
    del fleet.totals["a"]
    fleet.compared()
    assert "a" not in fleet.detector._times


@pytest.mark.parametrize(
    ("share", "members", "most"),
    [(0.1, 5, 1), (0.1, 20, 2), (0.0, 20, 1), (0.5, 10, 5), (1.0, 3, 3)],
)
def test_how_many_may_be_ejected(share: float, members: int, most: int) -> None:
    """A share of the members, but one always."""
    rules = RULES._replace(max_ejection_share=share)
    ejected = 0
    while ejected < members and rules.may_eject(ejected, members):
        ejected += 1
    assert ejected == most
