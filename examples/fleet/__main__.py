"""Runs the fleet: `python -m fleet` in the folder above; exits with 1 if a call was lost."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_client import CollectorRegistry, start_http_server
from rich.console import Console

from connpool_runtime.metrics.prometheus import PoolCollector
from fleet.acts import Stage, rolling_restart
from fleet.callers import Callers
from fleet.figures import Figures
from fleet.registry import ConsulRegistry, FileRegistry, Registry
from fleet.screen import Screen
from fleet.servers import Servers, start_all
from fleet.services import SERVERS, SERVICES
from fleet.summary import Summary, is_good, table
from local_servers import ConsulServer, consul_program

VICTIM = "a"
INTERRUPTED = 130  # what shells expect of a program that Ctrl-C has ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Start the fleet, replace and kill servers of it under load, end it, sum up."""
    given = _parsed(arguments)
    console = Console()
    with ExitStack() as stack:  # whatever happens, what was started is ended in reverse order
        console.rule("1. a registry, and servers that enter themselves")
        registry = _registry(given.registry, stack, console)
        names = [chr(ord("a") + number) for number in range(given.servers)]
        fleet = [Servers(service, names, make, registry) for service, make in SERVERS.items()]
        start_all(fleet, stack)
        console.rule("2. a pool for each service, whose members are what the registry says")
        stages: list[Stage] = []
        for servers in fleet:
            service = SERVICES[servers.service](registry.source(servers.service))
            stack.callback(service.pool.close)
            stages.append(Stage(service, servers, registry))
        metrics = CollectorRegistry()
        PoolCollector(*(stage.service.pool for stage in stages), registry=metrics)
        console.print(f"metrics: {stack.enter_context(_served(metrics))}", highlight=False)
        console.rule("3. callers, a release, and a death")
        callers = play(stages, console, given.pause)
        summaries = [_summary(stage.service.name, callers, metrics) for stage in stages]
    console.rule("4. summary")
    console.print(table(summaries))
    return 0 if is_good(summaries) else 1


def play(stages: Sequence[Stage], console: Console, pause: float) -> Callers:
    """Replace all servers and kill some while callers go on; return the callers, at rest."""
    services = [stage.service for stage in stages]
    for stage in stages:
        for name in stage.servers.names:
            stage.wait_for(name)
    with Callers(services) as callers, Screen(console, services, callers) as screen:
        screen.watch(pause)
        screen.say("a rolling restart: every server is replaced, one after the other")
        rolling_restart(stages)
        screen.watch(pause)
        for stage in stages:
            screen.say(f"{VICTIM} of {stage.service.name} is killed; the registry does not know")
            stage.kill(VICTIM)
        screen.watch(pause)
        screen.say("the registry has noticed; new servers take the places of the dead")
        for stage in stages:
            stage.bury(VICTIM)
            stage.revive(VICTIM)
        screen.watch(pause)
    return callers


def _registry(kind: str, stack: ExitStack, console: Console) -> Registry:
    """Start a Consul agent if there is one and it is wanted, else use a file."""
    if kind == "consul" or (kind == "auto" and consul_program()):
        agent = stack.enter_context(ConsulServer())
        console.print(f"registry: Consul at {agent.address}", highlight=False)
        return ConsulRegistry(agent)
    path = Path(stack.enter_context(TemporaryDirectory(prefix="fleet-")), "endpoints.json")
    console.print(f"registry: the file {path}", highlight=False)
    return FileRegistry(path)


@contextmanager
def _served(metrics: CollectorRegistry) -> Generator[str]:
    """Serve the metrics on this machine; yield where."""
    server, thread = start_http_server(0, "127.0.0.1", metrics)
    try:
        yield f"http://127.0.0.1:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _summary(service: str, callers: Callers, metrics: CollectorRegistry) -> Summary:
    lost = [error for name, error in callers.lost if name == service]
    figures = Figures.of(metrics, service)
    return Summary(service=service, calls=callers.made(service), lost=lost, figures=figures)


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fleet", description=__doc__)
    parser.add_argument("--servers", type=int, default=3, help="of each service (3)")
    parser.add_argument("--pause", type=float, default=1.5, help="seconds between two acts (1.5)")
    parser.add_argument(
        "--registry",
        choices=["auto", "consul", "file"],
        default="auto",
        help="who knows the servers",
    )
    given = parser.parse_args(arguments)
    if not 2 <= given.servers <= 9:
        parser.error("--servers must be between 2 and 9: one of them is killed")
    if given.registry == "consul" and consul_program() is None:
        parser.error(
            "--registry consul: there is no Consul here; .ci/consul brings one where apt can"
        )
    return given


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("interrupted; all servers are ended", file=sys.stderr)
        sys.exit(INTERRUPTED)
