"""Both distributions carry one version."""

import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import connpool_gen
import connpool_runtime

ROOT = Path(__file__).parents[2]


def project(pyproject: str) -> dict[str, Any]:
    parsed = tomllib.loads((ROOT / pyproject).read_text())
    return dict(parsed["project"])


def test_the_distributions_agree() -> None:
    """The generator and the runtime have the same version, and the generator asks for just that runtime."""
    assert connpool_gen.__version__ == connpool_runtime.__version__
    needed = project("pyproject.toml")["dependencies"]
    assert f"connpool-runtime=={connpool_runtime.__version__}" in needed


def test_the_runtime_needs_nothing() -> None:
    """Without extras the runtime depends on no other distribution."""
    assert project("runtime/pyproject.toml")["dependencies"] == []


def test_what_is_installed_is_this_version() -> None:
    """The installed distributions are the ones of this checkout."""
    assert version("connpool-gen") == connpool_gen.__version__
    assert version("connpool-runtime") == connpool_runtime.__version__
