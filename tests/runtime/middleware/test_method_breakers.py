"""Breakers of pairs: what an attempt is told before a member is picked, and what it leaves behind."""

from connpool_runtime.breaker.breaker import BreakerSettings
from connpool_runtime.classifiers.verdict import SUCCESS, failure, neutral
from connpool_runtime.members.member import Member
from connpool_runtime.middleware.method_breaker import MethodBreakers

RULES = BreakerSettings(max_fails=1, cooldown=10.0)
A, B = (Member(name, "client", 1, RULES) for name in "ab")


def failed(pairs: MethodBreakers, member: Member[str], now: float, text: str = "") -> bool:
    trial = pairs.begin("get", now)
    return pairs.end("get", trial, member, failure("down"), now, OSError(text))


def test_a_failure_bars_the_pair_and_nothing_else() -> None:
    """Not the same method elsewhere, and no other method there."""
    pairs = MethodBreakers(RULES)
    assert failed(pairs, A, 0.0)
    assert pairs.begin("get", 1.0).ejected == {A}
    assert pairs.begin("set", 1.0).ejected == frozenset()


def test_it_tells_when_and_why() -> None:
    """The time of the first that will be probed, the cause of the last that was cut off."""
    pairs = MethodBreakers(RULES)
    failed(pairs, A, 0.0, "first")
    failed(pairs, B, 4.0, "second")
    trial = pairs.begin("get", 5.0)
    assert (trial.ejected, trial.retry_after, str(trial.cause)) == ({A, B}, 5.0, "second")


def test_one_attempt_at_a_time_may_be_the_probe() -> None:
    """It is given back when the attempt went elsewhere or was not made."""
    pairs = MethodBreakers(RULES)
    failed(pairs, A, 0.0)
    first, second = pairs.begin("get", 10.0), pairs.begin("get", 10.0)
    assert (first.ejected, second.ejected) == (frozenset(), {A})
    pairs.end("get", first, B, SUCCESS, 10.0)
    third = pairs.begin("get", 10.0)
    assert third.ejected == frozenset()
    pairs.end("get", third, None, neutral("not made"), 10.0)
    assert pairs.begin("get", 10.0).ejected == frozenset()


def test_a_late_result_changes_nothing() -> None:
    """An attempt from before the pair was cut off does not bring it back."""
    pairs = MethodBreakers(BreakerSettings(max_fails=2, cooldown=10.0))
    failed(pairs, A, 0.0)
    early = pairs.begin("get", 0.0)
    failed(pairs, A, 0.0)
    pairs.end("get", early, A, SUCCESS, 1.0)
    assert pairs.begin("get", 1.0).ejected == {A}


def test_pairs_that_are_well_take_no_room() -> None:
    """Only what failed is remembered, until it is forgiven or the member leaves."""
    pairs = MethodBreakers(BreakerSettings(max_fails=2, cooldown=10.0))
    pairs.end("get", pairs.begin("get", 0.0), A, SUCCESS, 0.0)
    failed(pairs, A, 0.0)
    pairs.end("get", pairs.begin("get", 0.0), A, SUCCESS, 0.0)
    leaving = Member("c", "client", 1, RULES)
    failed(pairs, leaving, 0.0)
    leaving.leaving = True
    pairs.begin("get", 0.0)
    assert not any(pairs.breakers.values())
