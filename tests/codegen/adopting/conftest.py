"""One project for all tests of moving: its wrappers are made once."""

from pathlib import Path

import pytest

from tests.codegen.adopting.projects import Project


@pytest.fixture(scope="session")
def shops(tmp_path_factory: pytest.TempPathFactory, checker_cache: Path) -> Project:
    """A project with a client, wrappers and factories; each test adds folders of its own."""
    return Project.make(tmp_path_factory.mktemp("shops"), checker_cache)
