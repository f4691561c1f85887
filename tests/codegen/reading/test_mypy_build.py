"""mypy as a guest in somebody's process."""

import gc
from pathlib import Path

import pytest
from mypy.errors import CompileError
from mypy.modulefinder import BuildSource
from mypy.options import Options

from connpool_gen.reading.mypy_build import run_mypy


@pytest.mark.parametrize("text", ["number: int = 0\n", "def f(:\n"])
def test_the_garbage_collector_is_left_as_it_was(tmp_path: Path, text: str) -> None:
    """After a build, whatever it came to, garbage is collected as often as before it."""
    options = Options()
    options.cache_dir = str(tmp_path)
    options.semantic_analysis_only = True
    before = gc.get_threshold()
    try:
        run_mypy([BuildSource(None, "shown", text)], options)
    except CompileError:
        assert text.startswith("def")
    assert gc.get_threshold() == before
    assert gc.isenabled()
