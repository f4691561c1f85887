"""Lists the targets of a project: client, output file, and whether it is up to date."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from connpool_gen.output.changes import MISSING, Drift
from connpool_gen.output.run import Action, Result, Status, run_all

if TYPE_CHECKING:
    from connpool_gen.config.request import GenerateRequest
    from connpool_gen.pipeline import Progress

STYLES = {"up to date": "green", "out of date": "yellow", "missing": "yellow", "error": "red"}


def listed(
    requests: Sequence[GenerateRequest], watch: Callable[[GenerateRequest], Progress]
) -> list[Result]:
    """Check the targets; a target without a file is not generated for that."""
    return [
        found
        for request in requests
        for found in (
            run_all([request], Action.CHECK, force=True, watch=watch)
            if request.output_path.exists()
            else [Result(request=request, status=Status.STALE, drift=Drift((MISSING,)))]
        )
    ]


def state_of(result: Result) -> str:
    """Return the state of a target in words."""
    if result.status is Status.ERROR:
        return "error"
    if result.status is Status.UP_TO_DATE:
        return "up to date"
    missing = result.drift is not None and MISSING in result.drift.lines
    return "missing" if missing else "out of date"


def why(result: Result) -> str:
    """Return one line on why a target is not up to date, or what else there is to know."""
    lines = list(result.drift.lines) if result.drift is not None else []
    if result.error:
        lines = result.error.splitlines()
    lines = [line for line in lines if line != MISSING]
    more = f" (and {len(lines) - 1} more)" if len(lines) > 1 and not result.error else ""
    return lines[0] + more if lines else ""


def listing_table(results: Sequence[Result]) -> Table:
    """Return the table for people."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("client", "wrapper", "output", "state", ""):
        table.add_column(title, overflow="fold")
    for result in results:
        request, state = result.request, state_of(result)
        cells = (request.client, request.wrapper_name, request.output_path.as_posix())
        shown = f"[{STYLES[state]}]{state}[/]"
        table.add_row(*map(escape, cells), shown, escape(why(result)))
    return table


def listing_json(results: Sequence[Result]) -> str:
    """Return the same for programs."""
    return json.dumps({"version": 1, "targets": [target_data(r) for r in results]}, indent=2)


def target_data(result: Result) -> dict[str, Any]:
    """Turn one target into plain data."""
    data: dict[str, Any] = {
        "client": result.request.client,
        "wrapper": result.request.wrapper_name,
        "output": result.request.output_path.as_posix(),
        "state": state_of(result),
    }
    if result.error:
        data["error"] = result.error
    if result.drift is not None:
        data["changes"] = list(result.drift.lines)
    return data
