"""A clock that moves only when a test moves it."""

from __future__ import annotations

__all__ = ["FakeClock"]


class FakeClock:
    """A clock that stands still until it is moved; for the `clock=` of pools, middleware and deadlines.

    Cooldowns, latencies and limits go by it. Real waits, such as a call's wait for a member or an attempt's
    timeout, use the real clock.

    Arguments:
        now: where it begins; not 0, because code that takes 0 for "never" would pass by mistake.
    """

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the current seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Move the clock at once; for the `sleep=` of middleware in a `Pool`.

        Raises:
            ValueError: the seconds are negative; a monotonic clock never goes back.
        """
        if seconds < 0:
            raise ValueError(f"seconds must be 0 or more, not {seconds!r}")
        self.now += seconds

    async def async_sleep(self, seconds: float) -> None:
        """Do the same, and let other tasks run; for the `sleep=` of middleware in an `AsyncPool`."""
        import asyncio

        self.sleep(seconds)
        await asyncio.sleep(0)

    def __repr__(self) -> str:
        return f"<FakeClock {self.now:g}>"
