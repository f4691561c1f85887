"""Other interpreters of this machine, for tests of what runs on more than one Python."""

import functools
import os
import shutil
import subprocess
from pathlib import Path

import pytest


@functools.cache
def python_of_version(version: str) -> Path | None:
    """Find an interpreter of a version such as "3.12": of pyenv, or on the PATH."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    known = sorted((pyenv / "versions").glob(f"{version}.*/bin/python"))
    on_path = shutil.which(f"python{version}")
    for python in [*known, *([Path(on_path)] if on_path else [])]:
        asked = "import sys; print('%d.%d' % sys.version_info[:2])"
        done = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=False)
        if done.stdout.strip() == version:
            return python
    return None


def need_python(*versions: str) -> Path:
    """Give an interpreter of the first version that is there; the test is skipped where none is."""
    for version in versions:
        found = python_of_version(version)
        if found is not None:
            return found
    pytest.skip(f"no Python {' or '.join(versions)} on the PATH nor in pyenv: not tried with it")


def make_environment(python: Path, folder: Path, *packages: Path) -> Path:
    """Make a virtual environment without pip that holds these packages; gives its interpreter."""
    subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True)
    [installed] = folder.glob("lib/python*/site-packages")
    for package in packages:
        shutil.copytree(package, installed / package.name)
    return folder / "bin" / "python"
