"""Slow start: the share of its weight that a member gets while it warms up."""

from __future__ import annotations

from collections import Counter
from itertools import cycle
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from connpool_runtime.balancing.slow_start import share_of_weight, slow_start_picker


def _member(closed_at: float) -> Any:
    return SimpleNamespace(breaker=SimpleNamespace(closed_at=closed_at))


@pytest.mark.parametrize(
    ("seconds", "share"), [(0.0, 0.1), (0.5, 0.1), (2.5, 0.25), (9.0, 0.9), (10.0, 1.0)]
)
def test_the_share_grows(seconds: float, share: float) -> None:
    """A member gets a tenth of its weight at once, and more of it in proportion to the time since it came."""
    assert share_of_weight(_member(100.0), 10.0, 100.0 + seconds) == pytest.approx(share)


def test_members_in_slow_start_are_picked_less() -> None:
    """A member in slow start gets the share of the picks that its part of its weight says, the others the rest."""
    new, old = _member(0.0), _member(-1000.0)
    members: Any = cycle([new, old])
    candidates: Any = SimpleNamespace(slow_start=10.0, is_warming=lambda member: member is new)
    pick = slow_start_picker(members.__next__, candidates, Random(7).random, lambda: 2.5)
    counts = Counter("new" if pick() is new else "old" for _ in range(4000))
    assert counts["new"] / counts["old"] == pytest.approx(0.25, rel=0.2)
