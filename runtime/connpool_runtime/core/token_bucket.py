"""How many calls may begin per second."""

from __future__ import annotations

__all__ = ["TokenBucket"]


class TokenBucket:
    """A bucket that holds up to `burst` tokens and gains `rate` of them per second.

    Kept as the time at which the bucket will be full again, after the "generic cell rate
    algorithm" of ATM networks: no timer fills it. Whoever must wait takes a token of the future,
    so that those who wait are served in the order in which they asked.
    """

    def __init__(self, rate: float, burst: int) -> None:
        self._interval = 1.0 / rate
        self._depth = burst * self._interval
        self._full_at = 0.0

    def take(self, now: float, longest: float) -> tuple[bool, float]:
        """Take a token unless it comes too late; return whether, and in how many seconds it comes.

        Arguments:
            now: monotonic seconds.
            longest: how many seconds the token is worth waiting for.
        """
        full_at = max(self._full_at, now) + self._interval
        wait = max(0.0, full_at - self._depth - now)
        # A rounding error must not refuse a token that is there.
        if wait > longest + 1e-9:
            return False, wait
        self._full_at = full_at
        return True, wait

    def give_back(self) -> None:
        """Return a token that was taken and not used, to those who ask later."""
        self._full_at -= self._interval
