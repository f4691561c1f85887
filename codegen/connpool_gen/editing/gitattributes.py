"""The line of `.gitattributes` by which GitHub collapses wrappers in diffs and leaves them out of statistics."""

from __future__ import annotations

from pathlib import Path

from connpool_gen.errors import OutputError
from connpool_gen.output.write import current_text, edited, replace_file

FILE = ".gitattributes"
ATTRIBUTE = "linguist-generated=true"


def attribute_line(output: Path) -> str:
    """Return the line for an output's folder; beside other code it covers only files named like wrappers."""
    folder = output.parent.as_posix()
    files = "*.py" if output.parent.name == "generated" else "*_pool.py"
    return f"{files if folder == '.' else f'{folder}/{files}'} {ATTRIBUTE}"


def add_attributes(folder: Path, lines: list[str]) -> list[str]:
    """Add the missing lines to the folder's `.gitattributes`; return those added."""
    path = folder / FILE
    old = current_text(path) or ""
    new = [line for line in dict.fromkeys(lines) if line not in old.splitlines()]
    if new:
        added = "".join(f"{line}\n" for line in new)

        def extended(text: str) -> str:
            return f"{text}\n{added}" if text and not text.endswith("\n") else text + added

        try:
            replace_file(path, edited(old, extended))
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    return new
