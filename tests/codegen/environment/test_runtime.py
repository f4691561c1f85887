"""The runtime of a project's environment is compared with what wrappers are written for."""

import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from connpool_gen._version import RUNTIME_CONTRACT, RUNTIME_RANGE
from connpool_gen.environment.runtime import InstalledRuntime, advice, nearest_runtime
from connpool_runtime import __version__, contract
from tests.codegen.made import ROOT, Maker


def runtime(folder: Path, *, version: str = "0.1.7", text: str = "") -> InstalledRuntime:
    """Make what looks like an installed runtime."""
    package = folder / "connpool_runtime"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f'__version__ = "{version}"\n')
    if text:
        (package / "contract.py").write_text(text)
    return InstalledRuntime.at(package)


def test_the_runtime_of_this_repository_fits() -> None:
    """What is read off the source is what the runtime says of itself, and wrappers run on it."""
    found = InstalledRuntime.at(ROOT / "runtime" / "connpool_runtime")
    assert (found.oldest, found.newest) == (contract.OLDEST, contract.CONTRACT)
    assert found.version == __version__
    assert found.fits
    assert advice(found, "Python 3.11 of .venv") is None


def test_the_range_is_that_of_the_distribution() -> None:
    """Messages name the versions that the generator itself asks for, and these hold the current one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {need.name: need for need in map(Requirement, project["dependencies"])}
    assert needed["connpool-runtime"].specifier == Requirement(f"x{RUNTIME_RANGE}").specifier
    assert needed["connpool-runtime"].specifier.contains(__version__)


def test_none_is_there() -> None:
    """Where no runtime is installed, the versions to install are named."""
    assert advice(None, "Python 3.12 of .venv") == (
        "Python 3.12 of .venv has no connpool-runtime, which wrappers need: "
        f'install "connpool-runtime{RUNTIME_RANGE}" there'
    )


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("CONTRACT = 1\nOLDEST = 1\n", True),
        ("CONTRACT = 9\nOLDEST = 1\n", True),
        ("CONTRACT = 9\nOLDEST = 2\n", False),
        ("CONTRACT = 0\nOLDEST = 0\n", False),
        ("", False),
    ],
)
def test_contracts(tmp_path: Path, text: str, fits: bool) -> None:
    """A runtime fits if the generator's contract is one of those that it keeps."""
    assert RUNTIME_CONTRACT == 1, "the numbers above are about contract 1"
    found = runtime(tmp_path, text=text)
    assert found.fits is fits
    said = advice(found, "Python 3.12 of .venv")
    assert (said is None) is fits
    if said is not None:
        assert "has connpool-runtime 0.1.7, which does not keep contract 1" in said


def test_the_nearest_runtime_is_seen(tmp_path: Path) -> None:
    """A runtime in a folder that the client's program imports from hides the installed one."""
    near = runtime(tmp_path / "app", text="CONTRACT = 1\nOLDEST = 1\n")
    assert nearest_runtime([str(tmp_path), str(tmp_path / "app")]) == near
    assert nearest_runtime([str(tmp_path)]) is None


@pytest.mark.parametrize("text", ["", "CONTRACT = 9\nOLDEST = 9\n"])
def test_our_own_stands_in(maker: Maker, tmp_path: Path, text: str) -> None:
    """Where the project's runtime is missing or another one, the output is verified against ours."""
    from tests.pythons import make_environment

    python = make_environment(Path(sys.executable), tmp_path / "venv")
    [installed] = (tmp_path / "venv").glob("lib/python*/site-packages")
    if text:
        runtime(installed, text=text)
    source = "class Client:\n    def get(self, key: str) -> str: ...\n"
    made = maker.text(source, python=python, verify=True, app_dirs=(maker.folder,))
    assert "class ClientPool" in made
