"""Reports a move: diffs and JSON to stdout, the summary to stderr."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from rich.table import Table

from connpool_gen.planning.ledger import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from connpool_gen.adopting.adopt import Adoption


def tell(adoption: Adoption, console: Console, *, written: bool, quiet: bool) -> None:
    """Print the diff, unless the files were written, then what is left and the counts."""
    if not written:
        sys.stdout.write("".join(file.diff() for file in adoption.files))
        sys.stdout.flush()
    for left in adoption.left:
        console.print(f"{left.path}:{left.line}: {left.what}: {left.reason}", markup=False)
        console.print(f"    {left.advice}", markup=False, style="dim")
    if quiet:
        return
    for kept in adoption.kept:
        console.print(f"{kept.path}:{kept.line}: {kept.what}", markup=False, style="dim")
    if adoption.moved:
        console.print(counts(adoption.moved))
    console.print(summary(adoption, written=written), markup=False)


def counts(moved: Mapping[str, int]) -> Table:
    """Return a table of the moved places, by what they are used for."""
    table = Table("moved", "places", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for role, count in sorted(moved.items(), key=lambda item: (-item[1], item[0])):
        table.add_row(role, str(count))
    return table


def summary(adoption: Adoption, *, written: bool) -> str:
    """Return one line with all counts and the next step."""
    places = sum(adoption.moved.values())
    did = "moved" if written else "would move"
    line = (
        f"{did} {counted(places, 'place')} in {len(adoption.files)} of {counted(adoption.looked_at, 'file')}; "
        f"{len(adoption.left)} left to you"
    )
    if adoption.files and not written:
        line += "; --write moves them"
    return line


def as_json(adoption: Adoption, *, written: bool) -> str:
    """Return the whole move as a JSON document for other programs."""
    data: dict[str, Any] = {
        "version": 1,
        "written": written,
        "files": [
            {"path": f.path.as_posix(), "moved": f.moved, "diff": f.diff()} for f in adoption.files
        ],
        "moved": dict(sorted(adoption.moved.items())),
        "left": [
            {
                "path": left.path,
                "line": left.line,
                "what": left.what,
                "reason": left.reason,
                "advice": left.advice,
            }
            for left in adoption.left
        ],
        "kept": [{"path": k.path, "line": k.line, "what": k.what} for k in adoption.kept],
        "files_read": adoption.looked_at,
        "expressions": adoption.uses,
        "type_checker_runs": adoption.runs,
    }
    return json.dumps(data, indent=2)
