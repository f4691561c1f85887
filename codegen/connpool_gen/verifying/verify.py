"""Checks a text that is not written yet with mypy --strict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mypy.errors import CompileError
from mypy.modulefinder import BuildSource

from connpool_gen.environment.interpreter import interpreter_at, own
from connpool_gen.environment.runtime import PACKAGE, nearest_runtime
from connpool_gen.reading.import_hooks import copied, linked
from connpool_gen.reading.mypy_build import run_mypy
from connpool_gen.reading.mypy_reader import READ, check_options
from connpool_gen.verifying.follow_imports import follow_only_what_is_needed, needs_nothing_else

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from connpool_gen.config.request import SearchPath

NO_PATH = "<string>:"


def verify_text(
    text: str, search: SearchPath, cache_dir: Path | None, sources: Collection[str] = ()
) -> Sequence[str]:
    """Run mypy --strict on the output's new text; return its errors, one per line.

    `sources` are the files that were read for the client's types.
    """
    seen = with_runtime(search, cache_dir)
    module = next(iter(search.output_modules()), search.output.stem)
    if needs_nothing_else(text, sources):
        options = check_options(seen, cache_dir and cache_dir / READ)
        follow_only_what_is_needed(options, text, sources)
    else:
        options = check_options(seen, cache_dir and cache_dir / "verify-all")
    options.export_types = False
    options.preserve_asts = False
    try:
        # Without a path: mypy would read the file there instead of the text.
        result = run_mypy([BuildSource(None, module, text)], options)
    except CompileError as error:
        return [placed(line, search) for line in error.messages]
    return [placed(line, search) for line in result.errors if line.startswith(NO_PATH)]


def with_runtime(search: SearchPath, cache_dir: Path | None) -> SearchPath:
    """Let the type checker find a runtime that the text is written for: the project's, or else our own."""
    python = interpreter_at(search.python)
    there, ours = nearest_runtime(search.paths) or python.runtime, own().runtime
    fits = there is not None and there.fits
    place = there if fits else ours
    if place is None or (fits and python.is_own):
        return search
    folder = Path(place.folder)
    alone = linked(PACKAGE, folder, cache_dir) or copied(PACKAGE, folder)
    return replace(search, inherited=(str(alone), *search.inherited))


def placed(line: str, search: SearchPath) -> str:
    """Put the name of the output file into an error."""
    return line.replace(NO_PATH, f"{search.output.name}:", 1)
