"""Looks near a project for the folder that a module would be imported from, such as `src` or one above."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def hint(module: str, root: Path) -> str | None:
    """Say how to name the folder that a missing module is in; None if it is not near.

    Arguments:
        module: that is missing; only its first part is looked for.
        root: the project's folder, where it was looked for in vain.
    """
    name = module.partition(".")[0]
    for folder in folders_near(root):
        if is_module(folder, name):
            below = folder.parent == root
            shown = folder.relative_to(root) if below else folder
            return f"{shown} has {name}: --app-dir {shown}{'' if below else ', or run it there'}"
    return None


def folders_near(root: Path) -> Iterator[Path]:
    """Yield the folders below the project's, `src` first, then those above it."""
    try:
        below = [f for f in root.iterdir() if f.is_dir() and not f.name.startswith((".", "_"))]
    except OSError:
        below = []
    yield from sorted(below, key=lambda folder: (folder.name != "src", folder.name))
    yield from root.parents


def is_module(folder: Path, name: str) -> bool:
    """Return whether a folder has a module's file, or a package of this name."""
    try:
        return (folder / f"{name}.py").is_file() or (folder / name / "__init__.py").is_file()
    except OSError:  # a folder that may not be looked into
        return False
