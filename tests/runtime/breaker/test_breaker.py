"""The breaker's state machine, with time as a plain number."""

import math

import pytest

from connpool_runtime import BreakerState, Outcome
from connpool_runtime.breaker.breaker import Breaker
from connpool_runtime.breaker.settings import BreakerSettings

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


class Calls:
    """A breaker under test, and calls on it told as a story."""

    def __init__(self, **rules: float) -> None:
        self.breaker = Breaker(BreakerSettings(**{"max_fails": 3, "cooldown": 10.0, "cooldown_factor": 1.0, **rules}))  # type: ignore[arg-type]
        self.now = 0.0

    def begin(self) -> tuple[object, object] | None:
        """Start a call; None if it is not admitted."""
        caller = object()
        admitted = self.breaker.admit(caller, self.now)
        return (caller, self.breaker.generation) if admitted else None

    def end(
        self, call: tuple[object, object] | None, outcome: Outcome, seconds: float = 0.0
    ) -> None:
        assert call is not None, "the call was not admitted"
        error = OSError("down") if outcome is Outcome.FAILURE else None
        self.breaker.settle(*call, outcome, self.now, error, seconds=seconds)

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
    assert calls.breaker.is_steady


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
    calls = Calls(half_open_calls=probes)
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
    calls = Calls(half_open_calls=2)
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
    assert calls.breaker.cause is None, "it cuts nobody off"
    calls.run(FAILURE, FAILURE)
    assert isinstance(calls.breaker.cause, OSError)


def test_opened_by_hand_it_has_no_cause() -> None:
    """An error from before is not what opened it."""
    calls = Calls()
    calls.run(FAILURE)
    calls.breaker.open()
    assert calls.breaker.cause is None


def test_it_is_calm_only_when_success_would_change_nothing() -> None:
    """Calm means closed and without failures: only then may calls pass without asking."""
    calls = Calls()
    assert calls.breaker.is_steady
    calls.run(FAILURE)
    assert not calls.breaker.is_steady
    calls.run(SUCCESS)
    assert calls.breaker.is_steady


RATES = {"max_fails": 0, "failure_rate_threshold": 0.5, "minimum_calls": 10}


@pytest.mark.parametrize("sliding_window_calls", [0, 20])
def test_a_share_of_failures_opens_it(sliding_window_calls: int) -> None:
    """Half of the calls failing is enough, though never two in a row."""
    calls = Calls(**RATES, sliding_window_calls=sliding_window_calls)
    assert calls.run(*[FAILURE, SUCCESS] * 4, FAILURE) is CLOSED
    assert calls.run(SUCCESS) is OPEN
    assert isinstance(calls.breaker.cause, OSError)


def test_a_share_of_few_calls_means_nothing() -> None:
    """Below minimum_calls nothing happens, be all of them failures."""
    calls = Calls(**RATES)
    assert calls.run(*[FAILURE] * 9) is CLOSED
    assert calls.run(FAILURE) is OPEN


def test_calls_that_are_long_past_do_not_count_for_the_share() -> None:
    """The window slides."""
    calls = Calls(**RATES, sliding_window_seconds=10.0)
    calls.run(*[FAILURE] * 9)
    calls.wait(10)
    assert calls.run(*[SUCCESS] * 10) is CLOSED
    assert calls.run(*[FAILURE] * 9) is CLOSED
    assert calls.run(FAILURE) is OPEN


def test_neutral_ends_do_not_count_for_the_share() -> None:
    """They are no calls."""
    calls = Calls(**RATES)
    assert calls.run(*[FAILURE] * 9, *[NEUTRAL] * 50) is CLOSED
    assert calls.run(FAILURE) is OPEN


def test_rates_cost_nothing_while_all_is_well() -> None:
    """It stays is_steady through successes, is not when something failed, and is again afterwards."""
    calls = Calls(
        **RATES, slow_call_rate_threshold=0.5, slow_call_duration=1.0, sliding_window_seconds=10.0
    )
    calls.run(*[SUCCESS] * 5)
    assert calls.breaker.is_steady
    calls.run(FAILURE, SUCCESS)
    assert not calls.breaker.is_steady
    calls.wait(10)
    calls.run(SUCCESS)
    assert calls.breaker.is_steady
    assert calls.breaker.cause is None


def test_a_share_of_slow_calls_opens_it() -> None:
    """Successes that take too long are no successes."""
    calls = Calls(
        max_fails=3, slow_call_duration=1.0, slow_call_rate_threshold=0.6, minimum_calls=5
    )
    for seconds in (1.1, 0.1, 1.1, 1.0):
        calls.end(calls.begin(), SUCCESS, seconds)
    assert calls.breaker.state is CLOSED
    calls.end(calls.begin(), SUCCESS, 1.1)
    assert calls.breaker.state is OPEN


def test_both_rules_hold_together() -> None:
    """Failures in a row open it however many calls were well before."""
    calls = Calls(max_fails=3, failure_rate_threshold=0.5, minimum_calls=10)
    calls.run(FAILURE, *[SUCCESS] * 50)
    assert calls.run(FAILURE, FAILURE, FAILURE) is OPEN


def test_after_a_trip_the_shares_start_anew() -> None:
    """What happened before it closed again says nothing about now."""
    calls = Calls(**RATES)
    calls.run(*[FAILURE] * 10)
    calls.wait(10)
    calls.run(SUCCESS)
    assert calls.run(*[FAILURE] * 9) is CLOSED


def pauses(calls: Calls, count: int) -> list[float]:
    """How long each of so many trips in a row lasts."""
    found = []
    calls.run(*[FAILURE] * 3)
    for _ in range(count):
        found.append(calls.breaker.until - calls.now)
        calls.wait(found[-1])
        calls.run(FAILURE)
    return found


def test_the_cooldown_grows_up_to_its_maximum() -> None:
    """Each failed probe makes the next cooldown longer."""
    calls = Calls(cooldown=5.0, cooldown_factor=2.0, cooldown_max=30.0)
    assert pauses(calls, 5) == [5, 10, 20, 30, 30]


def test_a_cooldown_above_the_maximum_is_meant_so() -> None:
    """It does not grow, and it is not cut."""
    calls = Calls(cooldown=50.0, cooldown_factor=2.0, cooldown_max=30.0)
    assert pauses(calls, 3) == [50, 50, 50]


def test_a_cooldown_grows_without_end_in_numbers() -> None:
    """A thousand trips overflow nothing."""
    calls = Calls(cooldown=5.0, cooldown_factor=1e6, cooldown_max=60.0)
    assert pauses(calls, 1000)[-1] == 60


@pytest.mark.parametrize(("well_for", "next_pause"), [(9.9, 10), (10, 5)])
def test_growth_is_forgotten_after_staying_well(well_for: float, next_pause: float) -> None:
    """Well for as long as it would be cut off next, the member starts with the first cooldown."""
    calls = Calls(cooldown=5.0, cooldown_factor=2.0, cooldown_max=60.0)
    calls.run(*[FAILURE] * 3)
    calls.wait(5)
    calls.run(SUCCESS)
    calls.wait(well_for)
    calls.run(*[FAILURE] * 3)
    assert calls.breaker.until - calls.now == pytest.approx(next_pause)


def test_reset_forgets_the_growth() -> None:
    """A member closed by hand starts with the first cooldown."""
    calls = Calls(cooldown=5.0, cooldown_factor=2.0)
    pauses(calls, 3)
    calls.breaker.reset()
    assert pauses(calls, 1) == [5]


@pytest.mark.parametrize(("draw", "pause"), [(0.0, 10), (0.5, 9), (1.0, 8)])
def test_jitter_leaves_out_a_share_of_the_cooldown(draw: float, pause: float) -> None:
    """Never more than the cooldown, never less than it without the share."""
    calls = Calls(cooldown_jitter=0.2, random=lambda: draw)  # type: ignore[arg-type]
    assert pauses(calls, 1) == [pytest.approx(pause)]


def test_a_dry_run_cuts_nobody_off() -> None:
    """It goes through all states, and lets everybody through."""
    calls = Calls(metrics_only=True)
    assert calls.run(*[FAILURE] * 3) is OPEN
    assert calls.breaker.trips == 1
    assert not calls.breaker.enforced
    assert calls.begin() is not None
    assert calls.run(FAILURE, SUCCESS) is OPEN
    assert calls.wait(10) is HALF_OPEN
    assert all(calls.begin() is not None for _ in range(5))
    assert calls.run(SUCCESS) is CLOSED


def test_a_hand_cuts_off_in_a_dry_run_too() -> None:
    """To isolate a member is no experiment."""
    calls = Calls(metrics_only=True)
    calls.breaker.open()
    assert calls.breaker.enforced
    assert calls.begin() is None


def test_spared_it_counts_but_stays_closed() -> None:
    """While too many others are open it goes on; when that is over the next failure opens it."""
    calls = Calls()
    calls.run(FAILURE, FAILURE)
    for spare, state in ((True, CLOSED), (True, CLOSED), (False, OPEN)):
        caller, generation = calls.begin() or (None, None)
        calls.breaker.settle(caller, generation, FAILURE, calls.now, OSError(), spare=spare)
        assert calls.breaker.state is state
    assert (calls.breaker.spared, calls.breaker.trips) == (2, 1)


def test_opened_by_hand_for_a_time_it_closes_by_a_probe_though_switched_off() -> None:
    """Without any rule of its own it still comes back by itself."""
    calls = Calls(max_fails=0)
    calls.breaker.open(until=5.0)
    assert calls.wait(5) is HALF_OPEN
    assert calls.run(SUCCESS) is CLOSED
