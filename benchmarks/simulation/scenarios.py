"""What happens to the servers, and what is measured meanwhile."""

import asyncio
import math
from typing import Any

from benchmarks.simulation.world import MEAN, World
from connpool_runtime.middleware import Deadline, Retry, RetryBudget, Timeout

Figures = dict[str, float]

# Those that differ when all weights are equal.
BALANCERS = ("round_robin", "random", "least_request", "peak_ewma", "consistent_hash")
BREAKERS: dict[str, dict[str, Any]] = {
    "no breaker": {"max_fails": 0},
    "5 in a row": {"max_fails": 5},
    "shares": {
        "max_fails": 0,
        "failure_rate_threshold": 0.5,
        "slow_call_rate_threshold": 0.5,
        "slow_call_duration": 0.05,
    },
}


def well(calls: int = 8000, **options: Any) -> Figures:
    """All ten are well."""
    world = World(10, **options)
    world.run(lambda: world.callers(calls, load=0.67))
    return {"p50 ms": world.seen.percentile(0.5), "p99 ms": world.seen.percentile(0.99)}


def one_slow(calls: int = 8000, pools: int = 1, **options: Any) -> Figures:
    """One of ten is ten times slower than the others."""
    world = World(10, pools=pools, **options)
    world.servers[0].latency = 10.0
    world.run(lambda: world.callers(calls, load=0.6))
    return {
        "p50 ms": world.seen.percentile(0.5),
        "p99 ms": world.seen.percentile(0.99),
        "to the slow one %": world.share(world.servers[0]),
    }


def one_fails(calls: int = 8000, **options: Any) -> Figures:
    """One of ten refuses every call within a millisecond: it looks idle to balancers that count calls."""
    world = World(10, **options)
    world.servers[0].mood = "fails"
    world.run(lambda: world.callers(calls, load=0.67))
    return {"failed %": world.seen.failed, "to the broken one %": world.share(world.servers[0])}


def rare_failures(calls: int = 8000, share: float = 0.002, **options: Any) -> Figures:
    """All ten serve their calls, of which a small share fails: how many calls has a server at a time at worst?"""
    world = World(10, **options)
    for server in world.servers:
        server.failing = share
    world.run(lambda: world.callers(calls, load=0.6))
    return {
        "p99 ms": world.seen.percentile(0.99),
        "calls at a time": float(max(server.most for server in world.servers)),
        "failed %": world.seen.failed,
    }


def one_hangs(calls: int = 8000, **options: Any) -> Figures:
    """One of three never answers, and callers give up after a second."""
    world = World(3, middleware=(Timeout(1.0),), **options)
    world.servers[0].mood = "hangs"
    world.run(lambda: world.callers(calls, load=0.3))
    return {"failed %": world.seen.failed, "to the one that hangs %": world.share(world.servers[0])}


def one_hangs_for_callers(calls: int = 8000, **options: Any) -> Figures:
    """One of three never answers, and nothing but the deadline of each caller, a second, ends a call."""
    world = World(3, middleware=(Deadline(1.0),), **options)
    world.servers[0].mood = "hangs"
    world.run(lambda: world.callers(calls, load=0.3))
    return {"failed %": world.seen.failed, "to the one that hangs %": world.share(world.servers[0])}


def callers_without_patience(calls: int = 8000, **options: Any) -> Figures:
    """All three are well, and callers give up after a tenth of what a call takes on the average."""
    world = World(3, middleware=(Deadline(MEAN / 10),), **options)
    world.run(lambda: world.callers(calls, load=0.3))
    return {"failed %": world.seen.failed, "ejected": float(sum(world.trips.values()))}


def thousand(calls: int = 20_000, servers: int = 1000, broken: int = 20, **options: Any) -> Figures:
    """Of a thousand, twenty refuse every call."""
    world = World(servers, **options)
    for server in world.servers[:broken]:
        server.mood = "fails"
    world.run(lambda: world.callers(calls, load=0.5))
    busiest = max(server.calls for server in world.servers[broken:])
    mean = sum(server.calls for server in world.servers[broken:]) / (servers - broken)
    return {
        "failed %": world.seen.failed,
        "busiest / mean": busiest / mean,
        "p99 ms": world.seen.percentile(0.99),
    }


def recovery(calls: int = 18_000, pools: int = 10, **options: Any) -> Figures:
    """One of ten, seen by ten pools, refuses every call for a while and then is well again.

    It is down for 60 % of the calls, three seconds by default, with cooldowns of one. While it is,
    each pool probes it: how many within the same 50 ms? And when it is back, do they all run to it:
    how many calls has it at a time at worst, against the worst of the others?
    """
    world = World(10, pools=pools, **{"cooldown": 1.0, "cooldown_factor": 1.0, **options})
    back, *others = world.servers
    back.mood = "fails"

    async def story() -> None:
        await world.callers(int(0.6 * calls), load=0.6)
        world.recover(back)
        await world.callers(int(0.4 * calls), load=0.6)

    world.run(story)
    probes = [at for at in back.arrivals if 0.5 < at < back.back_at]
    return {
        "probes in 50 ms": float(_most_within(0.05, probes)),
        "burst / burst of the others": back.most / max(server.most for server in others),
        "failed %": world.seen.failed,
        "p99 ms": world.seen.percentile(0.99),
    }


def retrying_world(servers: int, **options: Any) -> World:
    """Return a world whose callers try again, as the recommended middleware does."""
    world = World(servers, **options)
    for pool in world.pools:
        budget = RetryBudget(clock=world.clock)
        pool.register_middleware(Retry(budget=budget, random=world.dice.random))
    return world


def rolling(servers: int = 3, callers: int = 16, seconds: float = 30.0, **options: Any) -> Figures:
    """All servers are restarted in turn, again and again: one second away, two seconds apart."""
    world = retrying_world(servers, **options)

    async def restarts() -> None:
        for turn in range(int(seconds / 2.0) - 1):
            server = world.servers[turn % servers]
            server.mood = "fails"
            await asyncio.sleep(1.0)
            server.mood = "well"
            await asyncio.sleep(1.0)

    async def story() -> None:
        await asyncio.gather(world.crowd(callers, seconds), restarts())

    world.run(story)
    return {"calls": float(world.seen.calls), "lost": float(world.seen.errors.total())}


def gone(
    servers: int = 3, dead: int = 2, callers: int = 16, seconds: float = 10.0, **options: Any
) -> Figures:
    """Some servers refuse every call, all the time."""
    world = retrying_world(servers, **options)
    for server in world.servers[:dead]:
        server.mood = "fails"
    world.run(lambda: world.crowd(callers, seconds))
    return {"calls": float(world.seen.calls), "lost": float(world.seen.errors.total())}


def ejections(servers: int = 3, **options: Any) -> Figures:
    """What a cap on ejections and a panic are good for, and what they cost, with three days that are bad."""
    days = {
        "restarts": rolling(servers, **options),
        "half gone": gone(servers, servers // 2, **options),
        "all but one gone": gone(servers, servers - 1, **options),
    }
    return {f"{day}, lost %": 100.0 * seen["lost"] / seen["calls"] for day, seen in days.items()}


def mistakes(calls: int = 8000, servers: int = 3, share: float = 0.9, **options: Any) -> Figures:
    """All servers are well, and most callers make a mistake that no classifier knows."""
    world = World(servers, **options)
    world.mistakes = share
    world.run(lambda: world.callers(calls, load=0.5))
    return _cut_off(world)


def flawed(
    calls: int = 8000,
    servers: int = 3,
    share: float = 1.0,
    mistaken: float = 0.0,
    **options: Any,
) -> Figures:
    """One server, well for a third of the calls, then ends a share of them in an error that no classifier knows.

    Arguments:
        calls: how many there are.
        servers: how many there are.
        share: of its calls that end so, when it is flawed.
        mistaken: the share of callers who get the same error from every server, for a mistake of theirs.
        options: of the pools.
    """
    world = World(servers, **{"cooldown": 3600.0, **options})
    world.mistakes = mistaken
    ill = world.servers[0]
    before = 0

    async def story() -> None:
        nonlocal before
        await world.callers(calls // 3, load=0.3)
        ill.flaw, before = share, ill.calls
        await world.callers(calls - calls // 3, load=0.3)

    world.run(story)
    return {"calls to the flawed one": float(ill.calls - before), **_cut_off(world)}


def outliers(
    calls: int = 12_000,
    servers: int = 10,
    slower: float = 1.0,
    failing: float = 0.0,
    everybody: bool = False,
    **options: Any,
) -> Figures:
    """One server becomes worse than the others after a third of the calls, or all of them do alike.

    Arguments:
        calls: how many there are.
        servers: how many there are.
        slower: times as long as before that a call takes on it.
        failing: the share of its calls that fail.
        everybody: whether all servers become so, and not only one.
        options: of the pools.
    """
    stdev = min(1.9, 0.95 * math.sqrt(servers - 1))
    rules = {
        "outlier_success_rate_stdev": stdev,
        "outlier_latency_stdev": stdev,
        "outlier_interval": 2.0,
        "outlier_minimum_members": min(5, servers),
        "outlier_ejection_time": 3600.0,
    }
    world = World(servers, **{**rules, **options})
    first = world.servers[0]
    before = 0

    async def story() -> None:
        nonlocal before
        await world.callers(calls // 3, load=0.3)
        before = first.calls
        for server in world.servers if everybody else [first]:
            server.latency, server.failing = slower, failing
        await world.callers(calls - calls // 3, load=0.3 / slower if everybody else 0.3)

    world.run(story)
    return {"calls to the first since then": float(first.calls - before), **_cut_off(world)}


def restart_while_idle(
    calls: int = 3000, servers: int = 3, restarted: int = 1, **options: Any
) -> Figures:
    """Each server has idle connections, for a minute there are no calls, and meanwhile servers restart.

    Nothing is tried again, so that each call that meets a dead connection is lost.
    """
    rules = {"max_size": 20, "max_connecting": 20}
    world = World(servers, connections=rules, **options)
    dead = 0
    first, back_after = world.servers[0], math.inf

    async def story() -> None:
        nonlocal dead, back_after
        await world.callers(calls // 2, load=0.5)
        await asyncio.sleep(60.0)
        for server in world.servers[:restarted]:
            server.life += 1
            dead += server.opened - server.closed
        begin, first.arrivals = world.clock.now, []
        await world.callers(calls // 2, load=0.5)
        back_after = min(first.arrivals, default=math.inf) - begin
        await world.pools[0].close()

    world.run(story)
    return {
        "connections that died": float(dead),
        "lost": float(world.seen.errors.total()),
        "back after ms": 1000.0 * back_after,
    }


def connects_hang(calls: int = 6000, **options: Any) -> Figures:
    """One of three never answers connection attempts; a call may wait half a second for its connection."""
    rules = {"max_size": 20, "connect_backoff": 10.0, "connect_backoff_max": 10.0}
    world = World(3, connections=rules, **{"checkout_timeout": 0.5, **options})
    first = world.servers[0]
    first.connect_hangs = True
    world.run(lambda: world.callers(calls, load=0.2))
    return {
        "failed %": world.seen.failed,
        "longest ms": world.seen.percentile(1.0),
        "connecting at a time": float(first.most_opening),
    }


def closes_hang(calls: int = 6000, **options: Any) -> Figures:
    """One of three never finishes closing connections, each replaced after a second; then the pool closes."""
    rules = {"max_size": 20, "max_lifetime": 1.0}
    world = World(3, connections=rules, **options)
    first, *others = world.servers
    first.close_hangs = True
    took, left_open = math.inf, 0

    async def story() -> None:
        nonlocal took, left_open
        await world.callers(calls, load=0.3)
        left_open = sum(one.opened - one.closed for one in others)
        begin = world.clock.now
        try:
            await world.pools[0].close(2.0)
        except ExceptionGroup:  # which says what was not closed in time
            took = world.clock.now - begin

    world.run(story)
    return {
        "failed %": world.seen.failed,
        "p99 ms": world.seen.percentile(0.99),
        "opened by the others": float(sum(one.opened for one in others)),
        "open in the end": float(left_open),
        "close takes s": took,
    }


def _cut_off(world: World) -> Figures:
    first, *others = (world.trips[server.name] for server in world.servers)
    return {
        "first ejected": float(first),
        "others ejected": float(sum(others)),
        "refused %": 100.0 * world.seen.errors["AllMembersOpen"] / world.seen.calls,
    }


def _most_within(seconds: float, times: list[float]) -> int:
    return max((sum(at <= other < at + seconds for other in times) for at in times), default=0)
