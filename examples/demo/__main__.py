"""Runs the demo: `python -m demo` in the folder above; exits with 1 if a call was lost.

`--picture FILE` draws what it shows into an SVG file as well.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any, Protocol

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry as RedisRetry
from rich.console import Console

from connpool_runtime import Pool
from connpool_runtime.middleware import Retry
from demo.load import Load, ask_service, use_cache
from demo.metrics import shown_metrics
from demo.picture import save_picture
from demo.screen import Screen
from demo.summary import Summary, remembered, table
from demo.timeline import Timeline
from demo.users import UserClient, UserClientPool
from demo.wrapper import generate
from generated.redis_pool import RedisPool
from local_servers import HttpProcess, RedisServer

OPTIONS: dict[str, Any] = {"max_fails": 3, "cooldown": 0.5, "cooldown_factor": 1.0}
RECOVERY_LIMIT = ROUND_LIMIT = 10.0  # seconds
VICTIM = "b"
WIDTH = 100  # columns of the picture
PARTS = (
    "1. generate a wrapper of a client class",
    "2. a service on three servers, called in turns",
    "3. a cache on three Redis servers, each with keys of its own",
    "4. metrics: four of the families that Prometheus gets",
    "5. what to remember",
)


class Killable(Protocol):
    """A server that can be killed and brought back."""

    def kill(self) -> None:
        """Kill it at once."""

    def restart(self) -> None:
        """Bring it back."""


def main() -> int:
    """Show the demo, and draw it if asked to."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=main.__doc__)
    parser.add_argument("--picture", type=Path, metavar="FILE", help="an SVG file to draw it into")
    picture: Path | None = parser.parse_args().picture
    if picture is None:
        return show(Console())
    console = Console(record=True, width=WIDTH, force_terminal=False)
    code = show(console)
    save_picture(console, picture)
    return code


def show(console: Console) -> int:
    """Run a service and a cache on three servers each, kill one of each, bring it back, sum up."""
    with ExitStack() as stack:
        console.rule(PARTS[0])
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="demo-")))
        wrapper_class = generate(folder, console)
        console.rule(PARTS[1])
        services = {name: stack.enter_context(HttpProcess(name)) for name in "abc"}
        users = wrapper_class(name="users", balancer="round_robin", **OPTIONS)
        fill_service(users, services)
        stack.callback(users.pool.close)
        summaries = [
            break_and_mend(console, users.pool, Load(ask_service(users)), services[VICTIM])
        ]
        pools: list[Pool[Any]] = [users.pool]
        console.rule(PARTS[2])
        if caches := start_caches(stack, console):
            cache = RedisPool(name="cache", **OPTIONS)
            fill_cache(cache, caches)
            stack.callback(cache.pool.close)
            load = Load(use_cache(cache))
            summaries.append(break_and_mend(console, cache.pool, load, caches[VICTIM]))
            pools.append(cache.pool)
        console.rule(PARTS[3])
        console.print(shown_metrics(pools), highlight=False, markup=False, soft_wrap=True)
    console.rule(PARTS[4])
    console.print(table(summaries))
    console.print(remembered(summaries), highlight=False)
    return 0 if all(summary.is_good for summary in summaries) else 1


def fill_service(users: UserClientPool, servers: Mapping[str, HttpProcess]) -> None:
    """Add one client per server; idempotent calls that fail are made again on another."""
    users.pool.register_middleware(Retry())
    for name, server in servers.items():
        users.pool.add_client(UserClient(server.address), name=name)


def start_caches(stack: ExitStack, console: Console) -> dict[str, RedisServer]:
    """Start three Redis servers; none where there is no redis-server, which is said."""
    try:
        return {name: stack.enter_context(RedisServer()) for name in "abc"}
    except FileNotFoundError as error:
        console.print(f"[bold red]LEFT OUT: the cache, since there is no redis-server ({error})")
        return {}


def fill_cache(cache: RedisPool, servers: Mapping[str, RedisServer]) -> None:
    """Add one client per server; what was never sent is tried on another as well, as `set` is."""
    cache.pool.register_middleware(Retry(unsent=True))
    for name, server in servers.items():
        # A client that retried by itself would hide the failures from the pool.
        client = Redis(port=server.port, socket_timeout=1.0, retry=RedisRetry(NoBackoff(), 0))
        cache.pool.add_client(client, name=name)


def break_and_mend(console: Console, pool: Pool[Any], load: Load, victim: Killable) -> Summary:
    """Kill a server under load and bring it back."""
    timeline = Timeline(VICTIM)
    pool.subscribe(timeline)
    with load, Screen(console, pool, load) as screen:
        is_warm = load.next_round()
        screen.watch(0.5)
        screen.watch(ROUND_LIMIT, until=is_warm)
        warm = load.found
        screen.watch(1.0)
        screen.say(f"[red]{VICTIM} is killed (SIGKILL)")
        killed, before = monotonic(), load.found
        victim.kill()
        screen.watch(ROUND_LIMIT, until=lambda: timeline.has_opened)
        are_moved = load.next_round()
        screen.watch(1.0)
        screen.watch(ROUND_LIMIT, until=are_moved)
        moment = load.found
        screen.watch(0.5)
        away = load.found
        screen.say(f"[green]{VICTIM} is started again")
        restarted = monotonic()  # before the server answers: a probe may find it first
        victim.restart()
        screen.watch(RECOVERY_LIMIT, until=lambda: timeline.has_recovered)
        screen.watch(0.5)
    found = (before.since(warm), moment.since(before), away.since(moment))
    return Summary(
        title=f"{pool.name}, {str(pool.settings.balancer).replace('_', ' ')}",
        calls=load.calls,
        lost=load.lost,
        ejected_after=timeline.seconds_to_open(since=killed),
        recovered_after=timeline.seconds_to_close(since=restarted),
        found=found if any(sum(one) for one in found) else None,
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
