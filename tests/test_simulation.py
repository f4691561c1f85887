"""When servers are slow, gone or back, callers suffer no more than these bounds; all in virtual time."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.simulation import page, scenarios
from benchmarks.simulation.scenarios import BALANCERS, BREAKERS, Figures
from connpool_runtime.middleware import Retry

CALLS = 3000
# Balancers that look at the members' load or latency, and those that do not.
SEEING = ("least_request", "peak_ewma", "consistent_hash")
BLIND = ("round_robin", "random")


def ended(play: Callable[..., Figures], **options: object) -> Figures:
    return play(**{"calls": CALLS, **options})


def test_one_seed_gives_one_course_of_events() -> None:
    """Playing a scene again gives the very same figures."""
    assert ended(scenarios.one_slow, calls=500) == ended(scenarios.one_slow, calls=500)


@pytest.mark.parametrize("balancer", BALANCERS)
def test_in_a_healthy_pool_the_balancer_does_not_matter(balancer: str) -> None:
    """The tail is that of the servers: ln(100) times the mean of 10 ms is 46 ms."""
    assert ended(scenarios.well, balancer=balancer)["p99 ms"] < 60


@pytest.mark.parametrize("balancer", SEEING)
def test_a_slow_server_gets_few_calls(balancer: str) -> None:
    """Where 10 % would be its share and 1 % what it can serve; the tail stays that of the others."""
    figures = ended(scenarios.one_slow, balancer=balancer)
    assert figures["to the slow one %"] < 4
    assert figures["p99 ms"] < 150


@pytest.mark.parametrize("balancer", BLIND)
def test_without_looking_a_slow_server_ruins_the_tail(balancer: str) -> None:
    """The other balancers exist for this case: the simulation shows the difference."""
    figures = ended(scenarios.one_slow, balancer=balancer)
    assert figures["to the slow one %"] > 8
    assert figures["p99 ms"] > 1000


def test_peak_ewma_sees_what_a_pool_with_few_calls_cannot_count() -> None:
    """Twenty pools have few calls in flight each: latency is the better signal."""
    by_latency = ended(scenarios.one_slow, balancer="peak_ewma", pools=20)
    by_count = ended(scenarios.one_slow, balancer="least_request", pools=20)
    assert by_latency["p99 ms"] < 100 < by_count["p99 ms"]


@pytest.mark.parametrize("balancer", BLIND)
def test_a_breaker_on_slow_calls_bounds_the_harm(balancer: str) -> None:
    """A slow server is ejected like one that fails, once there were enough calls to judge by."""
    without = ended(scenarios.one_slow, calls=8000, balancer=balancer)
    figures = ended(scenarios.one_slow, calls=8000, balancer=balancer, **BREAKERS["shares"])
    assert figures["to the slow one %"] < without["to the slow one %"] / 3


@pytest.mark.parametrize("balancer", BALANCERS)
def test_a_broken_server_costs_a_few_calls(balancer: str) -> None:
    """Five failures and the probes, whatever the balancer."""
    assert ended(scenarios.one_fails, balancer=balancer)["failed %"] < 0.4


@pytest.mark.parametrize("balancer", SEEING)
@pytest.mark.parametrize("share", [0.0005, 0.002, 0.01])
def test_rare_failures_do_not_gather_the_calls_on_few_servers(balancer: str, share: float) -> None:
    """A server that has failed one call in hundreds gets calls all the same; otherwise the others would get them in bursts."""
    without = ended(scenarios.rare_failures, calls=6000, balancer=balancer, share=0.0)
    figures = ended(scenarios.rare_failures, calls=6000, balancer=balancer, share=share)
    assert figures["p99 ms"] < 1.15 * without["p99 ms"]
    assert figures["calls at a time"] < 3 * without["calls at a time"]


def test_without_a_breaker_a_broken_server_attracts_calls() -> None:
    """It always looks idle: more than its tenth goes there."""
    figures = ended(scenarios.one_fails, balancer="least_request", **BREAKERS["no breaker"])
    assert figures["to the broken one %"] > 12


@pytest.mark.parametrize("balancer", SEEING)
def test_a_server_that_hangs_gets_next_to_nothing(balancer: str) -> None:
    """A server whose calls never end is never the less busy one."""
    assert ended(scenarios.one_hangs, balancer=balancer)["failed %"] < 1


@pytest.mark.parametrize("balancer", BLIND)
def test_a_server_that_hangs_is_cut_off_by_the_deadlines_of_callers(balancer: str) -> None:
    """It meets them more often than the others do; a third of the calls would be lost."""
    assert ended(scenarios.one_hangs_for_callers, balancer=balancer)["failed %"] < 8


@pytest.mark.parametrize("seed", range(3))
def test_callers_without_patience_cut_nobody_off(seed: int) -> None:
    """They give up on all servers alike."""
    figures = ended(scenarios.callers_without_patience, seed=seed)
    assert figures["failed %"] > 80
    assert figures["ejected"] == 0


@pytest.mark.parametrize("balancer", BALANCERS)
def test_a_large_fleet_is_used_evenly(balancer: str) -> None:
    """With 300 servers of which 6 are broken, few calls fail and none has much more than its share."""
    figures = ended(scenarios.thousand, calls=6000, servers=300, broken=6, balancer=balancer)
    assert figures["failed %"] < 1.0
    assert figures["busiest / mean"] < 2.5
    assert figures["p99 ms"] < 70


@pytest.mark.parametrize("balancer", BALANCERS)
def test_nobody_runs_to_a_server_that_is_back(balancer: str) -> None:
    """Its largest burst is no larger than half as much again as that of the others."""
    figures = ended(scenarios.recovery, calls=9000, balancer=balancer)
    assert figures["burst / burst of the others"] < 1.5
    assert figures["p99 ms"] < 70


@pytest.mark.parametrize("servers", [3, 5, 10])
def test_servers_restarted_in_turn_lose_no_call(servers: int) -> None:
    """With the defaults, all servers but one are up at any time, and no call is lost."""
    assert scenarios.rolling(servers)["lost"] == 0


def test_of_two_servers_restarted_in_turn_few_calls_are_lost() -> None:
    """While one of two is away, no more than one call in thirty is lost: retries have a budget."""
    figures = scenarios.rolling(2)
    assert figures["lost"] < figures["calls"] / 30


@pytest.mark.parametrize(("servers", "dead"), [(2, 1), (3, 2), (5, 4), (10, 9)])
def test_one_server_that_is_well_is_enough(servers: int, dead: int) -> None:
    """However many servers are gone, with the defaults next to no call is lost while one is there."""
    figures = scenarios.gone(servers, dead)
    assert figures["lost"] <= servers
    assert figures["calls"] > 3000


def test_a_cap_on_ejections_loses_calls_when_most_servers_are_gone() -> None:
    """No cap is set by default: a member that may not be ejected takes calls that cannot be served."""
    figures = scenarios.gone(3, 2, max_ejection_share=0.5)
    assert figures["lost"] > figures["calls"] / 10


def test_without_panic_restarts_in_turn_cut_everybody_off() -> None:
    """A panic is on by default: the simulation tells a pool with it from a pool without it."""
    figures = scenarios.rolling(3, panic_threshold=0.0, max_ejection_share=1.0)
    assert figures["lost"] > figures["calls"] / 10


NOBODY = {"first ejected": 0.0, "others ejected": 0.0, "refused %": 0.0}
SEEDS = (1, 2, 3)
PLAIN = {"max_fails": 0}  # no other rule


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("servers", [1, 3, 10])
@pytest.mark.parametrize("share", [0.5, 0.9, 1.0])
def test_mistakes_of_callers_cut_nobody_off(share: float, servers: int, seed: int) -> None:
    """When half, nine in ten or all of the calls end in an unknown error everywhere, it is about the calls."""
    assert ended(scenarios.mistakes, share=share, servers=servers, seed=seed) == NOBODY


def test_a_simple_breaker_cuts_everybody_off_for_mistakes() -> None:
    """With `unknown_errors="failure"` the same callers get all servers ejected: the simulation shows it."""
    figures = ended(scenarios.mistakes, unknown_errors="failure", panic_threshold=0.0)
    assert figures["first ejected"] > 0
    assert figures["others ejected"] > 1
    assert figures["refused %"] > 50


@pytest.mark.parametrize("seed", SEEDS)
def test_a_server_with_an_error_of_its_own_is_cut_off(seed: int) -> None:
    """One of three that answers each call with a private error: seven calls more than by a fixed rule."""
    fixed = ended(scenarios.flawed, seed=seed, unknown_errors="failure")
    figures = ended(scenarios.flawed, seed=seed)
    assert figures["first ejected"] == fixed["first ejected"] == 1
    assert figures["others ejected"] == 0
    assert figures["calls to the flawed one"] <= fixed["calls to the flawed one"] + 7


@pytest.mark.parametrize("seed", SEEDS)
def test_a_server_that_fails_every_second_call_is_cut_off(seed: int) -> None:
    """One of ten with an unknown error in half of its calls: within thirty calls, and it alone."""
    figures = ended(scenarios.flawed, servers=10, share=0.5, seed=seed)
    assert figures["first ejected"] == 1
    assert figures["others ejected"] == 0
    assert figures["calls to the flawed one"] <= 30


@pytest.mark.parametrize("seed", SEEDS)
def test_a_flawed_server_takes_nobody_along(seed: int) -> None:
    """While half of the callers make mistakes, one of three answers nothing else: it alone is ejected."""
    figures = ended(scenarios.flawed, mistaken=0.5, seed=seed)
    assert figures["first ejected"] == 1
    assert figures["others ejected"] == 0
    assert figures["refused %"] == 0
    assert figures["calls to the flawed one"] <= 40


def test_a_server_alone_is_never_cut_off_for_unknown_errors() -> None:
    """A single server has no other to be compared with, however many calls end so."""
    figures = ended(scenarios.flawed, servers=1)
    assert figures.pop("calls to the flawed one") > CALLS / 2
    assert figures == NOBODY


WORSE = [{"slower": 10.0}, {"failing": 0.3}]


@pytest.mark.parametrize("seed", SEEDS[:2])
@pytest.mark.parametrize("servers", [3, 10])
@pytest.mark.parametrize("worse", WORSE, ids=str)
def test_a_server_that_is_worse_than_the_others_is_cut_off(
    worse: dict[str, float], servers: int, seed: int
) -> None:
    """Ten times slower, or with 30 % errors: it alone, after two intervals' share of the calls at most."""
    calls = servers * 1600
    figures = ended(scenarios.outliers, calls=calls, servers=servers, seed=seed, **PLAIN, **worse)
    assert figures["first ejected"] == 1
    assert figures["others ejected"] == 0
    assert figures["calls to the first since then"] <= 2 * 2.0 * 0.3 * 600 * 1.2


@pytest.mark.parametrize("seed", SEEDS[:2])
@pytest.mark.parametrize("worse", WORSE, ids=str)
def test_when_all_servers_are_worse_nobody_is_cut_off(worse: dict[str, float], seed: int) -> None:
    """Among servers that are equally bad, or equally well, no one is an outlier."""
    all_of_them = {"everybody": True, **PLAIN, **worse}
    figures = ended(scenarios.outliers, calls=9000, servers=10, seed=seed, **all_of_them)
    assert figures.pop("calls to the first since then") > 0
    assert figures == NOBODY


def test_without_a_comparison_a_worse_server_keeps_its_share() -> None:
    """No rule of a breaker finds it: the simulation shows it."""
    off = {"outlier_success_rate_stdev": 0.0, "outlier_latency_stdev": 0.0}
    figures = ended(scenarios.outliers, calls=9000, failing=0.3, **PLAIN, **off)
    assert figures["first ejected"] == 0
    assert figures["calls to the first since then"] > 500


@pytest.mark.parametrize("restarted", [1, 3])
def test_a_restart_while_nobody_calls_costs_one_call_for_each_server(restarted: int) -> None:
    """However many idle connections died: one disconnect marks all as stale, and no server is ejected."""
    figures = scenarios.restart_while_idle(restarted=restarted)
    assert (
        figures["connections that died"] > 5 * restarted
    )  # as many in a row would open the breaker
    assert figures["lost"] <= restarted
    assert figures["back after ms"] < 100
    assert scenarios.restart_while_idle(restarted=restarted, middleware=(Retry(),))["lost"] == 0


@pytest.mark.parametrize("balancer", ["round_robin", "least_request"])
def test_a_server_that_nobody_can_connect_to_keeps_few_callers_waiting(balancer: str) -> None:
    """No more connect at a time than may; they go elsewhere, in the end of half a second that a call may wait."""
    figures = ended(scenarios.connects_hang, balancer=balancer)
    assert figures["connecting at a time"] == 2
    assert figures["failed %"] == 0
    assert 500 < figures["longest ms"] < 700


@pytest.mark.parametrize("balancer", ["round_robin", "least_request"])
def test_connections_that_are_not_let_go_keep_nobody_waiting(balancer: str) -> None:
    """Neither a call, nor the closing of other connections, nor the end of the pool's `close` in its time."""
    figures = ended(scenarios.closes_hang, balancer=balancer)
    assert figures["failed %"] == 0
    assert figures["p99 ms"] < 70
    assert figures["opened by the others"] > 2 * figures["open in the end"]
    assert figures["open in the end"] <= 2 * 20
    assert figures["close takes s"] <= 2.0


def test_the_page_is_made_of_what_was_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table for each scene between the markers, and a picture beside it."""
    readme, svg = tmp_path / "README.md", tmp_path / "one_slow.svg"
    readme.write_text("before\n<!-- tables -->\nold\n<!-- /tables -->\nafter\n")
    monkeypatch.setattr(page, "README", readme)
    monkeypatch.setattr(page, "PICTURE", svg)
    scene = page.Scene("A slow one", scenarios.one_slow)
    figures = {"p50 ms": 7.5, "p99 ms": 9000.0}
    page.write([(scene, [("random", "no breaker", "", figures)])])
    assert "| random | no breaker | 7.5 | 9,000 |" in readme.read_text()
    assert "old" not in readme.read_text()
    assert "9,000 ms" in svg.read_text()


def test_the_committed_page_has_room_for_the_tables() -> None:
    """The page has the markers, once."""
    assert len(page.MARKED.findall(page.README.read_text())) == 1
