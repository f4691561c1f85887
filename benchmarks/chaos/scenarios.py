"""What happens to the servers, what callers see meanwhile, and the bounds that must hold."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from benchmarks.chaos.callers import Callers, CutOff, TaskCallers, ThreadCallers
from benchmarks.chaos.hosts import Host
from benchmarks.chaos.services import PATIENCE, AsyncTarget, Service, Target
from connpool_runtime import PoolSettings

COOLDOWN = PoolSettings().cooldown
SLACK = 1.5  # seconds that a busy machine may add to any time
ATTEMPTS = 3  # of the recommended `Retry`
# Until a health check with the defaults has found a dead connection, and its client is replaced.
NOTICED = 1.2 * 10.0 + 2.0 + 1.2 * 1.0
FAULT = 2.0  # seconds that a fault lasts: less than a cooldown
DRIP = 0.005  # seconds between two bytes
RESTART_AWAY = 1.0  # seconds that a server which is restarted is away
RESTART_REST = 1.0  # seconds from its return until the next one goes, however long its start took
GIVE_UP = (
    max(NOTICED, 3 * COOLDOWN) + 2 * SLACK
)  # seconds after which waiting for a host is given up


@dataclass(frozen=True)
class Injury:
    """A host was hurt, from `began` until `healed`; if it `lingers`, connections of before stay dead."""

    host: Host
    began: float
    healed: float
    lingers: bool = False


@dataclass(frozen=True)
class Bounds:
    """What must hold for callers; times in seconds. None of them is tight: a busy machine is no fault.

    Arguments:
        lost: calls that may end in an error.
        slowest: how long a call may take.
        ejected: within which the host is ejected; None if it need not be.
        returned: within which it serves again.
        falsely: how often members with healthy servers may be ejected.
    """

    lost: int = 0
    slowest: float = ATTEMPTS * PATIENCE + SLACK
    ejected: float | None = PATIENCE + SLACK
    returned: float = COOLDOWN + SLACK
    falsely: int = 0


@dataclass(frozen=True)
class Figures:
    """The figures of one scenario with one pool; times in seconds, None for what did not happen."""

    service: str
    scenario: str
    kind: str
    calls: int
    lost: int
    slowest: float
    ejected: float | None
    returned: float | None
    falsely: int
    errors: tuple[tuple[str, int], ...] = ()

    def beyond(self, bounds: Bounds) -> list[str]:
        """Name the bounds that these figures do not keep."""
        found = []
        if self.lost > bounds.lost:
            found.append(f"{self.lost} calls lost, not at most {bounds.lost}: {self.errors}")
        if self.slowest > bounds.slowest:
            found.append(f"the slowest took {self.slowest:.2f} s, not {bounds.slowest:.2f}")
        if (
            bounds.ejected is not None
            and (math.inf if self.ejected is None else self.ejected) > bounds.ejected
        ):
            found.append(f"ejected after {self.ejected} s, not {bounds.ejected:.2f}")
        if self.returned is None or self.returned > bounds.returned:
            found.append(f"back after {self.returned} s, not {bounds.returned:.2f}")
        if self.falsely > bounds.falsely:
            found.append(f"{self.falsely} members ejected whose servers were healthy")
        return [f"{self.service}, {self.kind}, {self.scenario}: {text}" for text in found]


@dataclass(frozen=True)
class Scenario:
    """A story about three hosts.

    Arguments:
        name: as in the table.
        means: what it stands for in the world.
        story: hurts and heals hosts, and returns which and when.
        proxied: whether callers come through the proxies.
        bounds: what must hold.
        channel_bounds: what must hold for clients that keep one connection and mend it by themselves, as
            channels of gRPC do.
    """

    name: str
    means: str
    story: Callable[[Sequence[Host]], list[Injury]]
    proxied: bool = True
    bounds: Bounds = Bounds()
    channel_bounds: Bounds | None = None

    def bounds_of(self, service: Service, kind: str) -> Bounds:
        """Return what must hold for a pool of this service, "sync" or "async"."""
        uses_channels = kind in service.channels
        return self.channel_bounds if self.channel_bounds and uses_channels else self.bounds


def hurting(
    inflict: Callable[[Host], None], heal: Callable[[Host], None], *, lingers: bool = False
) -> Callable[[Sequence[Host]], list[Injury]]:
    """Return the story of the first host, hurt for a while and healed."""

    def story(hosts: Sequence[Host]) -> list[Injury]:
        victim = hosts[0]
        began = time.monotonic()
        inflict(victim)
        time.sleep(FAULT)
        heal(victim)
        return [Injury(victim, began, time.monotonic(), lingers)]

    return story


def restarting(rounds: int = 1) -> Callable[[Sequence[Host]], list[Injury]]:
    """Return the story of all hosts, restarted one after the other, so many times."""

    def story(hosts: Sequence[Host]) -> list[Injury]:
        injuries = []
        for host in [*hosts] * rounds:
            began = time.monotonic()
            host.server.kill()
            time.sleep(RESTART_AWAY)
            host.restart()
            injuries.append(Injury(host, began, time.monotonic()))
            time.sleep(RESTART_REST)
        return injuries

    return story


def _mend(host: Host) -> None:
    host.proxy.pass_through()


SCENARIOS = (
    Scenario(
        "kill",
        "the process is gone: connections are refused",
        hurting(lambda host: host.server.kill(), Host.restart),
        proxied=False,
        # A channel that could not connect answers the first call after its wait with the error of before: the
        # probe fails, and the next one comes after twice the cooldown, or a health check unejects the member.
        channel_bounds=Bounds(returned=3 * COOLDOWN + SLACK),
    ),
    Scenario(
        "stop",
        "the process stands still (SIGSTOP): connections are accepted, nothing is answered",
        hurting(lambda host: host.server.hang(), lambda host: host.server.resume()),
        proxied=False,
    ),
    Scenario(
        "reset",
        "each connection is broken with an RST when it is used",
        hurting(lambda host: host.proxy.reset_always(), _mend),
    ),
    Scenario(
        "black hole",
        "connections are accepted, and all that is sent is swallowed",
        hurting(lambda host: host.proxy.black_hole(), _mend),
    ),
    Scenario(
        "slow drip",
        f"answers come byte by byte, one each {1000 * DRIP:.0f} ms, so that no read ever times out",
        hurting(lambda host: host.proxy.drip(DRIP), _mend),
        # Slow is not broken: only `slow_call_rate_threshold` says from when on it is.
        bounds=Bounds(ejected=None),
    ),
    Scenario(
        "half-open",
        "connections that are open carry nothing any more and nobody is told; new ones work",
        hurting(lambda host: host.proxy.half_open(), _mend, lingers=True),
        # A client that opens a new connection at once loses too few attempts to be ejected.
        bounds=Bounds(ejected=None),
        # gRPC sends no keep-alive pings by default: only a health check finds out.
        channel_bounds=Bounds(returned=NOTICED + SLACK),
    ),
    Scenario(
        "one-way loss",
        "requests arrive, and the answers are lost",
        hurting(lambda host: host.proxy.lose_answers(), _mend),
    ),
    Scenario(
        "rolling restarts",
        f"all three in turn, {RESTART_AWAY:.0f} s away, the next {RESTART_REST:.0f} s after the return",
        restarting(),
        proxied=False,
        # A member that is away while no other is healthy is not ejected: none would be left.
        bounds=Bounds(ejected=None),
        # A channel waits before it connects again, and answers calls with the error of before meanwhile: its
        # member may be ejected when the server is back already.
        channel_bounds=Bounds(ejected=None, returned=3 * COOLDOWN + SLACK, falsely=3),
    ),
)


def play(
    service: Service,
    scenario: Scenario,
    hosts: Sequence[Host],
    *,
    callers: int = 8,
    kinds: Sequence[str] = ("sync", "async"),
    **options: Any,
) -> list[Figures]:
    """Let callers of a synchronous and of an asynchronous pool live through a scenario.

    Arguments:
        service: the kind of the hosts.
        scenario: what happens.
        hosts: all well; they are so again at the end.
        callers: how many each pool has.
        kinds: which pools there are.
        options: of the pools; the defaults are what this is about.
    """
    addresses = [service.endpoint(host.address(proxied=scenario.proxied)) for host in hosts]

    def open_target() -> Target:
        return service.open(addresses, **options)

    def open_async() -> Awaitable[AsyncTarget]:
        return service.open_async(addresses, **options)

    crowds: list[Callers] = []
    if "sync" in kinds:
        crowds.append(ThreadCallers(open_target, callers))
    if "async" in kinds:
        crowds.append(TaskCallers(open_async, callers))
    with ExitStack() as stack:
        for crowd in crowds:
            stack.enter_context(crowd)
        _wait_for_answers(crowds, hosts, time.monotonic())
        injuries = scenario.story(hosts)
        _wait_for_answers(crowds, hosts, injuries[-1].healed)
    names = dict(zip(addresses, hosts, strict=True))
    return [figures_of(service.name, scenario.name, crowd, injuries, names) for crowd in crowds]


def _wait_for_answers(crowds: Sequence[Callers], hosts: Sequence[Host], since: float) -> None:
    """Wait until each host has answered each crowd a call that began after a time, or it is too late."""
    deadline = time.monotonic() + GIVE_UP
    while time.monotonic() < deadline:
        time.sleep(0.05)
        if all(_first_answer(crowd, host, since) for crowd in crowds for host in hosts):
            return


def _first_answer(callers: Callers, host: Host, since: float) -> float | None:
    """Return when the host gave its first answer to a call that began after a time."""
    return next(
        (
            one.ended
            for one in list(callers.ended)
            if one.server == host.identity and one.began >= since
        ),
        None,
    )


def figures_of(
    service: str,
    scenario: str,
    callers: Callers,
    injuries: Sequence[Injury],
    hosts: dict[str, Host],
) -> Figures:
    """Sum up what callers saw; `hosts` are those of the members, by the names of these."""
    lost = [one for one in callers.ended if one.error is not None]
    return Figures(
        service=service,
        scenario=scenario,
        kind=callers.kind,
        calls=len(callers.ended),
        lost=len(lost),
        slowest=max(one.ended - one.began for one in callers.ended),
        ejected=_longest(_until_cut_off(callers.cut_off, injuries, hosts)),
        returned=_longest(_until_back(callers, injuries)),
        falsely=len(list(_false(callers.cut_off, injuries, hosts))),
        errors=tuple(
            Counter(f"{type(one.error).__name__}: {one.error}"[:160] for one in lost).items()
        ),
    )


def _longest(times: Sequence[float | None]) -> float | None:
    """Return the longest of some times; None if one of them has not ended."""
    known = [time for time in times if time is not None]
    return max(known) if known and len(known) == len(times) else None


def _host_of(cut_off: CutOff, hosts: dict[str, Host]) -> Host:
    """Return the host of a member, whose name is its address and perhaps a number."""
    return next(host for name, host in hosts.items() if cut_off.member.startswith(name))


def _until_cut_off(
    cut_offs: Sequence[CutOff], injuries: Sequence[Injury], hosts: dict[str, Host]
) -> list[float | None]:
    return [
        min(
            (
                one.at - injury.began
                for one in cut_offs
                if _host_of(one, hosts) is injury.host and _is_due(one, injury)
            ),
            default=None,
        )
        for injury in injuries
    ]


def _until_back(callers: Callers, injuries: Sequence[Injury]) -> list[float | None]:
    answered = [
        (injury.healed, _first_answer(callers, injury.host, injury.healed)) for injury in injuries
    ]
    return [None if at is None else at - healed for healed, at in answered]


def _false(
    cut_offs: Sequence[CutOff], injuries: Sequence[Injury], hosts: dict[str, Host]
) -> Iterator[CutOff]:
    """List the ejected members whose host was healthy."""
    for one in cut_offs:
        hurt = [injury for injury in injuries if injury.host is _host_of(one, hosts)]
        if not any(_is_due(one, injury) for injury in hurt):
            yield one


def _is_due(cut_off: CutOff, injury: Injury) -> bool:
    """Return whether an injury ejected a member: attempts begun before its end may end after it."""
    ends = math.inf if injury.lingers else injury.healed + 2 * PATIENCE
    return injury.began <= cut_off.at <= ends
