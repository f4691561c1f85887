"""The demo does what it says, and fails when it should."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from connpool_runtime import BreakerChanged, BreakerState, MemberAdded
from demo.summary import Summary
from demo.timeline import Timeline

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.servers
def test_the_demo_loses_no_call() -> None:
    """One server of three is killed and comes back: no call is lost, the member is ejected and recovers."""
    command = [sys.executable, "-W", "error", "-m", "demo"]
    done = subprocess.run(command, cwd=EXAMPLES, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    for row in (
        r"calls lost +│ 0 ",
        r"eject the killed server +│ \d+\.\d+ s",
        r"its restart +│ \d+\.\d+ s",
        r'^connpool_calls_total\{method="hget",outcome="success",pool="redis"\} [1-9]',
        r'^connpool_trips_total\{member="b",pool="redis"\} [1-9]',
        r"b: \d+ calls, \d+ failures, open",
    ):
        assert re.search(row, done.stdout, re.MULTILINE), row


def summary_of(**changes: object) -> Summary:
    good: dict[str, object] = {"calls": 9, "lost": [], "ejected_after": 0.1, "recovered_after": 0.9}
    return Summary(**{**good, **changes})  # type: ignore[arg-type]  # one value per field


@pytest.mark.parametrize(
    "change",
    [
        {"lost": [ConnectionError("gone")]},
        {"calls": 0},
        {"ejected_after": None},
        {"recovered_after": None},
    ],
)
def test_what_is_not_good(change: dict[str, object]) -> None:
    """A lost call, no call at all, a member that was never ejected or never came back: each is a failure."""
    assert summary_of().is_good
    assert not summary_of(**change).is_good


def changed(member: str, after: BreakerState) -> BreakerChanged:
    return BreakerChanged(pool="p", member=member, before=after, after=after, cause=None)


def test_the_timeline_takes_the_first_opening_and_the_last_closing() -> None:
    """Only the victim's breaker counts; later openings are probes of a server that is still dead."""
    timeline = Timeline("b")
    timeline(MemberAdded(pool="p", member="b"))
    timeline(changed("a", BreakerState.OPEN))
    assert timeline.seconds_to_open(since=0.0) is None
    timeline(changed("b", BreakerState.OPEN))
    first = timeline.seconds_to_open(since=0.0)
    timeline(changed("b", BreakerState.HALF_OPEN))
    timeline(changed("b", BreakerState.OPEN))
    assert timeline.seconds_to_open(since=0.0) == first
    assert not timeline.has_recovered
    assert timeline.seconds_to_close(since=0.0) is None
    timeline(changed("b", BreakerState.CLOSED))
    assert timeline.has_recovered
