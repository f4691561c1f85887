"""Looks for a module that the project lacks: in folders near it, and in other environments of this machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from connpool_gen.environment import source_folders
from connpool_gen.environment.finding import (
    OWN,
    Place,
    environments,
    find_python,
    interpreter_in,
)
from connpool_gen.environment.interpreter import Interpreter, asked
from connpool_gen.errors import GenerationError

# Seconds: a hint is not worth a long wait.
PATIENCE = 10.0


def hint(module: str, used: Interpreter, place: Place) -> str:
    """Name the folder near the project or the other environments that have a module, or explain how to name one."""
    having: dict[tuple[str, str], str] = {}  # many names lead to the same environment
    for python, what in others(place, {Path(used.executable).parent}):
        try:
            answer = asked(str(python), PATIENCE, (module,))
        except GenerationError:
            continue
        if module in answer.found and answer.environment != used.environment:
            text = f"{answer.label} ({what}) has {module}: --python {python}"
            having.setdefault(answer.environment, text)
    unusable = find_python(place).passed_over
    beside = source_folders.hint(module, place.folder)
    found = [*([beside] if beside is not None else []), *having.values()] or [
        "install the package that brings it there, or name with --python the environment that has it"
    ]
    return "".join(f"; {text}" for text in (*unusable, *found))


def others(place: Place, known: set[Path]) -> Iterator[tuple[Path, str]]:
    """Yield interpreters that users may have meant, one for each new environment."""
    for python, what in candidates(place):
        if python is not None and python.parent not in known:
            known.add(python.parent)
            yield python, what


def candidates(place: Place) -> Iterator[tuple[Path | None, str]]:
    """Yield the interpreters of all environments, including the tool's own and those on the PATH."""
    for folder, what in (*environments(place), (place.own, OWN)):
        yield interpreter_in(folder, windows=place.windows), what
    for name in ("python3", "python"):
        on_path = shutil.which(name, path=place.environ.get("PATH"))
        yield Path(on_path) if on_path is not None else None, f"{name} on the PATH"
