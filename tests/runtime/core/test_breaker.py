"""The breaker's state machine, with time as a plain number."""

import math

import pytest

from connpool_runtime import BreakerState, Outcome
from connpool_runtime.core.breaker import Breaker, BreakerRules

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


class Calls:
    """A breaker under test, and calls on it told as a story."""

    def __init__(self, **rules: float) -> None:
        self.breaker = Breaker(BreakerRules(**{"max_fails": 3, "cooldown": 10.0, **rules}))  # type: ignore[arg-type]
        self.now = 0.0

    def begin(self) -> tuple[object, object] | None:
        """Start a call; None if it is not admitted."""
        caller = object()
        admitted = self.breaker.admit(caller, self.now)
        return (caller, self.breaker.epoch) if admitted else None

    def end(self, call: tuple[object, object] | None, outcome: Outcome) -> None:
        assert call is not None, "the call was not admitted"
        error = OSError("down") if outcome is Outcome.FAILURE else None
        self.breaker.settle(*call, outcome, self.now, error)

    def run(self, *outcomes: Outcome) -> BreakerState:
        for outcome in outcomes:
            self.end(self.begin(), outcome)
        return self.breaker.state

    def wait(self, seconds: float) -> BreakerState:
        self.now += seconds
        self.breaker.wake(self.now)
        return self.breaker.state


SUCCESS, FAILURE, NEUTRAL = Outcome.SUCCESS, Outcome.FAILURE, Outcome.NEUTRAL


def test_consecutive_failures_open_it() -> None:
    """It opens at the given number of failures in a row, not before."""
    calls = Calls()
    assert calls.run(FAILURE, FAILURE) is CLOSED
    assert calls.run(FAILURE) is OPEN
    assert calls.begin() is None


def test_a_success_in_between_starts_the_count_anew() -> None:
    """Only failures in a row count."""
    calls = Calls()
    assert calls.run(FAILURE, FAILURE, SUCCESS, FAILURE, FAILURE) is CLOSED


def test_a_neutral_end_does_not_change_the_count() -> None:
    """Neutral ends neither trip nor forgive (B5)."""
    calls = Calls()
    assert calls.run(FAILURE, FAILURE, *[NEUTRAL] * 9) is CLOSED
    assert calls.run(FAILURE) is OPEN


def test_zero_fails_switch_it_off() -> None:
    """max_fails=0 is a breaker that never opens."""
    calls = Calls(max_fails=0)
    assert calls.run(*[FAILURE] * 100) is CLOSED
    assert calls.breaker.calm


def test_it_stays_open_for_the_cooldown() -> None:
    """Before the cooldown is over nobody is let through."""
    calls = Calls()
    calls.run(*[FAILURE] * 3)
    assert calls.wait(9.9) is OPEN
    assert calls.begin() is None
    assert calls.wait(0.1) is HALF_OPEN


@pytest.mark.parametrize("probes", [1, 3])
def test_half_open_lets_exactly_the_permitted_probes_in(probes: int) -> None:
    """After the cooldown there is no herd: 100 callers, and only the permitted ones pass (B4)."""
    calls = Calls(half_open_max=probes)
    calls.run(*[FAILURE] * 3)
    calls.wait(10)
    assert sum(calls.begin() is not None for _ in range(100)) == probes


def test_a_successful_probe_closes_it() -> None:
    """The member is back with the first success, and all failures are forgotten."""
    calls = Calls()
    calls.run(*[FAILURE] * 3)
    calls.wait(10)
    assert calls.run(SUCCESS) is CLOSED
    assert calls.run(FAILURE, FAILURE) is CLOSED


def test_the_first_failed_probe_opens_it_again() -> None:
    """Half-open needs one failure, not max_fails of them, and the cooldown starts anew (B4)."""
    calls = Calls()
    calls.run(*[FAILURE] * 3)
    calls.wait(10)
    assert calls.run(FAILURE) is OPEN
    assert calls.wait(9.9) is OPEN
    assert calls.wait(0.1) is HALF_OPEN


def test_a_neutral_probe_frees_its_slot() -> None:
    """A probe that was cancelled decides nothing and makes room for the next one (B5)."""
    calls = Calls()
    calls.run(*[FAILURE] * 3)
    calls.wait(10)
    assert calls.run(NEUTRAL) is HALF_OPEN
    assert calls.run(SUCCESS) is CLOSED


def test_a_probe_that_hangs_makes_room_after_its_timeout() -> None:
    """A lost probe does not keep the member out for ever."""
    calls = Calls(probe_timeout=7.0)
    calls.run(*[FAILURE] * 3)
    calls.wait(10)
    assert calls.begin() is not None
    assert calls.breaker.wake_at == calls.now + 7
    calls.wait(6.9)
    assert calls.begin() is None
    calls.wait(0.1)
    assert calls.run(SUCCESS) is CLOSED


@pytest.mark.parametrize("outcome", [SUCCESS, FAILURE])
def test_results_from_before_it_opened_change_nothing(outcome: Outcome) -> None:
    """A late success does not close it, a late failure does not extend the cooldown (B3)."""
    calls = Calls()
    late = calls.begin()
    calls.run(*[FAILURE] * 3)
    calls.wait(5)
    calls.end(late, outcome)
    assert calls.breaker.state is OPEN
    assert calls.wait(5) is HALF_OPEN


@pytest.mark.parametrize("outcome", [SUCCESS, FAILURE])
def test_results_from_before_it_opened_do_not_decide_for_a_probe(outcome: Outcome) -> None:
    """Half-open, only a probe's own result counts (B3)."""
    calls = Calls()
    late = calls.begin()
    calls.run(*[FAILURE] * 3)
    calls.wait(10)
    calls.end(late, outcome)
    assert calls.breaker.state is HALF_OPEN


def test_a_late_probe_does_not_reopen_it() -> None:
    """Two probes: the first success closes, the second one's failure comes too late to count (B3)."""
    calls = Calls(half_open_max=2)
    calls.run(*[FAILURE] * 3)
    calls.wait(10)
    first, second = calls.begin(), calls.begin()
    calls.end(first, SUCCESS)
    calls.end(second, FAILURE)
    assert calls.breaker.state is CLOSED
    assert calls.breaker.failures == 0


def test_failures_of_one_incident_trip_it_once() -> None:
    """Calls that fail together open it once, and the later ones do not extend the cooldown."""
    calls = Calls()
    together = [calls.begin() for _ in range(50)]
    for call in together:
        calls.now += 0.1
        calls.end(call, FAILURE)
    assert calls.breaker.trips == 1
    assert calls.breaker.until == pytest.approx(0.3 + 10)


def test_a_second_result_of_the_same_probe_is_harmless() -> None:
    """Giving back twice, as after an interrupt, counts once."""
    calls = Calls()
    calls.run(*[FAILURE] * 3)
    calls.wait(10)
    probe = calls.begin()
    calls.end(probe, NEUTRAL)
    calls.end(probe, NEUTRAL)
    assert sum(calls.begin() is not None for _ in range(5)) == 1


def test_opened_by_hand_it_stays_open_until_reset() -> None:
    """Manual isolation has no cooldown."""
    calls = Calls()
    calls.breaker.open()
    assert calls.wait(1e9) is OPEN
    assert calls.breaker.wake_at == math.inf
    calls.breaker.reset()
    assert calls.run(SUCCESS) is CLOSED


def test_reset_forgets_failures() -> None:
    """After a reset the count starts at zero."""
    calls = Calls()
    calls.run(FAILURE, FAILURE)
    calls.breaker.reset()
    assert calls.run(FAILURE, FAILURE) is CLOSED


def test_the_cause_is_kept_while_it_matters() -> None:
    """The last error is there to be reported, and let go when the member is well again."""
    calls = Calls()
    calls.run(*[FAILURE] * 3)
    assert isinstance(calls.breaker.cause, OSError)
    calls.wait(10)
    calls.run(SUCCESS)
    assert calls.breaker.cause is None
    calls.run(FAILURE)
    assert isinstance(calls.breaker.cause, OSError)
    calls.run(SUCCESS)
    assert calls.breaker.cause is None


def test_opened_by_hand_it_has_no_cause() -> None:
    """An error from before is not what opened it."""
    calls = Calls()
    calls.run(FAILURE)
    calls.breaker.open()
    assert calls.breaker.cause is None


def test_it_is_calm_only_when_success_would_change_nothing() -> None:
    """Calm means closed and without failures: only then may calls pass without asking."""
    calls = Calls()
    assert calls.breaker.calm
    calls.run(FAILURE)
    assert not calls.breaker.calm
    calls.run(SUCCESS)
    assert calls.breaker.calm
