"""Reports results to the user: messages to stderr; diffs, modules and JSON to stdout."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connpool_gen.environment.interpreter import python_of, runtime_of
from connpool_gen.environment.runtime import advice
from connpool_gen.errors import OutputError
from connpool_gen.output.run import Gone, Result, Status
from connpool_gen.output.write import replace_file
from connpool_gen.planning.hints import policy_lines
from connpool_gen.planning.ledger import LEFT_OUT, Fate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import Console

    from connpool_gen.config.request import GenerateRequest
    from connpool_gen.output.breaking_changes import Change

# A screen has some 24 lines.
MANY_HINTS, FIRST_HINTS = 12, 8


class TextReport:
    """Prints each result as soon as it is known."""

    def __init__(self, console: Console, *, quiet: bool, verbose: bool) -> None:
        self._console = console
        self._quiet = quiet
        self._verbose = verbose

    def tell_pythons(self, requests: Sequence[GenerateRequest]) -> None:
        """Print which interpreters read the clients, if that is not the tool's own."""
        pairs = [(python_of(request), request.found_by) for request in requests]
        for python, found_by in dict.fromkeys(pairs):
            if not python.is_own:
                self._say(f"reading with {python.label} ({found_by})")

    def tell_runtimes(self, requests: Sequence[GenerateRequest]) -> None:
        """Print what wrappers need and an environment lacks."""
        for text in dict.fromkeys(
            advice(runtime_of(request), python_of(request).label) for request in requests
        ):
            if text is not None:
                self._say(text)

    def tell(self, results: Iterable[Result]) -> Iterator[Result]:
        """Print each result and pass it on."""
        for result in results:
            self._tell_one(result)
            yield result

    def _tell_one(self, result: Result) -> None:
        if result.status is Status.ERROR:
            self._console.print(f"error: {result.error}", style="red", markup=False)
        elif result.made is not None and result.status is Status.PRINTED:
            sys.stdout.write(result.made.text)
        elif result.status is Status.STALE:
            self._tell_drift(result)
        else:
            self._tell_done(result)
        if result.surface is not None:
            self._tell_surface(result.surface)

    def _tell_surface(self, surface: Sequence[Change]) -> None:
        """Print changes for callers; breaking ones even with --quiet."""
        for change in surface:
            if change.breaking:
                self._console.print(f"  breaking: {change.text}", style="red", markup=False)
            else:
                self._say(f"  compatible: {change.text}")
        if not surface:
            self._say("  nothing changed for callers")

    def _tell_drift(self, result: Result) -> None:
        sys.stdout.write(result.diff)
        sys.stdout.flush()
        self._console.print(f"stale: {result.request.output_path}", style="yellow", markup=False)
        for line in result.drift.lines if result.drift is not None else ():
            self._console.print(f"  {line}", markup=False)
        self._console.print(f"  {result.remedy}", markup=False)

    def _tell_done(self, result: Result) -> None:
        summary = ""
        if result.made is not None and result.status is not Status.UP_TO_DATE:
            summary = f" ({result.made.ledger.summary()})"
        self._say(f"{result.status.value} {result.request.output_path}{summary}")
        for line in result.drift.lines if result.drift is not None else ():
            self._say(f"  note: {line}")
        if result.made is not None and (self._verbose or result.status is not Status.UP_TO_DATE):
            self._tell_ledger(result)
            for note in result.made.notes:
                self._say(f"  {note}")
            self._tell_hints(result)

    def _tell_ledger(self, result: Result) -> None:
        """Print the skipped members and why; those that the user left out in one line.

        With --verbose what became of every member.
        """
        entries = result.made.ledger.entries if result.made is not None else ()
        unasked = [entry for entry in entries if entry.reason != LEFT_OUT]
        for entry in entries if self._verbose else unasked:
            if self._verbose or entry.fate is Fate.SKIPPED:
                reason = f": {entry.reason}" if entry.reason else ""
                self._say(f"  {entry.fate.value} {entry.name}{reason}")
        if not self._verbose and len(unasked) < len(entries):
            self._say(f"  {len(entries) - len(unasked)} {LEFT_OUT}")

    def _tell_hints(self, result: Result) -> None:
        """Print the client's own errors for which no policy says what they mean for a member.

        Of a client with many only the first ones, lest they push what became of its members off the screen.
        """
        hints = result.made.hints if result.made is not None else {}
        if not hints:
            return
        self._say(
            "  the client's own errors are judged by comparing members; list those that are answers under "
            "[tool.connpool-gen.target.methods]:"
        )
        lines = policy_lines(hints)
        shown = len(lines) if self._verbose or len(lines) <= MANY_HINTS else FIRST_HINTS
        for line in lines[:shown]:
            self._say(f"    {line}")
        if shown < len(lines):
            self._say(f"    and {len(lines) - shown} methods more: --verbose lists all of them")

    def _say(self, text: str) -> None:
        if not self._quiet:
            self._console.print(text, markup=False)


def as_json(results: Sequence[Result], gone: Sequence[Gone] | None = None) -> str:
    """Return all results as a JSON document for other programs; with `gone` if compared with a revision."""
    data: dict[str, Any] = {"version": 1, "targets": [result_data(r) for r in results]}
    if gone is not None:
        data["gone"] = [one.path.as_posix() for one in gone]
        data["breaking"] = bool(gone) or any(result.breaks for result in results)
    return json.dumps(data, indent=2)


def result_data(result: Result) -> dict[str, Any]:
    """Convert one result to plain data."""
    data: dict[str, Any] = {
        "client": result.request.client,
        "output": result.request.output_path.as_posix(),
        "status": result.status.value,
        "python": python_data(result.request),
    }
    if result.error:
        data["error"] = result.error
    if result.drift is not None:
        data["changes"] = list(result.drift.lines)
        data["only_tool_version"] = result.drift.only_tool
        data["diff"] = result.diff
    if result.surface is not None:
        data["breaking"] = [change.text for change in result.surface if change.breaking]
        data["compatible"] = [change.text for change in result.surface if not change.breaking]
    if result.made is not None:
        data["members"] = result.made.ledger.counts()
        data["notes"] = list(result.made.notes)
    return data


def python_data(request: GenerateRequest) -> dict[str, Any]:
    """Convert the interpreter of a request, and its runtime, to plain data."""
    python, runtime = python_of(request), runtime_of(request)
    return {
        "executable": python.executable,
        "version": python.number,
        "found_by": request.found_by,
        "runtime": runtime and {"version": runtime.version, "fits": runtime.fits},
    }


def write_ledger(path: Path, results: Sequence[Result]) -> None:
    """Write the ledgers of a run to a file: JSON if its name ends in `.json`, else a plain text table.

    An old file is replaced whole or stays; a pipe or a device is written to.
    """
    made = [(result.request, result.made.ledger) for result in results if result.made is not None]
    if path.suffix == ".json":
        data = {request.client: ledger.as_data() for request, ledger in made}
        text = json.dumps(data, indent=2) + "\n"
    else:
        parts = [f"{request.client}\n\n{ledger.table()}" for request, ledger in made]
        text = "\n".join(parts)
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, "utf-8")
        else:
            replace_file(path, text)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
