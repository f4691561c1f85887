"""The benchmarks run, and judge as they say."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks import breakers, generation, harness, members, picture, report, threads
from benchmarks.__main__ import GROUPS
from benchmarks.breaker_peers import Breaker
from benchmarks.measurement import Bar
from tests.thorough import thorough

LOWER = Bar("cost", 10, 6)
HIGHER = Bar("throughput", 0.8, 0.95, better="higher")
EXACT = Bar("count", 100, 100, better="exact", unit="")


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let every group do as little as it can: the figures then mean nothing."""
    monkeypatch.setattr(harness, "ROUND_SECONDS", 1e-5)
    monkeypatch.setattr(threads, "CALLS_PER_ROUND", 160)
    small = [replace(target, client="smtplib:SMTP") for target in generation.TARGETS]
    monkeypatch.setattr(generation, "TARGETS", small)
    monkeypatch.setattr(generation, "CHECKED", small[0])
    monkeypatch.setattr(generation, "TURNS", 1)
    monkeypatch.setattr(generation, "WARM", tmp_path)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    "group",
    [pytest.param(g, marks=thorough if g in (generation, members) else ()) for g in GROUPS],
    ids=lambda group: group.__name__,
)
def test_every_bar_is_measured(group: ModuleType) -> None:
    """Each group measures a positive figure, or a count, for each of its bars and nothing else."""
    measured = group.measure()
    assert measured.figures.keys() == group.BARS.keys()
    assert all(figure >= 0 for figure in measured.figures.values())
    assert all(cost > 0 for cost in measured.nanoseconds.values())


def test_a_slower_candidate_costs_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A candidate that does ten times the work is measured as several times as slow."""
    monkeypatch.setattr(harness, "ROUND_SECONDS", 1e-3)
    short, long = range(100), range(1000)
    cost = harness.nanoseconds(
        {
            "short": harness.of_calls(lambda: sum(short)),
            "long": harness.of_calls(lambda: sum(long)),
        },
        rounds=5,
    )
    assert cost["long"] > 3 * cost["short"]


@pytest.mark.parametrize(
    ("bar", "figure", "verdict"),
    [
        (LOWER, 6.0, "moonshot"),
        (LOWER, 10.0, "met"),
        (LOWER, 10.1, "MISSED"),
        (HIGHER, 0.95, "moonshot"),
        (HIGHER, 0.8, "met"),
        (HIGHER, 0.79, "MISSED"),
        (EXACT, 100, "moonshot"),
        (EXACT, 101, "MISSED"),
        (Bar("information"), 99.0, "-"),
    ],
)
def test_verdicts(bar: Bar, figure: float, verdict: str) -> None:
    """A figure that equals a limit reaches it; one on the wrong side is called missed."""
    assert report.Row(bar, [figure]).cells()[-1] == verdict
    assert report.Row(bar, [figure]).is_met == (verdict != "MISSED")


def test_the_median_of_the_processes_counts() -> None:
    """One slow process does not miss a bar, most of them do."""
    assert report.Row(LOWER, [5.0, 5.0, 50.0]).is_met
    assert not report.Row(LOWER, [5.0, 50.0, 50.0]).is_met


def test_every_count_must_be_right() -> None:
    """One process that miscounts misses the bar, whatever the median."""
    row = report.Row(EXACT, [100, 100, 99])
    assert not row.is_met
    assert row.cells()[-1] == "MISSED"


def test_the_table_replaces_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing again replaces what stands between the markers and leaves the rest of the page alone."""
    page = tmp_path / "README.md"
    page.write_text("before\n<!-- table -->\nold\n<!-- /table -->\nafter\n")
    monkeypatch.setattr(report, "README", page)
    monkeypatch.setattr(report, "PICTURE", tmp_path / "bars.svg")
    monkeypatch.setattr(report, "COST", tmp_path / "cost.svg")
    report.write([report.Row(LOWER, [5.0])], {"bare call": 40.0})
    report.write([report.Row(LOWER, [7.0])], {"bare call": 40.0})
    text = page.read_text()
    assert text.startswith("before\n<!-- table -->\n")
    assert text.endswith("<!-- /table -->\nafter\n")
    assert "| cost | 7.00x | 7.00x .. 7.00x | <= 10.00x | <= 6.00x | met |" in text
    assert "old" not in text
    assert "5.00x" not in text
    assert "0.04 \N{MICRO SIGN}s" in (tmp_path / "cost.svg").read_text()


def test_the_costs_at_a_glance_are_measured() -> None:
    """Each bar of the picture in the main README is about a cost that a group measures."""
    texts = "".join(path.read_text() for path in Path(report.__file__).parent.glob("*.py"))
    for _, key, _ in report.GLANCE:
        assert f'"{key}"' in texts or key in ("call with Retry", "call with bundle"), key


def test_the_picture_shows_what_takes_the_whole_bar() -> None:
    """What is missed is longer than its bar and red; what must be high is drawn by its inverse."""
    rows = [report.Row(LOWER, [20.0]), report.Row(HIGHER, [1.6]), report.Row(EXACT, [100.0])]
    drawn = report.draw(rows)
    missed, met = re.findall(r'<rect x="\d+" y="\d+" width="([\d.]+)"[^/]* fill="(.*?)"', drawn)
    assert float(missed[0]) == pytest.approx(4 * float(met[0]), rel=0.01)
    assert (missed[1], met[1]) == (picture.COLOURS["bad"], picture.COLOURS["good"])


def test_the_page_has_room_for_the_table() -> None:
    """The committed page has the markers between which the table is written, once."""
    assert len(report.MARKED.findall(report.README.read_text())) == 1


@pytest.mark.stress
@pytest.mark.parametrize("situation", breakers.SITUATIONS, ids=lambda one: one.__name__)
async def test_what_the_page_says_about_our_breaker_is_so(
    situation: Callable[[Breaker, breakers.Server], Awaitable[str]],
) -> None:
    """Each situation gives for ours what stands in the column of docs/breakers.md."""
    title = (situation.__doc__ or "").rstrip(".")
    (row,) = [
        line for line in breakers.PAGE.read_text().splitlines() if line.startswith(f"| {title} |")
    ]
    assert await breakers.try_out(situation, "connpool-runtime") == row.split(" | ")[1]
