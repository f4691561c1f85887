"""Writes results as annotations of a GitHub workflow: `::error file=...,line=...::text`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from connpool_gen.config.paths import seen_from
from connpool_gen.output.run import Gone, Result, Status

# The first line of a diff's hunk in the old file, and the number of unchanged lines it begins with.
HUNK = re.compile(r"^@@ -(?P<line>\d+)", re.MULTILINE)


def workflow_annotations(results: Sequence[Result], gone: Sequence[Gone] = ()) -> str:
    """Return one line for each thing to know; nothing if all is well.

    What stops a merge is an error: a failure, an output out of date, a breaking change. All else is a notice.
    """
    lines = [line for result in results for line in lines_of(result)]
    lines += [workflow_command("error", one.path, str(one)) for one in gone]
    return "".join(f"{line}\n" for line in lines)


def lines_of(result: Result) -> Iterator[str]:
    """Yield the annotations of one result."""
    path = result.request.output_path
    if result.status is Status.ERROR:
        yield workflow_command("error", path, result.error)
    drift = result.drift.lines if result.drift is not None else ()
    if result.status is Status.STALE:
        text = "\n".join(["out of date", *drift, result.remedy])
        yield workflow_command("error", path, text, first_line(result.diff))
    else:
        yield from (workflow_command("notice", path, line) for line in drift)
    for change in result.surface or ():
        level, word = ("error", "breaking") if change.breaking else ("notice", "compatible")
        yield workflow_command(level, path, f"{word}: {change.text}")
    for note in result.made.notes if result.made is not None else ():
        yield workflow_command("warning", path, note)


def first_line(diff: str) -> int:
    """Return the line of the old file at which a diff begins; 1 if there was no file."""
    found = HUNK.search(diff)
    return max(1, int(found["line"])) if found is not None else 1


def workflow_command(level: str, path: Path, text: str, line: int = 1) -> str:
    """Return one command of a workflow; GitHub wants paths relative to its checkout."""
    place = escaped(from_workspace(path)).replace(":", "%3A").replace(",", "%2C")
    return f"::{level} file={place},line={line},title=connpool-gen::{escaped(text)}"


def escaped(text: str) -> str:
    """Escape what would end a command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def from_workspace(path: Path) -> str:
    """Return a path relative to the checkout in a workflow, else to the working directory."""
    workspace = os.environ.get("GITHUB_WORKSPACE")
    if not workspace:
        return path.as_posix()
    return seen_from(path.resolve(), Path(workspace).resolve()).as_posix()
