"""What many members cost: a call among them, another one added, one that comes and goes; and each balancer."""

from collections.abc import Sequence
from functools import partial
from time import process_time
from typing import Any

from benchmarks import harness
from benchmarks.calls import pool_of
from benchmarks.clients import NoopClient
from benchmarks.measurement import Bar, Measurement
from connpool_runtime import Call, Member, Method, NewClient, Pool

KEYED: Method[NoopClient, None] = Method(
    "get", lambda client, args: client.get(args[0]), hash_key=0
)


def first(members: Sequence[Member[Any]], _call: Call) -> Member[Any]:
    """Pick as simply as a function of the user's can."""
    return members[0]


# Those whose picks cost the same among many members; docs/runtime.md says so of each.
MANY = (
    "round_robin",
    "random",
    "weighted_round_robin",
    "least_request",
    "peak_ewma",
    "consistent_hash",
)
FEW, LOTS = 100, 10_000  # members; adding is compared for these
FLAPS = 20  # of each of these pools

BARS = {
    "random": Bar("sync call with the random balancer, against a bare no-op call", 14, 11),
    "weighted_random": Bar("the same, weighted random, weights 1 to 3", 25, 16),
    "weighted_round_robin 3": Bar("the same, weighted round robin, 3 members", 14, 11),
    "weighted_round_robin 100": Bar("the same, weighted round robin, 100 members", 16, 11),
    "peak_ewma": Bar("the same, peak EWMA", 25, 16),
    "consistent_hash": Bar("the same, consistent hash of a text", 25, 16),
    "function": Bar("the same, a function as balancer", 25, 16),
    **{
        f"many {name}": Bar(f"cost per call with 1,000 members against 3, {name}", 1.15, 1.1)
        for name in MANY
    },
    "adding": Bar("adding 10,000 members one by one, per member, against adding 100", 3, 1.5),
    "adding at once": Bar("the same with one `add_clients`", 3, 1.5),
    "flapping": Bar("ejecting, calling, unejecting, calling: 10,000 members against 100", 3, 1.5),
}


def measure() -> Measurement:
    """Measure all of these in turns."""
    cost = harness.nanoseconds(_loops())
    cost |= {
        f"{what}, {count:,} members": seconds * 1e9
        for count in (FEW, LOTS)
        for what, seconds in costs_of_changes(count).items()
    }
    bare = cost["bare call, many members"]
    figures = {
        key: cost[f"pooled call, {key}"] / bare for key in BARS if f"pooled call, {key}" in cost
    }
    figures |= {
        f"many {name}": cost[f"1,000 members, {name}"] / cost[f"3 members, {name}"] for name in MANY
    }
    figures |= {
        what: cost[f"{what}, {LOTS:,} members"] / cost[f"{what}, {FEW:,} members"]
        for what in ("adding", "adding at once", "flapping")
    }
    return Measurement(figures, cost)


def _loops() -> dict[str, harness.TimedLoop]:
    loops = {
        "bare call, many members": harness.of_calls(partial(NoopClient().get, 42)),
        "pooled call, random": _plain("random", 3),
        "pooled call, peak_ewma": _plain("peak_ewma", 3),
        "pooled call, weighted_random": _weighted("weighted_random", 3),
        "pooled call, weighted_round_robin 3": _weighted("weighted_round_robin", 3),
        "pooled call, weighted_round_robin 100": _weighted("weighted_round_robin", 100),
        "pooled call, consistent_hash": _hashed(3),
        "pooled call, function": harness.of_calls(partial(pool_of(3, first).get, 42)),
    }
    for name in MANY:
        for count in (3, 1000):
            one = _hashed(count) if name == "consistent_hash" else _plain(name, count)
            loops[f"{count:,} members, {name}"] = one
    return loops


def _plain(balancer: str, count: int) -> harness.TimedLoop:
    return harness.of_calls(partial(pool_of(count, balancer).get, 42))


def _weighted(balancer: str, count: int) -> harness.TimedLoop:
    wrapper = pool_of(0, balancer)
    for number in range(count):
        wrapper.pool.add_client(NoopClient(), f"m{number}", weight=1 + number % 3)
    return harness.of_calls(partial(wrapper.get, 42))


def _hashed(count: int) -> harness.TimedLoop:
    pool = pool_of(count, "consistent_hash").pool
    return harness.of_calls(partial(pool.call, KEYED, ("user:42",)))


def costs_of_changes(count: int) -> dict[str, float]:
    """Return the seconds that one member costs in a pool of so many: to add, and to come and go."""
    times = max(1, 1000 // count)
    adding = sum(_adding(Pool(), count) for _ in range(times)) / (times * count)
    at_once = sum(_adding_at_once(Pool(), count) for _ in range(times)) / (times * count)
    pool = Pool[NoopClient]()
    _adding(pool, count)
    pool.call(KEYED, (1,))
    names = [member.name for member in pool.members][:: count // FLAPS]
    return {"adding": adding, "adding at once": at_once, "flapping": _flapping(pool, names)}


def _adding(pool: Pool[NoopClient], count: int) -> float:
    clients = [NoopClient() for _ in range(count)]
    started = process_time()
    for client in clients:
        pool.add_client(client)
    return process_time() - started


def _adding_at_once(pool: Pool[NoopClient], count: int) -> float:
    clients = [NewClient(NoopClient()) for _ in range(count)]
    started = process_time()
    pool.add_clients(clients)
    return process_time() - started


def _flapping(pool: Pool[NoopClient], names: Sequence[str]) -> float:
    started = process_time()
    for name in names:
        pool.eject(name)
        pool.call(KEYED, (1,))
        pool.uneject(name)
        pool.call(KEYED, (1,))
    return (process_time() - started) / len(names)
