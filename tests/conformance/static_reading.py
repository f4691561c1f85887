"""Compares the module that `--static` makes with the one that importing the client makes, for each class.

`python -m tests.conformance.static_reading` goes through the whole corpus and writes the table of
`docs/static.md`; `CLIENTS="redis* httpx*"` takes a few of them and only prints. What is compared is the text
that is laid out and checked then: both depend on it alone.
"""

from __future__ import annotations

import difflib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from connpool_gen import GenerateRequest, GenerationError
from connpool_gen.building.build import build
from connpool_gen.building.hooks import apply_hooks
from connpool_gen.reading import mypy_reader
from connpool_gen.reading.read import read
from connpool_gen.reading.type_checker import TypeChecker
from connpool_gen.rendering.format import format_source
from connpool_gen.rendering.render import render
from tests.conformance.corpus import ALL, CLIENTS, HERE, Client
from tests.conformance.workshop import BUILD

DOCUMENT = HERE.parents[1] / "docs" / "static.md"
START, END = (
    "<!-- table: written by tests/conformance/static_reading.py -->",
    "<!-- end of table -->",
)

# Why the text of a class cannot give what the running class shows. A class that is not listed here must
# give the same module in both ways.
DISPATCH = (
    "`sqlalchemy.event` puts `dispatch` into the class while the package is imported; the text only "
    "declares it, so the docstring and the place of this one member differ"
)
REASONS: dict[str, str] = {
    "mypy_boto3_s3.client:S3Client": (
        "its methods have no code: botocore makes the class that runs. The wrapper imports it for type "
        "checkers only, and defaults that are `...` are botocore's own, where the other way passes the `...` on"
    ),
    "sqlite3:Connection": (
        "written in C: the stub of the standard library has other names of parameters, other methods of "
        "this version of Python, no docstrings"
    ),
    "sqlalchemy.orm:Session": DISPATCH,
    "sqlalchemy.engine:Connection": DISPATCH,
}


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
    """Make the module of a class in both ways; the type checker is asked once where both ask the same."""
    request = GenerateRequest(
        client=client.path,
        output=Path(tempfile.gettempdir(), "static_reading", f"{client.slug}.py"),
        verify=False,
        import_timeout=600.0,
        cache_dir=cache,
    )
    with asked_once():
        try:
            usual, first = timed(request)
            static, second = timed(replace(request, static=True))
        except GenerationError as error:
            return Compared(client, 0, 0, 0.0, 0.0, str(error))
    if usual == static:
        return Compared(client, 0, len(usual.splitlines()), first, second)
    usual, static = format_source(usual), format_source(static)
    lines = list(differing_lines(usual, static))
    return Compared(client, len(lines), len(usual.splitlines()), first, second)


def timed(request: GenerateRequest) -> tuple[str, float]:
    """Give the text of a module below its header, not yet laid out, and the seconds of reading the client."""
    started = time.monotonic()
    with TypeChecker(request.cache_dir) as checker:
        facts = read(request, checker)
    seconds = time.monotonic() - started
    return render(apply_hooks(build(facts, request).module), None, {}), seconds


@contextmanager
def asked_once() -> Iterator[None]:
    """Let the type checker answer the same question once: it takes most of the time."""
    asked = mypy_reader.read_static
    known: dict[str, Any] = {}

    def remembering(
        targets: Any, search: Any, checker: Any, cache_dir: Any, annotated: Any = ()
    ) -> Any:
        key = repr((targets, search, annotated))
        if key not in known:
            known[key] = asked(targets, search, checker, cache_dir, annotated)
        return known[key]

    mypy_reader.read_static = remembering
    try:
        yield
    finally:
        mypy_reader.read_static = asked


def differing_lines(usual: str, static: str) -> Iterator[str]:
    """Yield the lines that only one of the modules has, as a diff shows them."""
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
        "| class | lines that only one of the modules has | why |",
        "|---|--:|---|",
    ]
    lines += [
        f"| `{row.client}` | {row.differing} | {REASONS.get(row.client.path, row.error)} |"
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
