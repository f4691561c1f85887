"""Running numbers, and what is made of them."""

import pytest

from connpool_runtime import BreakerState, NoMembers, Outcome
from connpool_runtime.breaker.breaker import BreakerSettings
from connpool_runtime.calls.wait_queue import WaitQueue
from connpool_runtime.members.member import Member
from connpool_runtime.members.membership import Membership
from connpool_runtime.pool.collect_stats import collect_member, collect_method, collect_pool
from connpool_runtime.stats.counters import Counters
from connpool_runtime.stats.histogram import Histogram


def test_methods_are_frozen_with_running_sums() -> None:
    """Buckets hold all samples up to their bound; the last one holds all there are."""
    counts = Counters((0.1, 1.0))
    for outcome, seconds in [
        ("success", 0.05),
        ("failure", 0.5),
        ("success", 5.0),
        ("neutral", 9.0),
        ("answer", 0.05),
        ("overload", 0.05),
        ("unknown", 0.05),
    ]:
        counts.of("get").count(outcome, seconds)
    ((name, counted),) = counts.methods
    method = collect_method(name, counted)
    assert (method.successes, method.failures, method.neutrals) == (2, 1, 1)
    assert (method.answers, method.overloads, method.unknowns) == (1, 1, 1)
    assert method.latency.buckets == ((0.1, 4), (1.0, 5), (float("inf"), 6))
    assert (method.latency.count, method.latency.total) == (6, pytest.approx(5.7))


def test_members_are_frozen_with_their_breaker() -> None:
    """State, failures in a row, trips, and the rest of the cooldown while it lasts."""
    member = Member("a", "client", 3, BreakerSettings(max_fails=1, cooldown=10.0))
    member.taken, member.served, member.failed, member.neutral = 7, 4, 2, 1
    before = collect_member(member, 0.0)
    member.breaker.settle(None, member.breaker.generation, Outcome.FAILURE, 100.0)
    opened = collect_member(member, 104.0)
    overdue = collect_member(member, 200.0)
    assert (before.name, before.weight, before.in_flight, before.retry_in) == ("a", 3, 3, None)
    assert (before.successes, before.failures, before.neutrals) == (4, 2, 1)
    assert (opened.state, opened.consecutive_failures) == (BreakerState.OPEN, 1)
    assert (opened.trips, opened.retry_in, overdue.retry_in) == (1, 6.0, 0.0)


def test_refusals_are_counted_by_error() -> None:
    """Sorted by name, so that two snapshots can be compared."""
    counts = Counters((1.0,))
    for error in (ValueError(), NoMembers(), NoMembers()):
        counts.reject(error)
    stats = collect_pool("test", counts, Membership("test"), WaitQueue((1.0,)), Histogram((1.0,)))
    assert stats.rejections == (("NoMembers", 2), ("ValueError", 1))
    assert (stats.name, stats.closed, stats.in_flight) == ("test", False, 0)
