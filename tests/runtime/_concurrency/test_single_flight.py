"""Single flight: one makes it, the others wait."""

import pytest

from connpool_runtime._concurrency.single_flight import Attempt, AttemptState, SingleFlight

LATE = TimeoutError("late")


class Gate:
    def __init__(self) -> None:
        self.opened = 0

    def open(self) -> None:
        self.opened += 1


def test_one_attempt_at_a_time() -> None:
    """Whoever comes during an attempt gets that one; whoever comes after it makes a new one."""
    flight: SingleFlight[Attempt] = SingleFlight()
    first, second, third = Attempt(Gate()), Attempt(Gate()), Attempt(Gate())
    assert flight.join(first) is first
    assert flight.join(second) is first
    first.succeed()
    assert flight.join(third) is third


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (ValueError("no"), AttemptState.FAILED),
        (KeyboardInterrupt(), AttemptState.ABANDONED),
        (None, AttemptState.ABANDONED),
    ],
)
def test_how_an_attempt_can_fail(error: BaseException | None, state: AttemptState) -> None:
    """All who wait get an error; after an interrupt somebody else has to try."""
    attempt = Attempt(Gate())
    attempt.fail(error)
    assert attempt.state is state
    if isinstance(error, Exception):
        with pytest.raises(ValueError, match="no"):
            attempt.is_done(LATE)
    else:
        assert not attempt.is_done(LATE)


def test_an_attempt_ends_once() -> None:
    """What comes after the end changes nothing, and opens no gate a second time."""
    gate = Gate()
    attempt = Attempt(gate)
    with pytest.raises(TimeoutError, match="late"):
        attempt.is_done(LATE)
    attempt.succeed()
    attempt.fail(ValueError("too late"))
    attempt.succeed()
    assert attempt.is_done(LATE)
    assert gate.opened == 1
