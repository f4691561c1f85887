"""A client that is not where it was looked for is named where it is."""

import re
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connpool_gen.cli import app
from tests.pythons import make_environment


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli_cache: Path) -> Path:
    """A project with an empty `.venv`, in which the command runs."""
    make_environment(Path(sys.executable), tmp_path / ".venv")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return tmp_path


def package(folder: Path, name: str) -> Path:
    """Write a package with one client."""
    (folder / name).mkdir(parents=True)
    source = "class Client:\n    def get(self) -> int: ...\n"
    (folder / name / "__init__.py").write_text(source)
    return folder / name


def refused(client: str, *more: str) -> str:
    """Run the command, which must fail, and give its message."""
    done = CliRunner().invoke(app, ["--client", client, "--quiet", *more])
    assert done.exit_code == 2
    return " ".join(done.stderr.split())


def test_a_client_in_the_tools_environment(project: Path) -> None:
    """A client that only the tool's own environment has is named with the flag that reads it there."""
    said = refused("hypothesis:Phase")
    assert said.startswith("error: hypothesis:Phase: no module named 'hypothesis' (looked in ")
    assert re.search(r"and the packages of Python 3\.\d+\.\d+ of \.venv\)", said)
    assert f"(the environment of connpool-gen itself) has hypothesis: --python {sys.prefix}" in said


def test_what_the_client_imports_is_missing(project: Path) -> None:
    """A client of the project whose library is not there gets the same answer, about the library."""
    (project / "shop.py").write_text("import hypothesis\nclass Shop: ...\n")
    said = refused("shop:Shop")
    assert "raised ModuleNotFoundError: No module named 'hypothesis'" in said
    assert "has hypothesis: --python" in said


def test_a_client_in_another_environment(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that was not chosen, such as that beside the project or one on the PATH, is named."""
    client = package(project / "sources", "shopping")
    other = make_environment(Path(sys.executable), project / "other", client)
    monkeypatch.setenv("PATH", f"{other.parent}:/usr/bin:/bin")
    assert f"of other (python3 on the PATH) has shopping: --python {other}" in refused(
        "shopping:Client"
    )
    make_environment(Path(sys.executable), project / "venv", client)
    monkeypatch.setenv("VIRTUAL_ENV", str(project / ".venv"))
    said = refused("shopping:Client")
    assert f"of venv (beside the project) has shopping: --python {project}/venv/bin/python" in said


def test_a_client_that_nobody_has(project: Path) -> None:
    """Where no environment has it, the flag is named, and the environment that could not be used."""
    said = refused("nobody_has_it:Client")
    assert said.endswith(
        "; install the package that brings it there, or name with --python the environment that has it"
    )
    assert "--python" not in refused("json.nothing:Client")  # no other environment's json has more
    python = project / ".venv" / "bin" / "python"
    for link in python.parent.glob("python*"):
        link.unlink()
    python.symlink_to("/nowhere")
    assert "has no Python that runs on this system;" in refused("nobody_has_it:Client")
