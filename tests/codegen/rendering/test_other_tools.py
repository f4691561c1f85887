"""Formatters and linters of a project leave wrappers alone, whatever they are set to."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from connpool_gen.output.changes import explain
from tests.codegen.made import Made

CONFIG = """
[tool.black]
line-length = 120
[tool.ruff]
line-length = 120
[tool.ruff.lint]
select = ["ALL"]
"""


@pytest.fixture
def project(tmp_path: Path, sample: Callable[[str], Made]) -> Path:
    """A project with lines of 120 columns and every rule there is, and a wrapper in it."""
    (tmp_path / "pyproject.toml").write_text(CONFIG)
    (tmp_path / "pool.py").write_text(sample("Overloaded").text)
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "format", "--no-cache", "."),
        ("black", "--quiet", "."),
        ("ruff", "check", "--no-cache", "--quiet", "--fix", "--unsafe-fixes", "."),
    ],
    ids=" ".join,
)
def test_a_tool_of_the_project_changes_nothing(project: Path, command: tuple[str, ...]) -> None:
    """Run over the project, the tool finds nothing to do in the wrapper; without our lines it would."""
    before = (project / "pool.py").read_text()
    run(project, command)
    assert (project / "pool.py").read_text() == before
    bare = re.sub(r"^# (fmt|ruff|flake8|isort|pylint): .*\n", "", before, flags=re.MULTILINE)
    (project / "pool.py").write_text(bare)
    run(project, command, ok=(0, 1))
    assert (project / "pool.py").read_text() != bare


def run(folder: Path, command: tuple[str, ...], ok: tuple[int, ...] = (0,)) -> None:
    """Run a tool of this environment in a folder."""
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode in ok, done.stdout + done.stderr


def test_another_version_of_the_tool_is_a_note(sample: Callable[[str], Made]) -> None:
    """A header of another version with the same code below is no drift; with other code it is."""
    text = sample("Overloaded").text
    older = text.replace("connpool-gen 0.", "connpool-gen 999.", 1).replace("# fmt: off\n", "")
    assert explain(older, text).only_tool
    assert not explain(older.replace("connpool-gen 999.", "connpool-gen 0."), text).only_tool
    edited = older.replace("__all__ = [", "__all__ = ['x', ")
    assert not explain(edited, text).only_tool
