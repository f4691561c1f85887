"""Checks a text that is not written yet with mypy --strict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mypy.errors import CompileError
from mypy.modulefinder import BuildSource

from connpool_gen.reading.mypy_build import run_mypy
from connpool_gen.reading.mypy_options import check_options
from connpool_gen.verifying.follow_imports import follow_only_what_is_needed, needs_nothing_else

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from mypy.options import Options

    from connpool_gen.config.request import SearchPath
    from connpool_gen.reading.type_checker import TypeChecker

NO_PATH = "<string>:"


def verify_text(
    text: str,
    search: SearchPath,
    checker: TypeChecker,
    cache_dir: Path | None,
    sources: Collection[str] = (),
) -> Sequence[str]:
    """Run mypy --strict on the output's new text; return its errors, one per line.

    `sources` are the files that were read for the client's types, in the build of `checker`: it goes on with
    the runtime and the text.
    """
    module = next(iter(search.output_modules()), search.output.stem)
    # Without a path: mypy would read the file there instead of the text.
    wanted = [BuildSource(None, module, text)]
    try:
        options = check_options(search, None)
        if needs_nothing_else(text, sources, options):
            build = checker.build_for_verifying(search)
            follow_only_what_is_needed(options, text, sources)
            build.options.per_module_options = options.per_module_options
            keep_no_trees(build.options)
            result = build.check(wanted)
        else:
            options = check_options(search, cache_dir and cache_dir / "verify-all")
            keep_no_trees(options)
            result = run_mypy(wanted, options)
    except CompileError as error:
        return [placed(line, search) for line in error.messages]
    return [placed(line, search) for line in result.errors if line.startswith(NO_PATH)]


def keep_no_trees(options: Options) -> None:
    """Have mypy forget the types of expressions, of which reading needs those of the probe."""
    options.export_types = False
    options.preserve_asts = False


def placed(line: str, search: SearchPath) -> str:
    """Put the name of the output file into an error."""
    return line.replace(NO_PATH, f"{search.output.name}:", 1)
