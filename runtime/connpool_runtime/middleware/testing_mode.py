"""A switch for tests of code that uses pools: retries are few and do not wait."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from connpool_runtime.options.validation import whole_number

__all__ = ["TestingMode", "attempts", "is_on", "set_testing"]


class TestingMode:
    """The mode that `set_testing` has set; leaving it as a `with` block restores the previous one.

    Attributes:
        attempts: how often a call is tried at most; None while the switch is off.
    """

    __slots__ = ("_before", "attempts")
    __test__ = False  # so that pytest does not collect it

    def __init__(self, attempts: int | None, before: TestingMode | None) -> None:
        self.attempts = attempts
        self._before = before

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        global _mode
        if self._before is not None:
            _mode = self._before


_mode = TestingMode(None, None)


def set_testing(on: bool = True, *, attempts: int = 1) -> TestingMode:
    """Make all `Retry` of this process wait for nothing and limit their attempts; for tests.

    The settings of each middleware apply again after `set_testing(False)`, or after the block if it is used
    as `with set_testing():`. Delays of `Chaos` are left out too. Limits, queues and timeouts stay as they
    are. Holds for all threads and tasks.

    Arguments:
        on: whether tests run.
        attempts: how often a call is tried, if its `Retry` does not say fewer; 1 for not again.

    Raises:
        ValueError: the number is not a whole number of at least 1.
    """
    global _mode
    whole_number("attempts", attempts, least=1)
    _mode = TestingMode(attempts if on else None, _mode)
    return _mode


def is_on() -> bool:
    """Return whether the testing mode is on."""
    return _mode.attempts is not None


def attempts(otherwise: int) -> int:
    """Return the number of attempts in testing mode, given the number without it."""
    return otherwise if _mode.attempts is None else min(otherwise, _mode.attempts)
