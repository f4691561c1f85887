"""A snapshot of a large pool does not stop its callers."""

import gc
import sys
from typing import Any

import pytest

from connpool_runtime import Method, Pool, PoolStats
from connpool_runtime.pool.collect_stats import SLICE


class CountingLock:
    """A lock that counts the calls of functions made while it is held."""

    def __init__(self) -> None:
        self.holds: list[int] = []

    def _count(self, _frame: Any, event: str, _argument: Any) -> None:
        self.holds[-1] += event == "call"

    def __enter__(self) -> None:
        self.holds.append(0)
        sys.setprofile(self._count)

    def __exit__(self, *_error: object) -> None:
        sys.setprofile(None)


def pool_of(members: int, methods: int) -> Pool[object]:
    pool = Pool[object]("test")
    for _ in range(members):
        pool.add_client(object())
    for number in range(methods):
        pool.call(Method(f"m{number}", lambda client, args: None))
    return pool


def longest_hold(members: int, methods: int) -> tuple[int, PoolStats]:
    """The most function calls under the lock at a time, while the stats are taken."""
    pool = pool_of(members, methods)
    lock = pool._state.lock = CountingLock()  # type: ignore[assignment]
    gc.disable()  # what finalizers of other tests call would be counted
    try:
        stats = pool.stats()
    finally:
        gc.enable()
    return max(lock.holds), stats


def test_the_lock_is_held_no_longer_for_more_members_and_methods() -> None:
    """A hundred times as many take a hundred times as many holds, not longer ones."""
    few, _ = longest_hold(SLICE, SLICE)
    many, stats = longest_hold(1000, 100)
    assert (len(stats.members), len(stats.methods)) == (1000, 100)
    assert 0 < many <= few


def test_nothing_is_lost_between_the_slices() -> None:
    """All members and methods are there, in order, with their numbers."""
    stats = pool_of(3 * SLICE + 1, 2 * SLICE).stats()
    assert [member.name for member in stats.members] == [
        f"m{number}" for number in range(1, 3 * SLICE + 2)
    ]
    assert sum(member.successes for member in stats.members) == 2 * SLICE
    assert [method.successes for method in stats.methods] == [1] * (2 * SLICE)


def test_members_that_come_and_go_are_counted() -> None:
    """And breakers that came into a state."""
    pool = pool_of(3, 0)
    pool.remove_client("m1")
    pool.eject("m2")
    pool.uneject("m2")
    pool.eject("m3")
    stats = pool.stats()
    assert (stats.joined, stats.left) == (3, 1)
    assert dict(stats.transitions) == {"open": 2, "closed": 1}


def test_a_broken_profile_would_be_seen() -> None:
    """The lock of this file counts what it should."""
    lock = CountingLock()
    with lock:
        pool_of(1, 0)
    with pytest.raises(KeyError), lock:
        raise KeyError
    assert lock.holds[0] > lock.holds[1]
