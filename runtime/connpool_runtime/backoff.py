"""How long to wait before trying again."""

from __future__ import annotations

__all__ = ["full_jitter", "growing"]


def full_jitter(tries: int, base: float, cap: float, draw: float) -> float:
    """Return the seconds to wait after so many tries, between nothing and a bound that doubles.

    The "full jitter" of Brooker, "Exponential Backoff And Jitter": callers that failed together
    do not come back together. `draw` is a random float in [0, 1).
    """
    bound: float = min(cap, base * 2.0 ** min(tries - 1, 60))  # 2 ** 60 s is for ever
    return draw * bound


def growing(tries: int, base: float, cap: float, draw: float) -> float:
    """Return the seconds to rest after so many failures to connect in a row.

    gRPC's connection back-off: 1.6 times longer after each, give or take a fifth. `draw` is a
    random float in [0, 1).
    """
    bound: float = min(cap, base * 1.6 ** min(tries - 1, 60))
    return bound * (0.8 + 0.4 * draw)
