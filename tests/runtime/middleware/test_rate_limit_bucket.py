"""The token bucket."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connpool_runtime.middleware.rate_limit import TokenBucket


def test_a_burst_then_the_rate() -> None:
    """A full bucket serves its depth at once; then one token comes per interval."""
    bucket = TokenBucket(2.0, 3)
    assert [bucket.take(100.0, 0.0)[0] for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(100.4, 0.0)[0]
    assert bucket.take(100.5, 0.0) == (True, 0.0)
    assert [bucket.take(200.0, 0.0)[0] for _ in range(4)] == [True, True, True, False]


def test_those_who_wait_get_one_token_after_the_other() -> None:
    """Tokens of the future are given in the order of asking, as far ahead as is waited for."""
    bucket = TokenBucket(10.0, 1)
    waits = [bucket.take(5.0, 0.25) for _ in range(4)]
    assert [taken for taken, _ in waits] == [True, True, True, False]
    assert [wait for _, wait in waits] == pytest.approx([0.0, 0.1, 0.2, 0.3])


def test_a_token_given_back_is_there_for_the_next() -> None:
    """Who gives up costs nobody anything."""
    bucket = TokenBucket(1.0, 1)
    bucket.take(0.0, 0.0)
    assert bucket.take(0.0, 1.0) == (True, 1.0)
    bucket.give_back()
    assert bucket.take(0.0, 1.0) == (True, 1.0)


def test_a_turn_given_up_goes_to_the_next_who_asks() -> None:
    """Those who wait behind it keep their turns: moved forward, two of them would come at once."""
    bucket = TokenBucket(1.0, 1)
    assert [bucket.take(0.0, 9.0)[1] for _ in range(4)] == [0.0, 1.0, 2.0, 3.0]
    bucket.give_back(1.0)
    assert bucket.take(0.0, 0.5) == (False, 1.0)
    assert [bucket.take(0.0, 9.0)[1] for _ in range(2)] == [1.0, 4.0]


def test_turns_given_up_at_the_end_leave_no_gap() -> None:
    """When those behind it give up too, a turn is as if it had never been asked for."""
    bucket = TokenBucket(1.0, 1)
    waits = [bucket.take(0.0, 9.0)[1] for _ in range(4)]
    for turn in (waits[2], waits[1], waits[3]):
        bucket.give_back(turn)
    assert [bucket.take(2.5, 9.0)[1] for _ in range(2)] == [0.0, 1.0]


@given(
    st.floats(0.1, 100),
    st.integers(1, 20),
    st.lists(st.tuples(st.floats(0, 0.5), st.integers(0, 40), st.randoms()), max_size=40),
)
def test_however_many_give_up_no_time_span_sees_more_than_it_should(
    rate: float, burst: int, rounds: list[tuple[float, int, Random]]
) -> None:
    """Between any two moments at most the burst and what the rate adds begin."""
    bucket, now = TokenBucket(rate, burst), 0.0
    begun: list[float] = []
    waiting: list[float] = []
    for pause, newcomers, random in rounds:
        now += pause
        begun += [turn for turn in waiting if turn <= now]
        waiting = [turn for turn in waiting if turn > now]
        for turn in random.sample(waiting, random.randint(0, len(waiting))):
            waiting.remove(turn)
            bucket.give_back(turn)
        waiting += [now + bucket.take(now, 1e9)[1] for _ in range(newcomers)]
    begun = sorted(begun + waiting)
    for i, start in enumerate(begun):
        for j, end in enumerate(begun[i:], 1):
            assert j <= burst + (end - start) * rate + 1e-6


@given(
    st.floats(0.1, 100),
    st.integers(1, 20),
    st.lists(st.floats(0, 2), min_size=1, max_size=100),
)
def test_no_time_span_sees_more_than_it_should(
    rate: float, burst: int, pauses: list[float]
) -> None:
    """Between any two moments at most the burst and what the rate adds begin."""
    bucket, now = TokenBucket(rate, burst), 0.0
    begun: list[float] = []
    for pause in pauses:
        now += pause
        if bucket.take(now, 0.0)[0]:
            begun.append(now)
    for i, start in enumerate(begun):
        for j, end in enumerate(begun[i:], 1):
            assert j <= burst + (end - start) * rate + 1e-6
