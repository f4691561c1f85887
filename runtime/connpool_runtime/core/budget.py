"""How many extra attempts a pool may make: a share of its calls, and a few per second anyway."""

from __future__ import annotations

from collections import deque

__all__ = ["Budget"]

SLICES = 10
WINDOW = 10.0  # seconds, as in Finagle


class _Slice:
    __slots__ = ("calls", "number", "spent")

    def __init__(self, number: int) -> None:
        self.number = number
        self.calls = 0
        self.spent = 0


class Budget:
    """Finagle's RetryBudget: each call pays in `share`, each extra attempt takes out 1.

    What was paid in is worth something for ten seconds only, so a quiet night buys no storm in the
    morning. `minimum` per second comes on top, so that a pool with few calls may retry at all.
    """

    def __init__(self, share: float, minimum: float) -> None:
        self._share = share
        self._reserve = minimum * WINDOW
        self._slices: deque[_Slice] = deque()
        self._calls = 0
        self._spent = 0

    def deposit(self, now: float) -> None:
        """Note a call."""
        self._slice(now).calls += 1
        self._calls += 1

    def withdraw(self, now: float) -> bool:
        """Take out an extra attempt, if there is one."""
        if self.balance(now) < 1.0:
            return False
        self._slice(now).spent += 1
        self._spent += 1
        return True

    def balance(self, now: float) -> float:
        """Return how many extra attempts could be made now."""
        self._slice(now)
        return max(0.0, self._reserve + self._share * self._calls - self._spent)

    def _slice(self, now: float) -> _Slice:
        """Return the slice of this moment, after dropping those that are out of the window."""
        slices = self._slices
        number = int(now / (WINDOW / SLICES))
        if slices and slices[-1].number >= number:
            return slices[-1]
        while slices and slices[0].number <= number - SLICES:
            gone = slices.popleft()
            self._calls -= gone.calls
            self._spent -= gone.spent
        slices.append(_Slice(number))
        return slices[-1]
