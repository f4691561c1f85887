"""One member's counters and flags."""

import pytest

from connpool_runtime import Outcome
from connpool_runtime.breaker.breaker import BreakerSettings, BreakerState
from connpool_runtime.members.member import Member


def member(max_fails: int = 2) -> Member[str]:
    return Member("a", "client", 1, BreakerSettings(max_fails=max_fails))


def fail(one: Member[str]) -> None:
    one.breaker.settle(None, one.breaker.generation, Outcome.FAILURE, 0.0)
    one.refresh()


COUNTS = {
    "success": "served",
    "failure": "failed",
    "neutral": "neutral",
    "answer": "answered",
    "overload": "overloaded",
    "unknown": "unknown",
}


@pytest.mark.parametrize("word", COUNTS)
def test_an_attempt_that_was_given_back_counts_once(word: str) -> None:
    """Whatever came of it, nothing is in flight, and one count has grown."""
    one = member()
    one.count(word)
    assert one.in_flight == 0
    assert one.ended == 1
    counted = {name: getattr(one, attribute) for name, attribute in COUNTS.items()}
    assert counted == {name: int(name == word) for name in counted}


def test_calls_take_the_fast_path_while_it_is_closed_and_stays() -> None:
    """Failures that leave the breaker closed change nothing about that."""
    one = member()
    assert one.fast_generation is one.breaker.generation
    fail(one)
    assert one.fast_generation is one.breaker.generation
    fail(one)
    assert one.breaker.state is BreakerState.OPEN
    assert one.fast_generation is None
    one.breaker.reset()
    one.refresh()
    assert one.fast_generation is one.breaker.generation
    one.leaving = True
    one.refresh()
    assert one.fast_generation is None


def test_it_is_steady_while_a_success_changes_nothing() -> None:
    """Closed, without failures, staying: then, and only then, a success need not be told to the breaker."""
    one = member()
    assert one.steady_generation is one.breaker.generation
    fail(one)
    assert one.steady_generation is None
    one.breaker.settle(None, one.breaker.generation, Outcome.SUCCESS, 0.0)
    one.refresh()
    assert one.steady_generation is one.breaker.generation
    one.leaving = True
    one.refresh()
    assert one.steady_generation is None


def test_it_is_ready_while_it_stays_and_admits() -> None:
    """Ready is what the next pick needs."""
    one = member()
    assert one.ready
    fail(one)
    assert one.ready
    fail(one)
    assert not one.ready
    other = member()
    other.leaving = True
    assert not other.ready


def test_the_end_of_a_call_matters_after_a_failure_and_while_leaving() -> None:
    """A success then forgives, or is what somebody waits for; on an open member it means nothing."""
    one = member()
    assert not one.has_anomaly
    fail(one)
    assert one.has_anomaly
    fail(one)
    assert not one.has_anomaly
    other = member()
    other.leaving = True
    assert other.has_anomaly
    other.drained = True
    assert not other.has_anomaly


def test_closing_is_claimed_once() -> None:
    """Of two who would close a client, one does."""
    closed: list[str] = []
    one = Member("a", "client", close=lambda: closed.append("a"))
    one.claim_close()()
    one.claim_close()()
    assert closed == ["a"]
    member().claim_close()()


def test_repr_tells_what_matters() -> None:
    """Name, state, calls; and leaving, if so."""
    one = member()
    one.taken = 2
    assert repr(one) == "<a closed in_flight=2>"
    one.leaving = True
    assert repr(one) == "<a closed leaving in_flight=2>"
