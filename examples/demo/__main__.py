"""Runs the demo: `python -m demo` in the folder above; exits with 1 if a call was lost."""

from __future__ import annotations

import re
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry as RedisRetry
from rich.console import Console

from connpool_runtime.metrics.prometheus import PoolCollector
from connpool_runtime.middleware import Retry
from demo.load import Load
from demo.screen import Screen
from demo.summary import Summary
from demo.timeline import Timeline
from demo.wrapper import generate
from local_servers import RedisServer

if TYPE_CHECKING:
    from generated.redis_pool import RedisPool

MAX_FAILS = 3
COOLDOWN = 1.0  # seconds
RECOVERY_LIMIT = 10.0  # seconds
VICTIM = "b"


def main() -> int:
    """Generate a wrapper, run it on three servers, kill one, bring it back, sum up."""
    console = Console()
    console.rule("1. generate a wrapper")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="demo-")))
        wrapper_class = generate(folder, console)
        console.rule("2. call three servers through it")
        servers = {name: stack.enter_context(RedisServer()) for name in "abc"}
        wrapper = connect(wrapper_class, servers)
        stack.callback(wrapper.pool.close)
        summary = break_and_mend(console, wrapper, servers[VICTIM])
        console.rule("3. metrics, as Prometheus text")
        console.print(metrics_text(wrapper), highlight=False, markup=False, soft_wrap=True)
    console.rule("4. summary")
    console.print(summary.table())
    return 0 if summary.is_good else 1


def connect(wrapper_class: type[RedisPool], servers: dict[str, RedisServer]) -> RedisPool:
    """Make a pool with one client per server, which tries idempotent calls again on another member."""
    wrapper = wrapper_class(balancer="round_robin", max_fails=MAX_FAILS, cooldown=COOLDOWN)
    wrapper.pool.register_middleware(Retry())
    for name, server in servers.items():
        # A client that retried by itself would hide the failures from the pool.
        client = Redis(port=server.port, socket_timeout=1.0, retry=RedisRetry(NoBackoff(), 0))
        wrapper.pool.add_client(client, name=name)
    return wrapper


def break_and_mend(console: Console, wrapper: RedisPool, victim: RedisServer) -> Summary:
    """Kill a server under load and bring it back."""
    timeline = Timeline(VICTIM)
    wrapper.pool.subscribe(timeline)
    with Load(wrapper) as load, Screen(console, wrapper.pool, load) as screen:
        screen.watch(2.0)
        screen.say(f"[red]{VICTIM} is killed (SIGKILL)")
        killed = monotonic()
        victim.kill()
        screen.watch(3.0)
        screen.say(f"[green]{VICTIM} is started again")
        victim.restart()
        restarted = monotonic()
        screen.watch(RECOVERY_LIMIT, until=lambda: timeline.has_recovered)
        screen.watch(2.0)
    return Summary(
        calls=load.calls,
        lost=load.lost,
        ejected_after=timeline.seconds_to_open(since=killed),
        recovered_after=timeline.seconds_to_close(since=restarted),
    )


def metrics_text(wrapper: RedisPool) -> str:
    """Return what a scrape of the pool gives, without the hundreds of methods that nobody called."""
    registry = CollectorRegistry()
    PoolCollector(wrapper.pool, registry=registry)
    called = {method.name for method in wrapper.pool.stats().methods if method.latency.count}
    lines = generate_latest(registry).decode().splitlines()
    methods = [re.search(r'method="(\w+)"', line) for line in lines]
    return "\n".join(
        line
        for line, method in zip(lines, methods, strict=True)
        if not method or method[1] in called
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
