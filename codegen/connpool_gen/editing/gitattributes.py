"""The line of `.gitattributes` by which GitHub folds wrappers in diffs and leaves them out of statistics."""

from __future__ import annotations

from pathlib import Path

from connpool_gen.errors import OutputError
from connpool_gen.output.write import current_text, replace_file

FILE = ".gitattributes"
ATTRIBUTE = "linguist-generated=true"


def attribute_line(output: Path) -> str:
    """Write the line for the folder of an output; beside other code only files that end as wrappers do."""
    folder = output.parent.as_posix()
    files = "*.py" if output.parent.name == "generated" else "*_pool.py"
    return f"{files if folder == '.' else f'{folder}/{files}'} {ATTRIBUTE}"


def add_attributes(folder: Path, lines: list[str]) -> list[str]:
    """Add the lines that the folder's `.gitattributes` lacks; give those that were added."""
    path = folder / FILE
    old = current_text(path) or ""
    new = [line for line in dict.fromkeys(lines) if line not in old.splitlines()]
    if new:
        start = old if not old or old.endswith("\n") else f"{old}\n"
        try:
            replace_file(path, start + "".join(f"{line}\n" for line in new))
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    return new
