"""Whatever happens to a breaker, in whatever order, its promises hold."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from connpool_runtime import BreakerState, Outcome
from connpool_runtime.breaker.breaker import Breaker
from connpool_runtime.breaker.settings import BreakerSettings
from tests.thorough import examples

OUTCOMES = st.sampled_from(list(Outcome))


class BreakerMachine(RuleBasedStateMachine):
    """Calls begin and end, late or never, time goes on or stands still, hands interfere."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.running: list[tuple[object, object, float]] = []

    @initialize(
        max_fails=st.integers(0, 4),
        probes=st.integers(1, 3),
        rate=st.sampled_from([0.0, 0.5]),
        slow=st.sampled_from([0.0, 0.5]),
        calls=st.sampled_from([0, 8]),
        dry=st.booleans(),
    )
    def begin_anew(
        self, max_fails: int, probes: int, rate: float, slow: float, calls: int, dry: bool
    ) -> None:
        """One breaker for all that follows."""
        self.rules = BreakerSettings(
            max_fails=max_fails,
            cooldown=5.0,
            half_open_calls=probes,
            probe_timeout=3.0,
            cooldown_factor=2.0,
            cooldown_max=20.0,
            cooldown_jitter=0.5,
            failure_rate_threshold=rate,
            slow_call_duration=1.0,
            slow_call_rate_threshold=slow,
            minimum_calls=4,
            sliding_window_calls=calls,
            metrics_only=dry,
            random=lambda: 0.5,
        )
        self.breaker = Breaker(self.rules)

    @rule()
    def call(self) -> None:
        """A call is admitted exactly when the breaker says so."""
        breaker, caller = self.breaker, object()
        admits = breaker.admits
        assert breaker.admit(caller, self.now) is admits
        if admits:
            self.running.append((caller, breaker.generation, self.now))

    @precondition(lambda self: self.running)
    @rule(data=st.data(), outcome=OUTCOMES, spare=st.booleans())
    def end(self, data: Any, outcome: Outcome, spare: bool) -> None:
        """Some running call ends; a late one changes nothing but its probe's slot."""
        caller, generation, began = self.running.pop(
            data.draw(st.integers(0, len(self.running) - 1), label="which")
        )
        breaker = self.breaker
        before = self.seen()
        late = generation is not breaker.generation
        settled = (caller, generation, outcome, self.now, OSError())
        breaker.settle(*settled, seconds=self.now - began, spare=spare)
        if late or outcome is Outcome.NEUTRAL:
            assert self.seen() == before

    @rule(seconds=st.sampled_from([0.0, 0.3, 1.0, 3.0, 7.0, 30.0, -2.0]))
    def wait(self, seconds: float) -> None:
        """Time passes, or a clock goes back."""
        before = self.breaker.state
        self.now += seconds
        self.breaker.wake(self.now)
        if before is BreakerState.OPEN and self.now >= self.breaker.until:
            assert self.breaker.state is BreakerState.HALF_OPEN

    @rule()
    def isolate(self) -> None:
        """A hand opens it."""
        self.breaker.open()
        assert not self.breaker.admits

    @rule()
    def reset(self) -> None:
        """A hand closes it, and nothing is remembered."""
        self.breaker.reset()
        assert self.breaker.is_steady

    def seen(self) -> tuple[object, ...]:
        """All that a result may change."""
        breaker = self.breaker
        window = breaker.window
        counts = None if window is None else (window.calls, window.failures, window.slow)
        of_breaker = (breaker.state, breaker.generation, breaker.failures, breaker.until)
        return *of_breaker, breaker.trips, breaker.spared, breaker.cause, counts

    @invariant()
    def the_states_keep_their_promises(self) -> None:
        """Closed lets pass, open does not, half-open admits up to its probes and no more."""
        if not hasattr(self, "breaker"):
            return
        breaker = self.breaker
        assert len(breaker._probes) <= self.rules.half_open_calls
        assert breaker.state is BreakerState.HALF_OPEN or not breaker._probes
        if breaker.state is BreakerState.CLOSED:
            assert breaker.admits
        if breaker.state is BreakerState.OPEN:
            assert breaker.admits is not breaker.enforced
        if self.rules.metrics_only and not breaker.forced_open:
            assert breaker.admits

    @invariant()
    def a_cooldown_is_within_its_bounds(self) -> None:
        """From the first one, less jitter, to the largest."""
        if hasattr(self, "breaker"):
            assert 5.0 <= self.breaker._pause <= 20.0

    @invariant()
    def calm_is_clean(self) -> None:
        """Who is is_steady remembers nothing bad."""
        if hasattr(self, "breaker") and self.breaker.is_steady:
            assert self.breaker.failures == 0
            assert self.breaker.window is None
            assert self.breaker.cause is None

    @invariant()
    def it_always_wakes(self) -> None:
        """Whoever is out by itself has a time to come back: no probe keeps others out for ever."""
        if hasattr(self, "breaker") and not self.breaker.forced_open:
            shut = not self.breaker._has_room
            assert (self.breaker.wake_at < float("inf")) is shut


BreakerMachine.TestCase.settings = settings(
    max_examples=examples(60), stateful_step_count=40, deadline=None
)
TestBreaker = BreakerMachine.TestCase
