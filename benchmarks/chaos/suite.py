"""Plays many scenarios on the same servers and holds the figures to their bounds."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmarks.chaos import network
from benchmarks.chaos.scenarios import SCENARIOS, Figures, Scenario, play
from benchmarks.chaos.services import SERVICES, Service

Played = tuple[Figures, Sequence[str]]  # and the bounds that were not kept


def reasons_to_skip() -> dict[str, str]:
    """Return the scenarios that cannot be played on this machine, and why."""
    against = network.reason_against_hosts()
    if against is not None:
        return {one.name: against for one in (*network.SCENARIOS, network.POOR_NETWORK)}
    against = network.reason_against_netem()
    return {} if against is None else {network.POOR_NETWORK.name: against}


def play_kind(kind: int) -> list[Played]:
    """Play what needs no hosts of its own on one of the kinds of servers."""
    return play_service(SERVICES[kind], SCENARIOS)


def play_service(service: Service, scenarios: Sequence[Scenario]) -> list[Played]:
    """Play scenarios, one after the other, on the same servers."""
    played: list[Played] = []
    with service.hosts() as hosts:
        for scenario in scenarios:
            print(f"{service.name}: {scenario.name}", file=sys.stderr, flush=True)
            for figures in play(service, scenario, hosts):
                bounds = scenario.bounds_of(service, figures.kind)
                played.append((figures, figures.beyond(bounds)))
    return played
