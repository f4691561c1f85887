"""Single flight: of several callers who want the same, one makes it, and the others wait for that."""

from __future__ import annotations

from enum import Enum
from typing import Any, Generic, TypeVar

__all__ = ["Attempt", "AttemptState", "SingleFlight"]

A = TypeVar("A", bound="Attempt")


class AttemptState(Enum):
    """How far an attempt has come."""

    RUNNING = "running"  # its maker is at it, others wait
    DONE = "done"
    FAILED = "failed"  # everybody who waited gets the error
    ABANDONED = "abandoned"  # its maker was interrupted: somebody else has to try


class Attempt:
    """One caller's attempt at something that several want. Guarded by the lock of its owner.

    Arguments:
        gate: what the others wait at; of the owner's kind, opened when the attempt is over.
    """

    __slots__ = ("error", "gate", "state")

    def __init__(self, gate: Any) -> None:
        self.gate = gate
        self.state = AttemptState.RUNNING
        self.error: Exception | None = None

    def succeed(self) -> None:
        """End the attempt well. Does nothing if it is over."""
        self._end(AttemptState.DONE)

    def fail(self, error: BaseException | None) -> None:
        """End the attempt. Does nothing if it is over.

        Arguments:
            error: what went wrong, for all who waited; others may try if it is None or an interrupt.
        """
        if self.state is AttemptState.RUNNING and isinstance(error, Exception):
            self.error = error
            self._end(AttemptState.FAILED)
        else:
            self._end(AttemptState.ABANDONED)

    def is_done(self, late: Exception) -> bool:
        """Tell one who waited whether the attempt came to something; if not, it is time to try again.

        Arguments:
            late: what to raise if the attempt is not over yet.

        Raises:
            Exception: `late`, or what went wrong in the attempt.
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
    """At most one attempt at a time. Guarded by the lock of its owner."""

    __slots__ = ("_current",)

    def __init__(self) -> None:
        self._current: A | None = None

    def join(self, own: A) -> A:
        """Return the attempt that runs, to wait for; the caller's own, to be made, if there is none."""
        current = self._current
        if current is None or current.state is not AttemptState.RUNNING:
            current = self._current = own
        return current

    def leave(self, own: A) -> None:
        """Forget an attempt that is over, with its error; those who waited for it have it at hand."""
        if self._current is own:
            self._current = None
