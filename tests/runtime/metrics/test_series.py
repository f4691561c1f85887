"""What is exported, whatever the library."""

import re
from pathlib import Path

import pytest

from connpool_runtime.metrics.otel import NAMES, PREFIX
from connpool_runtime.metrics.series import DURATIONS, SERIES, Series

PAGE = Path(__file__).parents[3] / "docs" / "runtime.md"
ROWS = re.findall(r"^\| (`connpool_.*?) \| (.*?) \|", PAGE.read_text(), re.MULTILINE)


@pytest.mark.parametrize("series", [*SERIES, *DURATIONS], ids=lambda series: series.name)
def test_the_documentation_lists_every_series(series: object) -> None:
    """A row of the page has its names for both libraries, with suffix and labels."""
    assert hasattr(series, "name")
    assert hasattr(series, "labels")
    suffix = "_seconds"
    if isinstance(series, Series):
        suffix = "_total" if series.kind == "counter" else ""
    labels = "{" + ",".join(series.labels) + "}" if series.labels else ""
    (row,) = [row for row in ROWS if f"`connpool_{series.name}{suffix}{labels}`" in row[0]]
    assert f"`{PREFIX}{NAMES[series.name][0]}`" in row[1]


def test_the_documentation_lists_nothing_else() -> None:
    """Each name of the page is of a series, or of a middleware."""
    named = {name for row in ROWS for name in re.findall(r"`connpool_(\w+)", row[0])}
    known = {series.name for series in (*SERIES, *DURATIONS)}
    ours = {name if name in known else re.sub("_(total|seconds)$", "", name) for name in named}
    others = {"retry", "retries", "hedges", "fallbacks", "bulkhead", "concurrency", "method"}
    assert {name for name in ours if name.split("_")[0] not in others} == known
