"""What features cost a call that does not use them: a pool with them against one without, in the same process.

A pool costs more or less than its twin by some per cent, by where its objects lie in memory. So there are several of
each, the medians of which are compared.
"""

import statistics
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from benchmarks import harness
from benchmarks.measurement import Bar, Measurement
from connpool_runtime import Method, Pool, calling, method

TWINS = 5  # pools of each kind
OUTSIDE = 2000  # calls after a block, until a pool does not look for blocks any more

BARS = {
    "told": Bar(
        "a method that could tell its client the deadline, while there is none, against one that could not",
        1.02,
        1.01,
    ),
    "calling": Bar(
        "sync call after a block of `calling` was used and left, against a pool that never saw one",
        1.02,
        1.01,
    ),
    "labels": Bar(
        "sync call of a method without a route on members with labels, against members without",
        1.02,
        1.01,
    ),
}


class Client:
    """Answers at once."""

    def get(self, user_id: int, timeout: float | None = None) -> None:
        """Return nothing."""


@method("get", deadline_parameter="timeout")
def told(client: Client, packed: tuple[int, float | None]) -> None:
    """Get it, within what is left of the caller's time."""
    user_id, timeout = packed
    client.get(user_id, timeout)


@method("get")
def untold(client: Client, packed: tuple[int, float | None]) -> None:
    """Get it."""
    user_id, timeout = packed
    client.get(user_id, timeout)


def of_pool(
    called: Method[Client, None], labels: Mapping[str, str] | None = None
) -> Callable[[], Any]:
    """Return a call of a pool of three members."""
    pool = Pool[Client]()
    for _ in range(3):
        pool.add_client(Client(), labels=labels)
    return partial(pool.call, called, (42, None))


def after_a_block() -> Callable[[], Any]:
    """Return a call of a pool that was called inside a block once, and for long has not been."""
    call = of_pool(untold)
    with calling(idempotent=True):
        call()
    for _ in range(OUTSIDE):
        call()
    return call


def measure() -> Measurement:
    """Measure the pools in turns; those that know blocks last, since a block is known to the whole process."""
    cost = medians({"told": partial(of_pool, told), "untold": partial(of_pool, untold)})
    told_not = cost["told"] / cost["untold"]
    labelled = partial(of_pool, untold, {"role": "replica"})
    cost |= medians({"labelled": labelled, "unlabelled": partial(of_pool, untold)})
    cost |= medians({"after a block": after_a_block, "without": partial(of_pool, untold)})
    figures = {
        "told": told_not,
        "calling": cost["after a block"] / cost["without"],
        "labels": cost["labelled"] / cost["unlabelled"],
    }
    return Measurement(figures, {f"call, {name}": ns for name, ns in cost.items()})


def medians(kinds: dict[str, Callable[[], Callable[[], Any]]]) -> dict[str, float]:
    """Return what a call of each kind costs, in nanoseconds: the median over several pools."""
    loops = {
        (name, number): harness.of_calls(make())
        for number in range(TWINS)
        for name, make in kinds.items()
    }
    cost = harness.nanoseconds({f"{name} {number}": loop for (name, number), loop in loops.items()})
    return {
        name: statistics.median(cost[f"{name} {number}"] for number in range(TWINS))
        for name in kinds
    }
