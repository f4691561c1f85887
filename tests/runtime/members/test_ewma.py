"""How long members take, and the balancer that goes by it."""

from collections import Counter
from contextlib import nullcontext
from math import exp
from random import Random

import pytest

from connpool_runtime.balancing.base import BalancerContext
from connpool_runtime.balancing.p2c import PeakEwma
from connpool_runtime.members.ewma import LatencyEwma
from connpool_runtime.members.member import Member
from tests.runtime.members.groups import group_of


def test_a_slow_answer_is_believed_at_once() -> None:
    """The peak counts."""
    latency = LatencyEwma()
    latency.observe(0.1, False, 0.0)
    latency.observe(2.0, False, 0.1)
    assert latency.at(0.1) == 2.0


def test_quick_answers_are_believed_by_and_by() -> None:
    """Each moves the average by as much as time has passed since the last one."""
    latency = LatencyEwma()
    latency.observe(2.0, False, 0.0)
    latency.observe(0.0, False, 10.0)
    assert latency.at(10.0) == pytest.approx(2.0 * exp(-1))


def test_what_was_long_ago_fades() -> None:
    """A member that was slow and is left alone gets another try."""
    latency = LatencyEwma()
    latency.observe(1.0, False, 0.0)
    assert latency.at(100.0) < 0.001


def test_failing_fast_is_not_quick() -> None:
    """Each failure in a row doubles what is known, up to a second, and never improves it; the first counts a tenth."""
    latency = LatencyEwma()
    known = []
    for _ in range(6):
        latency.observe(0.001, True, 0.0)
        known.append(latency.at(0.0))
    assert known == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    latency.observe(5.0, False, 0.0)
    latency.observe(0.001, True, 0.0)
    assert latency.at(0.0) == 5.0


def test_one_failure_keeps_no_member_idle() -> None:
    """A healthy member that fails one call is as if it were twice as slow, for the time in which that fades."""
    latency = LatencyEwma()
    latency.observe(0.002, False, 0.0)
    latency.observe(0.001, True, 0.0)
    assert latency.at(0.0) == 0.004


def test_a_failure_that_took_long_is_a_slow_answer() -> None:
    """The time until a failure counts as that of an answer does."""
    latency = LatencyEwma()
    latency.observe(3.0, True, 0.0)
    assert latency.at(0.0) == 3.0


def test_a_clock_that_goes_backwards_raises_nothing_and_nobody() -> None:
    """What is known stays what it is."""
    latency = LatencyEwma()
    latency.observe(1.0, False, 100.0)
    assert latency.at(50.0) == 1.0


def members(*seconds: float) -> list[Member[str]]:
    made = [Member(f"m{index}", "client") for index in range(len(seconds))]
    for member, latency in zip(made, seconds, strict=True):
        if latency:
            member.latency.observe(latency, False, 0.0)
    return made


def picks(some: list[Member[str]], count: int = 300) -> Counter[str]:
    pick = PeakEwma(group_of(some), BalancerContext(Random(1).random, nullcontext())).pick
    return Counter(pick().name for _ in range(count))


def test_the_quicker_of_two_is_taken() -> None:
    """By latency alone when nothing is in flight."""
    assert picks(members(0.2, 0.1)).keys() == {"m1"}


def test_calls_in_flight_outweigh_latency() -> None:
    """Twice as quick, but with three times as much to do."""
    some = members(0.2, 0.1)
    some[1].taken = 2
    assert picks(some).keys() == {"m0"}


def test_weights_count() -> None:
    """A heavy member may take longer."""
    some = members(0.2, 0.1)
    some[0].weight = 3
    assert picks(some).keys() == {"m0"}


def test_an_unknown_member_is_tried_once_at_a_time() -> None:
    """It goes first, and then not before its first call has ended."""
    some = members(0.1, 0.0)
    assert picks(some).keys() == {"m1"}
    some[1].taken = 1
    assert picks(some).keys() == {"m0"}


def test_a_slow_server_gets_few_calls() -> None:
    """One of ten answers ten times slower: it gets a tenth of its share or less."""
    some, clock = members(*[0.0] * 10), 0.0
    pick = PeakEwma(group_of(some), BalancerContext(Random(1).random, nullcontext())).pick
    running: list[tuple[float, float, Member[str]]] = []
    shares: Counter[str] = Counter()
    for step in range(20_000):
        clock = step / 1000
        for end, began, member in [one for one in running if one[0] <= clock]:
            running.remove((end, began, member))
            member.served += 1
            member.latency.observe(end - began, False, clock)
        member = pick()
        member.taken += 1
        shares[member.name] += 1
        running.append((clock + (0.1 if member is some[0] else 0.01), clock, member))
    assert shares["m0"] < 20_000 / 10 / 10
