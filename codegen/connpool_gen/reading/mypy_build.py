"""Runs mypy inside this process, and leaves the process as it was."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, TextIO

from mypy import build

if TYPE_CHECKING:
    from mypy.modulefinder import BuildSource
    from mypy.options import Options

__all__ = ["run_mypy"]


def run_mypy(
    sources: list[BuildSource], options: Options, stderr: TextIO | None = None
) -> build.BuildResult:
    """Run a build of mypy.

    mypy has its process all but stop collecting garbage, since it expects to end soon. A program that calls
    the generator goes on, and would never free reference cycles from then on.

    Arguments:
        sources: what to check.
        options: mypy's.
        stderr: where mypy reports why it cannot continue; its own if not given.

    Raises:
        CompileError: mypy cannot continue.
    """
    thresholds = gc.get_threshold()
    try:
        result = build.build(sources, options, stderr=stderr)
        # mypy leaves its cache open until exit; Python 3.13 warns about databases that are not closed.
        result.manager.metastore.close()
        return result
    finally:
        gc.set_threshold(*thresholds)
