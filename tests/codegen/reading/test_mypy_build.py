"""mypy as a guest in somebody's process."""

import gc
from pathlib import Path

import pytest
from mypy.errors import CompileError
from mypy.metastore import SqliteMetadataStore
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


def test_the_cache_is_closed(tmp_path: Path) -> None:
    """Whatever mypy keeps its cache in is closed after a build, a database too, and serves the next build."""
    options = Options()
    options.cache_dir, options.sqlite_cache = str(tmp_path), True
    for _ in range(2):
        store = run_mypy([BuildSource(None, "shown", "n = 0\n")], options).manager.metastore
        assert isinstance(store, SqliteMetadataStore)
        assert store.dbs == []
    assert [*tmp_path.rglob("*.db")]
