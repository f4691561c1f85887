"""Threads that use a pool as a service would, and count what came of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

if TYPE_CHECKING:
    from demo.users import UserClientPool
    from generated.redis_pool import RedisPool

PAUSE = 0.002  # seconds between two turns of a thread, to leave the machine some air
KEYS = 300
T = TypeVar("T")


class Found(NamedTuple):
    """How often a cache had what it was asked for, and how often not."""

    hits: int
    misses: int

    def since(self, earlier: Found) -> Found:
        """Return what was counted between two moments."""
        return Found(self.hits - earlier.hits, self.misses - earlier.misses)

    @property
    def share(self) -> float:
        """The share that was found; 1 if nothing was asked for."""
        return self.hits / ((self.hits + self.misses) or 1)


class Caller:
    """Makes the calls of one thread; that thread alone writes its counters."""

    def __init__(self) -> None:
        self.calls = self.hits = self.misses = self.turns = 0
        self.lost: list[Exception] = []

    def make(self, call: Callable[[], T]) -> T | None:
        """Call; None if that raises."""
        self.calls += 1
        try:
            return call()
        except Exception as error:
            self.lost.append(error)
            return None


def ask_service(users: UserClientPool) -> Callable[[Caller, int], None]:
    """Return what a thread does over and over: ask about a user."""

    def ask(caller: Caller, number: int) -> None:
        caller.make(lambda: users.get_user(number % KEYS))

    return ask


def use_cache(cache: RedisPool) -> Callable[[Caller, int], None]:
    """Return what a thread does over and over: look into the cache, and fill in what it has not."""

    def look(caller: Caller, number: int) -> None:
        key = f"user:{number % KEYS}"
        if caller.make(lambda: cache.get(key)) == key.encode():
            caller.hits += 1
        else:
            caller.misses += 1
            caller.make(lambda: cache.set(key, key, ex=60))

    return look


class Load:
    """Runs the same turn in several threads inside its `with` block.

    Args:
        turn: what a thread does over and over, given its caller and another number each time.
        threads: how many threads.
    """

    def __init__(self, turn: Callable[[Caller, int], None], threads: int = 8) -> None:
        self._turn = turn
        self._ended = threading.Event()
        self._callers = [Caller() for _ in range(threads)]
        self._threads = [
            threading.Thread(target=self._run, args=(caller, place * KEYS // threads), daemon=True)
            for place, caller in enumerate(self._callers)
        ]

    @property
    def calls(self) -> int:
        """How many calls were made."""
        return sum(caller.calls for caller in self._callers)

    @property
    def lost(self) -> list[Exception]:
        """What the calls that failed raised."""
        return [error for caller in self._callers for error in caller.lost]

    @property
    def found(self) -> Found:
        """What was found in the cache so far."""
        callers = self._callers
        return Found(sum(one.hits for one in callers), sum(one.misses for one in callers))

    def next_round(self) -> Callable[[], bool]:
        """Return a condition: whether from now on all keys were asked for, which takes a slow machine longer."""
        share = -(-KEYS // len(self._callers))  # each thread begins where the next one's share ends
        ends = [caller.turns + share for caller in self._callers]
        return lambda: all(
            caller.turns > end for caller, end in zip(self._callers, ends, strict=True)
        )

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _run(self, caller: Caller, first: int) -> None:
        numbers = count(first)
        while not self._ended.wait(PAUSE):
            self._turn(caller, next(numbers))
            caller.turns += 1
