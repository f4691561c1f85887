"""The chaos suite in short: one server killed, three restarted in turn; and what its figures mean."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from benchmarks.chaos import network, page
from benchmarks.chaos.callers import CutOff, Ended, ThreadCallers
from benchmarks.chaos.scenarios import (
    COOLDOWN,
    SCENARIOS,
    Bounds,
    Figures,
    Injury,
    figures_of,
    play,
)
from benchmarks.chaos.services import NAME, PATIENCE, Grpc, Redis, Service
from benchmarks.chaos.suite import reasons_to_skip
from connpool_runtime import BreakerChanged, BreakerState, HealthChanged
from tests.waiting import eventually

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
GOOD = Figures("Redis", "kill", "sync", 100, 0, 0.6, 0.1, 2.0, 0)


def assert_kept(service: Service, name: str, **options: Any) -> None:
    """Play a scenario with a synchronous and an asynchronous pool and hold both to its bounds."""
    scenario = BY_NAME[name]
    with service.hosts() as hosts:
        played = play(service, scenario, hosts, **options)
    assert [one.kind for one in played] == ["sync", "async"]
    for figures in played:
        assert figures.beyond(scenario.bounds_of(service, figures.kind)) == []


@pytest.mark.servers
@pytest.mark.chaos
def test_a_killed_server_costs_no_call() -> None:
    """A Redis is killed and comes back: it is ejected, no call is lost, and it serves again."""
    assert_kept(Redis(), "kill")


@pytest.mark.servers
@pytest.mark.chaos
def test_servers_restarted_in_turn_cost_no_call() -> None:
    """Three Redis, each 1 s away, the next goes 1 s after its return, under sixteen callers: two of three are up, no call is lost."""
    assert_kept(Redis(), "rolling restarts", callers=16)


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"lost": 1}, "1 calls lost"),
        ({"slowest": 60.0}, "the slowest took 60.00 s"),
        ({"ejected": None}, "ejected after None"),
        ({"ejected": 60.0}, "ejected after 60.0"),
        ({"returned": None}, "back after None"),
        ({"returned": 60.0}, "back after 60.0"),
        ({"falsely": 1}, "1 members ejected whose servers were healthy"),
    ],
)
def test_each_bound_can_be_broken(changed: dict[str, Any], complaint: str) -> None:
    """Figures beyond a bound are named, one by one; those within are not."""
    assert GOOD.beyond(Bounds()) == []
    (text,) = Figures(**{**_fields(GOOD), **changed}).beyond(Bounds())
    assert complaint in text
    assert text.startswith("Redis, sync, kill: ")


def _fields(figures: Figures) -> dict[str, Any]:
    return {name: getattr(figures, name) for name in Figures.__dataclass_fields__}


def test_who_need_not_be_cut_off_may_stay() -> None:
    """Without a bound for ejection, a member that was never ejected is within the bounds."""
    stayed = Figures(**{**_fields(GOOD), "ejected": None})
    assert stayed.beyond(Bounds(ejected=None)) == []


def seen(*, lingers: bool = False) -> Figures:
    """Figures of a made-up course of events: `a` is hurt from 10 to 12."""
    hurt: Any = SimpleNamespace(identity="a")
    well: Any = SimpleNamespace(identity="b")
    callers: Any = SimpleNamespace(
        kind="sync",
        ended=[
            Ended(9.0, 9.1, "a"),
            Ended(11.9, 12.1, "a"),  # began before the end of the fault
            Ended(12.5, 13.5, error=ValueError("lost")),
            Ended(14.0, 14.5, "a"),
            Ended(15.0, 15.1, "b"),
        ],
        cut_off=[
            CutOff(5.0, "a:1"),  # before the fault: falsely
            CutOff(10.4, "a:1#2"),
            CutOff(11.0, "a:1#2"),
            CutOff(12.0 + 3 * PATIENCE, "a:1"),  # long after it: falsely, if it does not linger
            CutOff(13.0, "b:1"),  # falsely
        ],
    )
    injuries = [Injury(hurt, 10.0, 12.0, lingers)]
    return figures_of("Redis", "kill", callers, injuries, {"a:1": hurt, "b:1": well})


def test_figures_are_read_off_the_notes() -> None:
    """Counts and times follow from answers, ejections and injuries of hosts, and from their times."""
    figures = seen()
    assert (figures.calls, figures.lost, figures.errors) == (5, 1, (("ValueError: lost", 1),))
    assert figures.slowest == pytest.approx(1.0)
    assert figures.ejected == pytest.approx(0.4)
    assert figures.returned == pytest.approx(2.5)
    assert figures.falsely == 3


def test_a_fault_that_lingers_excuses_later_ejections() -> None:
    """A member whose connections stay dead after the fault may be ejected after it."""
    assert seen(lingers=True).falsely == 2


def test_a_failed_probe_cuts_nobody_off() -> None:
    """Only a member that took calls before is ejected by a breaker that opens, or by health checks."""
    callers = ThreadCallers(lambda: pytest.fail("not opened"))

    def changed(before: BreakerState, after: BreakerState) -> BreakerChanged:
        return BreakerChanged(pool="p", member="a", before=before, after=after, cause=None)

    callers.listen(changed(BreakerState.HALF_OPEN, BreakerState.OPEN))
    callers.listen(changed(BreakerState.OPEN, BreakerState.CLOSED))
    callers.listen(HealthChanged(pool="p", member="a", healthy=True, cause=None))
    assert callers.cut_off == []
    callers.listen(changed(BreakerState.CLOSED, BreakerState.OPEN))
    callers.listen(HealthChanged(pool="p", member="b", healthy=False, cause=None))
    assert [one.member for one in callers.cut_off] == ["a", "b"]


def test_channels_have_bounds_of_their_own() -> None:
    """What holds for clients that mend their one connection themselves is used for these alone."""
    kill = BY_NAME["kill"]
    assert kill.channel_bounds is not None
    assert kill.bounds_of(Grpc(), "async") is kill.channel_bounds
    assert kill.bounds_of(Redis(), "async") is kill.bounds
    assert kill.bounds.returned > COOLDOWN


def test_what_cannot_be_played_has_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without hosts of their own all their scenarios are skipped, without netem only the one that needs it."""
    monkeypatch.setattr(network, "reason_against_hosts", lambda: "no root")
    names = [scenario.name for scenario in (*network.SCENARIOS, network.POOR_NETWORK)]
    assert reasons_to_skip() == dict.fromkeys(names, "no root")
    monkeypatch.setattr(network, "reason_against_hosts", lambda: None)
    monkeypatch.setattr(network, "reason_against_netem", lambda: "no netem")
    assert reasons_to_skip() == {network.POOR_NETWORK.name: "no netem"}
    monkeypatch.setattr(network, "reason_against_netem", lambda: None)
    assert reasons_to_skip() == {}


def test_the_page_has_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was played stands between the markers, scenario by scenario, with what was skipped below."""
    copy = tmp_path / "chaos.md"
    copy.write_text("before\n<!-- table -->\nold\n<!-- /table -->\nafter\n")
    monkeypatch.setattr(page, "PAGE", copy)
    stopped = Figures("gRPC", "stop", "async", 2000, 1, 0.55, None, None, 0)
    page.write([stopped, GOOD], {"poor network": "no netem"})
    text = copy.read_text()
    assert "old" not in text
    assert (
        "| kill | Redis | sync | 100 | 0 | 0.60 | 0.10 | 2.00 | 0 |\n| stop | gRPC | async | 2,000"
        in text
    )
    assert "| 0.55 | never | never | 0 |" in text
    assert "Not played on this machine, poor network: no netem" in text
    assert text.startswith("before\n")
    assert text.endswith("<!-- /table -->\nafter\n")


def test_the_committed_page_is_about_all_scenarios() -> None:
    """Every scenario is explained on the page, which has the markers once."""
    text = page.PAGE.read_text()
    assert len(page.MARKED.findall(text)) == 1
    for scenario in (*SCENARIOS, *network.SCENARIOS, network.POOR_NETWORK):
        assert scenario.name in text


@pytest.fixture
def distant_host() -> Iterator[network.DistantHost]:
    """A Redis on a host of its own, if this machine can have one."""
    reason = network.reason_against_hosts()
    if reason:
        pytest.skip(reason)
    with network.DistantHost(254, "distant") as host:
        yield host


def name_of(host: network.DistantHost) -> Any:
    """Ask a Redis for its name, without patience."""
    client = redis.Redis(
        host=host.server.host,
        port=host.server.port,
        socket_timeout=0.1,
        socket_connect_timeout=0.1,
        retry=Retry(NoBackoff(), 0),
    )
    with client:
        return client.get(NAME)


@pytest.mark.servers
@pytest.mark.parametrize("breaks", [network.Cable.unplug, network.Cable.lose_answers])
def test_a_cable_breaks_and_is_mended(
    distant_host: network.DistantHost, breaks: Callable[[network.Cable], None]
) -> None:
    """A host answers over its cable, not while the cable is broken either way, and again afterwards."""
    assert name_of(distant_host) == b"distant"
    breaks(distant_host.cable)
    with pytest.raises((redis.TimeoutError, redis.ConnectionError)):
        name_of(distant_host)
    distant_host.cable.plug()
    assert eventually(lambda: answers(distant_host))


def answers(host: network.DistantHost) -> bool:
    """Whether a host answers."""
    try:
        return bool(name_of(host) == b"distant")
    except redis.RedisError:
        return False


def test_a_cable_leaves_nothing() -> None:
    """A cut cable and its namespace are gone; cutting it again does nothing."""
    reason = network.reason_against_hosts()
    if reason:
        pytest.skip(reason)
    cable = network.Cable(255)
    end = Path("/sys/class/net") / cable.end
    assert end.exists()
    cable.cut()
    cable.cut()
    assert eventually(lambda: not end.exists())
