"""Compares the module that `--static` makes with the one that importing the client makes, for each class.

`python -m tests.conformance.static_reading` goes through the whole corpus and writes the table of
`docs/static.md`; `CLIENTS="redis* httpx*"` takes a few of them and only prints. Neither run checks its
output with mypy: the same text would have the same findings.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from connpool_gen import GenerateRequest, GenerationError, generate
from tests.conformance.corpus import ALL, CLIENTS, HERE, Client
from tests.conformance.workshop import BUILD

DOCUMENT = HERE.parents[1] / "docs" / "static.md"
START, END = "<!-- table: written by tests/conformance/static_reading.py -->", "<!-- end of table -->"

# Why the text of a class cannot give what the running class shows. A class that is not listed here must
# give the same module in both ways.
REASONS: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Compared:
    """One class: the lines that differ, and the seconds that each way took."""

    client: Client
    differing: int
    lines: int
    imported: float
    read: float
    error: str = ""

    @property
    def is_same(self) -> bool:
        """Whether both ways give the same module."""
        return not self.differing and not self.error


def compared(client: Client, cache: Path) -> Compared:
    """Make the module of a class in both ways, without the check by mypy."""
    try:
        usual, first = timed(client, cache, static=False)
        static, second = timed(client, cache, static=True)
    except GenerationError as error:
        return Compared(client, 0, 0, 0.0, 0.0, str(error))
    lines = list(differing_lines(usual, static))
    return Compared(client, len(lines), len(usual.splitlines()), first, second)


def timed(client: Client, cache: Path, *, static: bool) -> tuple[str, float]:
    """Give the module below its header, and the seconds that making it took."""
    started = time.monotonic()
    text = body(client, cache, static=static)
    return text, time.monotonic() - started


def body(client: Client, cache: Path, *, static: bool) -> str:
    """Make a module and take the header off, which names the command."""
    request = GenerateRequest(
        client=client.path,
        output=Path(tempfile.gettempdir(), "static_reading", f"{client.slug}.py"),
        static=static,
        verify=False,
        cache_dir=cache,
    )
    text = generate(request).text
    return text.partition("# ruff: noqa\n")[2]


def differing_lines(usual: str, static: str) -> Iterator[str]:
    """Yield the lines that only one of the modules has, as a diff shows them."""
    import difflib

    for line in difflib.unified_diff(usual.splitlines(), static.splitlines(), n=0, lineterm=""):
        if line[:1] in "+-" and not line.startswith(("+++", "---")):
            yield line


def markdown(rows: list[Compared]) -> str:
    """Write the table of the document: the classes that differ, after the counts."""
    same = [row for row in rows if row.is_same]
    other = [row for row in rows if not row.is_same]
    lines = [
        f"{len(same)} of {len(rows)} classes give the same module, byte for byte, below the header.",
        "",
        "| class | lines that differ | why |",
        "|---|--:|---|",
    ]
    lines += [
        f"| `{row.client}` | {row.differing} of {row.lines} | {REASONS.get(row.client.path, row.error)} |"
        for row in other
    ]
    return "\n".join(lines)


def update(rows: list[Compared]) -> None:
    """Write the table into the document."""
    before = DOCUMENT.read_text()
    head, tail = before.partition(START)[0], before.partition(END)[2]
    DOCUMENT.write_text(f"{head}{START}\n{markdown(rows)}\n{END}{tail}")


def main() -> int:
    """Compare the chosen classes, tell of each, and write the table if all were chosen."""
    rows: list[Compared] = []
    os.chdir(tempfile.mkdtemp())
    for client in CLIENTS:
        row = compared(client, BUILD / "cache" / "static")
        rows.append(row)
        said = "same" if row.is_same else row.error or f"{row.differing} lines differ"
        print(f"{client}: {said} ({row.imported:.1f} s, {row.read:.1f} s)", flush=True)
    if CLIENTS == ALL:
        update(rows)
    unexplained = [row for row in rows if not row.is_same and row.client.path not in REASONS]
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
