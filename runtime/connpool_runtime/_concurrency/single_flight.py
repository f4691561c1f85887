"""Single flight: of several callers who want the same result, one produces it and the others wait for it."""

from __future__ import annotations

from enum import Enum
from typing import Any, Generic, TypeVar

__all__ = ["Attempt", "AttemptState", "SingleFlight"]

A = TypeVar("A", bound="Attempt")


class AttemptState(Enum):
    """The progress of an attempt."""

    RUNNING = "running"  # its owner works on it, the other callers wait
    DONE = "done"
    FAILED = "failed"  # every waiter gets the error
    ABANDONED = "abandoned"  # its owner was interrupted: another caller has to try


class Attempt:
    """One caller's attempt to produce a result that several callers want. Guarded by the owner's lock.

    Arguments:
        gate: what the others wait at; of the owner's kind, opened when the attempt is over.
    """

    __slots__ = ("error", "gate", "state")

    def __init__(self, gate: Any) -> None:
        self.gate = gate
        self.state = AttemptState.RUNNING
        self.error: Exception | None = None

    def succeed(self) -> None:
        """End the attempt with success. Does nothing if it has ended."""
        self._end(AttemptState.DONE)

    def fail(self, error: BaseException | None) -> None:
        """End the attempt with an error. Does nothing if it has ended.

        Arguments:
            error: the error for all waiters; another caller may try if it is None or an interrupt.
        """
        if self.state is AttemptState.RUNNING and isinstance(error, Exception):
            self.error = error
            self._end(AttemptState.FAILED)
        else:
            self._end(AttemptState.ABANDONED)

    def is_done(self, late: Exception) -> bool:
        """Return True after a success, raise the error of a failure, return False if a waiter has to try again.

        Arguments:
            late: the error to raise if the attempt is not over yet.

        Raises:
            Exception: `late`, or the error of the attempt.
        """
        if self.state is AttemptState.RUNNING:
            raise late
        if self.error is not None:
            raise self.error
        return self.state is AttemptState.DONE

    def _end(self, state: AttemptState) -> None:
        if self.state is AttemptState.RUNNING:
            self.state = state
            self.gate.open()


class SingleFlight(Generic[A]):
    """Allows at most one attempt at a time. Guarded by the owner's lock."""

    __slots__ = ("_current",)

    def __init__(self) -> None:
        self._current: A | None = None

    def join(self, own: A) -> A:
        """Return the running attempt to wait for, or a new one that the caller has to carry out."""
        current = self._current
        if current is None or current.state is not AttemptState.RUNNING:
            current = self._current = own
        return current

    def leave(self, own: A) -> None:
        """Drop an attempt that has ended, with its error; its waiters keep their own reference."""
        if self._current is own:
            self._current = None
