"""Both distributions carry one version."""

import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

import connpool_gen
import connpool_runtime

ROOT = Path(__file__).parents[2]


def project(pyproject: str) -> dict[str, Any]:
    parsed = tomllib.loads((ROOT / pyproject).read_text())
    return dict(parsed["project"])


def test_the_distributions_agree() -> None:
    """The generator and the runtime have the same version, and the generator takes more runtimes than that."""
    assert connpool_gen.__version__ == connpool_runtime.__version__
    needs = {
        need.name: need for need in map(Requirement, project("pyproject.toml")["dependencies"])
    }
    taken = needs["connpool-runtime"].specifier
    assert taken.contains(connpool_runtime.__version__)
    assert taken.contains("0.1.99")
    assert not taken.contains("0.2")


def test_no_package_is_forced_to_one_version() -> None:
    """The generator can be installed beside other packages: it asks for ranges."""
    needs = map(Requirement, project("pyproject.toml")["dependencies"])
    assert [str(need) for need in needs if "==" in str(need)] == []


def test_the_runtime_needs_nothing() -> None:
    """Without extras the runtime depends on no other distribution."""
    assert project("runtime/pyproject.toml")["dependencies"] == []


def test_what_is_installed_is_this_version() -> None:
    """The installed distributions are the ones of this checkout."""
    assert version("connpool-gen") == connpool_gen.__version__
    assert version("connpool-runtime") == connpool_runtime.__version__


def test_the_citation_is_of_this_version() -> None:
    """CITATION.cff names the version of the distributions."""
    assert f"\nversion: {connpool_gen.__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_what_only_developers_need_is_no_extra() -> None:
    """The published metadata of the generator offers nothing that only this repository's developers need."""
    assert "optional-dependencies" not in project("pyproject.toml")
