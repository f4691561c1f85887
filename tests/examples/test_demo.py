"""The demo does what it says, and fails when it should."""

import io
import os
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from connpool_runtime import BreakerChanged, BreakerState, MemberAdded
from demo.__main__ import PARTS, start_caches
from demo.load import Found
from demo.summary import Summary, remembered
from demo.timeline import Timeline

EXAMPLES = Path(__file__).parents[2] / "examples"
PICTURE = EXAMPLES.parent / "docs" / "images" / "demo.svg"


@pytest.mark.servers
def test_the_demo_loses_no_call(tmp_path: Path) -> None:
    """Of a service and of a cache one server of three is killed and comes back: no call is lost, only keys are; and it is drawn."""
    picture = tmp_path / "demo.svg"
    command = [sys.executable, "-W", "error", "-m", "demo", "--picture", str(picture)]
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent)}
    done = subprocess.run(
        command, cwd=EXAMPLES, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for row in (
        r"calls lost +│ 0 +│ 0 ",
        r"time to eject +│ \d+\.\d+ s +│ \d+\.\d+ s",
        r"time to recover +│ \d+\.\d+ s +│ \d+\.\d+ s",
        r"found before the kill +│ - +│ 100\.0%",
        r"found right after it +│ - +│ [89]\d\.\d%",
        r'^connpool_calls_total\{method="get_user",outcome="success",pool="users"\} [1-9]',
        r'^connpool_calls_total\{method="get",outcome="success",pool="cache"\} [1-9]',
        r'^connpool_trips_total\{member="b",pool="users"\} [1-9]',
        r"b: [\d,]+ ok, \d+ failed, open",
    ):
        assert re.search(row, done.stdout, re.MULTILINE), row
    *_, first, _, _, last = done.stdout.splitlines()
    assert re.fullmatch(
        r"One server of three was killed under load: 0 of [\d,]+ calls were lost\.", first
    )
    assert last.endswith("README.md")
    assert words_in(picture) >= {*PARTS, first, last}


def words_in(picture: Path) -> set[str]:
    """What an SVG made of a console says, line by line, without the rules beside titles."""
    lines: dict[str, str] = {}
    texts = ElementTree.parse(picture).getroot().iter("{http://www.w3.org/2000/svg}text")
    for text in texts:
        line = text.get("clip-path", "")
        lines[line] = lines.get(line, "") + (text.text or "").replace("\xa0", " ")
    return {line.strip(" ─\n") for line in lines.values()}


def test_the_committed_picture_is_of_this_demo() -> None:
    """The picture in the documentation shows the parts that the demo has, no call lost, and loads nothing from elsewhere."""
    words = words_in(PICTURE)
    assert words >= set(PARTS)
    assert any(re.search(r"0 of [\d,]+ calls were lost", line) for line in words)
    assert not re.search(r"(url\(|href=)[\"']?https?:", PICTURE.read_text())


def test_a_lost_call_is_said_last() -> None:
    """The sentences at the end tell how many calls were lost, and praise nothing then."""
    said = remembered([summary_of(), summary_of(lost=[ConnectionError("gone")], found=None)])
    assert said.startswith("One server of three was killed under load: 1 of 18 calls were lost.")
    assert "made again" not in said
    assert "keys are missing" in said
    assert "keys are missing" not in remembered([summary_of(found=None)])


def test_without_redis_the_demo_says_what_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no redis-server the cache is left out, loudly."""
    monkeypatch.setattr("local_servers.redis_server.find_spec", lambda name: None)
    monkeypatch.setattr("local_servers.redis_server.shutil.which", lambda name: None)
    console = Console(file=io.StringIO(), width=120)
    with ExitStack() as stack:
        assert start_caches(stack, console) == {}
    assert "LEFT OUT: the cache" in console.file.getvalue()  # type: ignore[attr-defined] # it is a StringIO


def summary_of(**changes: object) -> Summary:
    found = (Found(9, 0), Found(5, 4), Found(9, 0))
    good: dict[str, object] = {
        "title": "cache",
        "calls": 9,
        "lost": [],
        "ejected_after": 0.1,
        "recovered_after": 0.9,
        "found": found,
    }
    return Summary(**{**good, **changes})  # type: ignore[arg-type]  # one value per field


@pytest.mark.parametrize(
    "change",
    [
        {"lost": [ConnectionError("gone")]},
        {"calls": 0},
        {"ejected_after": None},
        {"recovered_after": None},
        {"found": (Found(5, 4), Found(9, 0), Found(9, 0))},
        {"found": (Found(9, 0), Found(9, 0), Found(5, 4))},
    ],
)
def test_what_is_not_good(change: dict[str, object]) -> None:
    """A lost call, no call at all, a member that was never ejected or never came back, keys that stay away: each is a failure."""
    assert summary_of().is_good
    assert summary_of(found=None).is_good
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
