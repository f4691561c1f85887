"""How long to wait before trying again."""

from __future__ import annotations

__all__ = ["full_jitter", "growing", "jittered"]

LONGEST = 100  # tries after which a wait no longer grows; more would overflow a float


def full_jitter(tries: int, base: float, cap: float, draw: float) -> float:
    """Return the seconds to wait before a call is retried: random, up to a bound that doubles with each try.

    The "full jitter" of Brooker, "Exponential Backoff And Jitter": callers that failed together
    do not come back together.

    Arguments:
        tries: how many failed.
        base: the bound after the first, in seconds.
        cap: the bound at most.
        draw: a random float in [0, 1).
    """
    return draw * _grown(tries, base, cap, 2.0)


def growing(tries: int, base: float, cap: float, draw: float) -> float:
    """Return the seconds to wait before the next attempt to connect: growing, with jitter.

    gRPC's connection back-off: 1.6 times longer after each, give or take a fifth.

    Arguments:
        tries: how many failed in a row.
        base: the wait after the first, in seconds.
        cap: the longest wait, before the fifth is given or taken.
        draw: a random float in [0, 1).
    """
    return jittered(_grown(tries, base, cap, 1.6), draw)


def jittered(seconds: float, draw: float) -> float:
    """Return an interval with 20 per cent of jitter, so that workers started together drift apart.

    Arguments:
        seconds: the interval.
        draw: a random float in [0, 1).
    """
    return seconds * (0.8 + 0.4 * draw)


def _grown(tries: int, base: float, cap: float, factor: float) -> float:
    grown: float = base * factor ** min(tries - 1, LONGEST)
    return min(cap, grown)
