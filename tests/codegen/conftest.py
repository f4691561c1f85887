"""Fixtures for tests of the generator."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from tests.codegen.made import SAMPLES, Made, Maker
from tests.thorough import examples


@pytest.fixture(scope="session")
def checker_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the type checker remembers: warm within one run, never shared with another."""
    return tmp_path_factory.mktemp("checker-cache")


@pytest.fixture
def maker(tmp_path: Path, checker_cache: Path) -> Maker:
    """Makes wrappers from source text."""
    return Maker(tmp_path, checker_cache)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory, checker_cache: Path) -> Callable[[str], Made]:
    """Give the wrapper of a class of `sample_clients`, made once."""
    maker = Maker(tmp_path_factory.mktemp("samples"), checker_cache)
    made: dict[str, Made] = {}

    def get(name: str) -> Made:
        if name not in made:
            made[name] = maker.of(f"{SAMPLES}:{name}")
        return made[name]

    return get


@pytest.fixture
def cli_cache(checker_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the command use this run's cache."""
    monkeypatch.setenv("CONNPOOL_GEN_CACHE", str(checker_cache))
    return checker_cache


# The same examples in every run; `HYPOTHESIS_PROFILE=thorough` looks for new ones.
settings.register_profile(
    "default", deadline=None, derandomize=True, database=None, max_examples=examples(80)
)
settings.register_profile("thorough", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
