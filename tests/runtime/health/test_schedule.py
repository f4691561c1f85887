"""When a member is checked, cut off, let back, and when a new client is tried."""

import math

import pytest

from connpool_runtime.health.schedule import HealthChange, HealthSchedule, HealthSettings, NextStep

MIDDLE = 0.5  # a draw that leaves every interval as it is


def schedule(*, connected: bool = True, **rules: float) -> HealthSchedule:
    return HealthSchedule(HealthSettings(**rules), 0.0, MIDDLE, connected=connected)


def look(one: HealthSchedule, now: float, *, used: bool = False) -> NextStep:
    return one.look(now, MIDDLE, used=used)


def test_an_idle_member_is_checked_every_interval() -> None:
    """Not before, once, and again an interval after the answer."""
    one = schedule(interval=10.0)
    assert look(one, 9.9) is NextStep.WAIT
    assert look(one, 10.0) is NextStep.CHECK
    assert look(one, 30.0) is NextStep.WAIT  # the first check is still under way
    one.passed(31.0, MIDDLE)
    assert look(one, 40.9) is NextStep.WAIT
    assert look(one, 41.0) is NextStep.CHECK


def test_traffic_is_check_enough() -> None:
    """A member that had calls is looked at an interval later."""
    one = schedule(interval=10.0)
    assert look(one, 10.0, used=True) is NextStep.WAIT
    assert look(one, 19.9) is NextStep.WAIT
    assert look(one, 20.0) is NextStep.CHECK


@pytest.mark.parametrize(("draw", "due"), [(0.0, 8.0), (0.5, 10.0), (0.999999, 12.0)])
def test_intervals_are_jittered(draw: float, due: float) -> None:
    """Give or take a fifth."""
    one = HealthSchedule(HealthSettings(interval=10.0), 0.0, draw, connected=True)
    assert one.due_at == pytest.approx(due, abs=0.001)


def test_an_interval_of_zero_is_never() -> None:
    """0 switches the checks off."""
    assert schedule(interval=0.0).due_at == math.inf


def test_two_bad_answers_cut_off_and_one_good_one_lets_back() -> None:
    """The second is asked for soon after the first."""
    one = schedule(interval=10.0, first_wait=1.0)
    assert look(one, 10.0) is NextStep.CHECK
    assert one.check_failed(10.0, MIDDLE) is HealthChange.NOTHING
    assert not one.busy
    assert look(one, 11.0) is NextStep.CHECK
    assert one.check_failed(11.0, MIDDLE) is HealthChange.UNHEALTHY
    assert one.unhealthy
    assert one.passed(12.0, MIDDLE) is HealthChange.HEALTHY
    assert not one.unhealthy
    look(one, 30.0)
    assert one.check_failed(30.0, MIDDLE) is HealthChange.NOTHING  # it counts anew


def test_a_good_answer_between_bad_ones_counts() -> None:
    """Only bad answers in a row cut off."""
    one = schedule()
    for now in (10.0, 30.0, 50.0):
        assert look(one, now) is NextStep.CHECK
        assert one.check_failed(now, MIDDLE) is HealthChange.NOTHING
        assert look(one, now + 5) is NextStep.CHECK
        one.passed(now + 5, MIDDLE)


def fall_ill(one: HealthSchedule, now: float) -> None:
    while not one.unhealthy:
        now = one.due_at
        assert look(one, now) is NextStep.CHECK
        one.check_failed(now, MIDDLE)


def test_a_member_that_is_ill_gets_a_new_client() -> None:
    """A new client is wanted at once, and one that is opened makes it well."""
    one = schedule()
    fall_ill(one, 10.0)
    assert one.busy
    assert one.wants_client(one.due_at)
    one.passed(20.0, MIDDLE)
    assert (one.unhealthy, one.busy, one.attempts) == (False, False, 0)


def test_waits_between_attempts_grow() -> None:
    """1, 1.6, 2.56, ... seconds up to the longest."""
    one = schedule(connected=False, first_wait=1.0, longest_wait=3.0)
    now, waits = 0.0, []
    for _ in range(5):
        waits.append(one.due_at - now)
        now = one.due_at
        assert look(one, now) is NextStep.CONNECT
        one.connect_failed(now, MIDDLE)
    assert waits == pytest.approx([1.0, 1.6, 2.56, 3.0, 3.0])


def test_attempts_come_to_an_end() -> None:
    """After so many nobody tries again; an old client is still asked."""
    one = schedule(connected=False, attempts=2)
    assert [attempt(one) for _ in range(2)] == [HealthChange.NOTHING, HealthChange.GAVE_UP]
    assert one.due_at == math.inf
    other = schedule(attempts=1, interval=10.0)
    fall_ill(other, 10.0)
    assert other.connect_failed(20.0, MIDDLE) is HealthChange.GAVE_UP
    assert other.due_at == 30.0
    assert look(other, 30.0) is NextStep.CHECK
    other.check_failed(30.0, MIDDLE)
    assert not other.wants_client(30.0)
    assert other.passed(31.0, MIDDLE) is HealthChange.HEALTHY


def attempt(one: HealthSchedule) -> HealthChange:
    now = one.due_at
    assert look(one, now) is NextStep.CONNECT
    return one.connect_failed(now, MIDDLE)


def test_while_new_clients_fail_the_old_one_is_asked() -> None:
    """Many clients recover by themselves."""
    one = schedule(interval=10.0, longest_wait=100.0)
    fall_ill(one, 10.0)
    now = 20.0
    for _ in range(10):
        one.connect_failed(now, MIDDLE)
        assert one.due_at - now <= 10.0
        now = one.due_at
        assert look(one, now) is NextStep.CHECK
        one.check_failed(now, MIDDLE)
        if not one.busy:
            now = one.due_at
            assert look(one, now) is NextStep.CHECK
            one.check_failed(now, MIDDLE)


@pytest.mark.parametrize("connected", [True, False])
def test_reconnecting_can_be_off(connected: bool) -> None:
    """Then members are checked and never replaced, and one that could not be opened stays away."""
    one = HealthSchedule(HealthSettings(reconnect=False), 0.0, MIDDLE, connected=connected)
    if connected:
        fall_ill(one, 10.0)
        assert not one.busy
        assert not one.wants_client(1000.0)
    else:
        assert one.due_at == math.inf
