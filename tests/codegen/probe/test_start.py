"""The probe runs where connpool_gen is not installed, by the path of its file alone."""

import subprocess
import sys
from pathlib import Path

import pytest

from connpool_gen.probe import start
from connpool_gen.probe.start import make_importable
from tests.pythons import make_environment


def test_the_package_is_found_by_its_folder(tmp_path: Path) -> None:
    """An interpreter that has no package at all can import ours, and nothing that lies beside it."""
    python = make_environment(Path(sys.executable), tmp_path / "venv")
    folder = str(Path(start.__file__).parent)
    program = f"""
import importlib.util, runpy, sys
from pathlib import Path
before = list(sys.path)
make_importable = runpy.run_path({start.__file__!r})["make_importable"]
make_importable(Path({folder!r}).parent)
import connpool_gen.probe.members
assert sys.path == before
print(importlib.util.find_spec("connpool_gen.cli") is not None, importlib.util.find_spec("mypy"))
"""
    done = subprocess.run([python, "-P", "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("True None\n", "")


def test_an_installed_package_of_that_name_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version of the tool in the project's environment does not mix with the one that runs."""
    ours = sys.modules["connpool_gen"]
    monkeypatch.setitem(sys.modules, "connpool_gen", ours)
    (tmp_path / "__init__.py").write_text("here = True\n")
    make_importable(tmp_path)
    assert sys.modules["connpool_gen"] is not ours
    assert sys.modules["connpool_gen"].here
