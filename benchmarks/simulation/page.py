"""The tables and the picture."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import picture
from benchmarks.simulation import scenarios
from benchmarks.simulation.scenarios import BALANCERS, BREAKERS, Figures

README = Path(__file__).with_name("README.md")
PICTURE = Path(__file__).with_name("one_slow.svg")
MARKED = re.compile(r"(<!-- tables -->\n).*(<!-- /tables -->)", re.DOTALL)


@dataclass(frozen=True)
class Scene:
    """A table: what happens, and the ways of going through it."""

    title: str
    story: Callable[..., Figures]
    breakers: Sequence[str] = ("5 in a row",)
    variants: tuple[tuple[str, dict[str, Any]], ...] = (("", {}),)
    balancers: Sequence[str] = BALANCERS


CAPS = ((1.0, 0.0), (1.0, 0.01), (1.0, 0.3), (1.0, 0.5), (0.5, 0.0), (0.5, 0.5), (0.34, 0.0))
UNKNOWN_ERRORS = ("relative", "failure")

SCENES = (
    Scene("Ten servers, all well, at 67 % load", scenarios.well),
    Scene(
        "One of ten is ten times slower, at 60 % load",
        scenarios.one_slow,
        ("no breaker", "shares"),
        (("1 pool", {}), ("20 pools", {"pools": 20})),
    ),
    Scene(
        "One of ten refuses every call within a millisecond, at 67 % load",
        scenarios.one_fails,
        tuple(BREAKERS),
    ),
    Scene(
        "All ten fail a small share of their calls, at 60 % load",
        scenarios.rare_failures,
        variants=tuple((f"{share:.2%}", {"share": share}) for share in (0.0005, 0.002, 0.01)),
    ),
    Scene(
        "One of three hangs, and callers give up after a second, at 30 % load",
        scenarios.one_hangs,
        ("no breaker", "5 in a row"),
    ),
    Scene(
        "A thousand servers, twenty of which refuse every call, at 50 % load", scenarios.thousand
    ),
    Scene(
        "One of ten comes back after three seconds, and ten pools find out, at 60 % load",
        scenarios.recovery,
        variants=(("jitter 0.2", {}), ("no jitter", {"cooldown_jitter": 0.0})),
    ),
    Scene(
        "All servers are restarted in turn, or most of them are gone; callers try again",
        scenarios.ejections,
        balancers=("round_robin",),
        variants=tuple(
            (
                f"{servers} servers, cap {cap}, panic {panic}",
                {"servers": servers, "max_ejection_share": cap, "panic_threshold": panic},
            )
            for servers in (2, 3, 5, 10)
            for cap, panic in CAPS
        ),
    ),
    Scene(
        "Nine callers in ten make a mistake that no classifier knows, at 50 % load",
        scenarios.mistakes,
        balancers=("round_robin",),
        variants=tuple((kind, {"unknown_errors": kind}) for kind in UNKNOWN_ERRORS),
    ),
    Scene(
        "One server ends calls in an error that no classifier knows, at 30 % load",
        scenarios.flawed,
        balancers=("round_robin",),
        variants=tuple(
            (f"{name}, {kind}", {**options, "unknown_errors": kind})
            for name, options in (
                ("one of three, each call", {}),
                ("one of ten, every second call", {"servers": 10, "share": 0.5}),
                ("one of three, half of the callers get it everywhere", {"mistaken": 0.5}),
                ("one alone", {"servers": 1}),
            )
            for kind in UNKNOWN_ERRORS
        ),
    ),
    Scene(
        "Members are compared every two seconds; one becomes worse than the others, or all do, at 30 % load",
        scenarios.outliers,
        ("no breaker",),
        tuple(
            (f"{name}, {kind}", {**options, **rules})
            for name, options in (
                ("one of ten is ten times slower", {"slower": 10.0}),
                ("one of ten fails 30 % of its calls", {"failing": 0.3}),
                ("all ten fail 30 %", {"failing": 0.3, "everybody": True}),
                ("all ten are ten times slower", {"slower": 10.0, "everybody": True}),
            )
            for kind, rules in (
                ("compared", {}),
                ("not", {"outlier_success_rate_stdev": 0.0, "outlier_latency_stdev": 0.0}),
            )
        ),
        ("round_robin",),
    ),
    Scene(
        "Servers restart while nobody calls, and each has idle connections; nothing is tried again",
        scenarios.restart_while_idle,
        variants=tuple(
            (f"{restarted} of 3 restart", {"restarted": restarted}) for restarted in (1, 3)
        ),
        balancers=("round_robin", "least_request"),
    ),
    Scene(
        "One of three never answers who connects to it, at 20 % load",
        scenarios.connects_hang,
        balancers=("round_robin", "least_request"),
    ),
    Scene(
        "One of three lets go of no connection, at 30 % load; then the pool is closed within two seconds",
        scenarios.closes_hang,
        balancers=("round_robin", "least_request"),
    ),
)

Row = tuple[str, str, str, Figures]  # balancer, breaker, variant


def play(scene: Scene) -> list[Row]:
    """Go through a scene in all its ways."""
    return [
        (balancer, breaker, name, scene.story(balancer=balancer, **BREAKERS[breaker], **options))
        for breaker in scene.breakers
        for name, options in scene.variants
        for balancer in scene.balancers
    ]


def table(scene: Scene, rows: Sequence[Row]) -> str:
    """Write a scene's table."""
    varied = len(scene.variants) > 1
    head = ["balancer", "breaker", *["variant"] * varied, *rows[0][3]]
    lines = [f"### {scene.title}", "", _line(head), _line(["---"] * len(head))]
    for balancer, breaker, name, figures in rows:
        numbers = [f"{figure:,.2f}".rstrip("0").rstrip(".") for figure in figures.values()]
        lines.append(_line([balancer, breaker, *[name] * varied, *numbers]))
    return "\n".join([*lines, ""])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def draw(rows: Sequence[Row]) -> str:
    """Draw the tail latencies of the scene with one slow server."""
    bars = [
        picture.Bar(
            f"{balancer}, {breaker}, {name}",
            figures["p99 ms"],
            f"{figures['p99 ms']:,.0f} ms",
            "good" if figures["p99 ms"] < 100 else "fair" if figures["p99 ms"] < 1000 else "bad",
        )
        for balancer, breaker, name, figures in rows
    ]
    return picture.draw("One slow server of ten: 99th percentile", bars, logarithmic=True)


def write(played: Sequence[tuple[Scene, Sequence[Row]]]) -> None:
    """Write the tables into README.md, between the markers, and the picture beside it."""
    text = "\n".join(table(scene, rows) for scene, rows in played)
    README.write_text(MARKED.sub(lambda found: f"{found[1]}{text}{found[2]}", README.read_text()))
    for scene, rows in played:
        if scene.story is scenarios.one_slow:
            PICTURE.write_text(draw(rows))
