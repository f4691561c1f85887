"""Which interpreter reads the client: the one asked for, the active environment's, the project's, the tool's own."""

import os
from pathlib import Path
from typing import Any

import pytest

from connpool_gen.environment.finding import OWN, Found, Place, asked_for, find_python
from connpool_gen.errors import RequestError


def make_environment(folder: Path, *, python: str = "bin/python") -> Path:
    """Make what looks like a virtual environment, and give its interpreter."""
    program = folder / python
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\n")
    return program


class Machine:
    """A folder with a project, and the environment that the tool runs in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = folder / "project"
        self.project.mkdir()
        self.own = folder / "tool"
        make_environment(self.own)

    def environment(self, name: str, **more: Any) -> Path:
        """Make an environment below the folder; gives its own folder."""
        make_environment(self.folder / name, **more)
        return self.folder / name

    def place(self, own: Path | None = None, **more: Any) -> Place:
        variables = {key: str(value) for key, value in more.pop("environ", {}).items()}
        return Place(self.project, variables, own or self.own, **more)

    def found(self, own: Path | None = None, **more: Any) -> Found:
        return find_python(self.place(own, **more))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A project without an environment."""
    return Machine(tmp_path)


def test_the_active_environment_comes_first(machine: Machine) -> None:
    """What the shell has activated wins over what lies beside the project."""
    machine.environment("project/.venv")
    active, conda = machine.environment("active"), machine.environment("conda")
    both = {"VIRTUAL_ENV": active, "CONDA_PREFIX": conda}
    assert machine.found(environ=both) == Found(active / "bin/python", "the active environment")
    del both["VIRTUAL_ENV"]
    only_conda = Found(conda / "bin/python", "the active conda environment")
    assert machine.found(environ=both) == only_conda


def test_condas_base_is_nobodys_choice(machine: Machine) -> None:
    """The environment that conda activates by itself does not count as activated."""
    conda = machine.environment("conda")
    environ = {"CONDA_PREFIX": conda, "CONDA_DEFAULT_ENV": "base"}
    assert machine.found(environ=environ).python is None
    machine.environment("project/.venv")
    assert machine.found(environ=environ).found_by == "beside the project"


def test_the_environment_beside_the_project(machine: Machine) -> None:
    """`.venv` beside the manifest is found, and `venv` where there is no such; a package `venv` is none."""
    (machine.project / "venv").mkdir()
    assert machine.found() == Found(None, OWN)
    (machine.project / "venv").rmdir()
    machine.environment("project/venv")
    assert machine.found().python == machine.project / "venv/bin/python"
    machine.environment("project/.venv")
    assert machine.found().python == machine.project / ".venv/bin/python"


def test_the_tool_beside_the_client_stays_there(machine: Machine) -> None:
    """A tool that runs in the active environment, or in that beside the project, reads with its own Python."""
    active, beside = machine.environment("active"), machine.environment("project/.venv")
    assert machine.found(own=active, environ={"VIRTUAL_ENV": active}) == Found(None, OWN)
    assert machine.found(own=beside, environ={"VIRTUAL_ENV": active}) == Found(None, OWN)


def test_a_named_python_is_the_one(machine: Machine) -> None:
    """`python -m connpool_gen` names the interpreter; no other one is looked for."""
    machine.environment("project/.venv")
    active = {"VIRTUAL_ENV": machine.environment("active")}
    assert machine.found(environ=active, own_named=True).python is None


def test_pre_commits_own_environment_is_not_the_users(machine: Machine) -> None:
    """In a hook, the active environment is that of the user, whose commands stand next on the PATH."""
    hook, active = machine.own, machine.environment("active")
    path = os.pathsep.join([f"{hook}/bin", "/usr/bin", f"{active}/bin", ""])
    environ = {"VIRTUAL_ENV": hook, "PRE_COMMIT": 1, "PATH": path}
    assert machine.found(environ=environ).python == active / "bin/python"
    machine.environment("project/.venv")
    environ["PATH"] = f"{hook}/bin"
    assert machine.found(environ=environ).python == machine.project / ".venv/bin/python"
    del environ["PRE_COMMIT"]  # somebody has activated it, and installed the tool there
    assert machine.found(environ=environ).python is None


@pytest.mark.parametrize("python", ["Scripts/python.exe", "python.exe", "bin/python.exe"])
def test_windows_has_other_folders(machine: Machine, python: str) -> None:
    """On Windows the interpreter of venv, of conda and of MSYS2 is found, and none of another system."""
    machine.environment("project/.venv", python=python)
    assert machine.found(windows=True).python == machine.project / ".venv" / python
    elsewhere = machine.found(windows=False)
    assert elsewhere.python is None
    [reason] = elsewhere.passed_over
    assert reason.endswith("(beside the project) has no Python that runs on this system")


def test_an_environment_that_is_gone_is_passed_over(machine: Machine) -> None:
    """An interpreter whose target is gone, or a variable that names no folder, does not stop a run."""
    beside = machine.environment("project/.venv")
    (beside / "bin/python").unlink()
    (beside / "bin/python").symlink_to(machine.folder / "gone")
    found = machine.found(environ={"VIRTUAL_ENV": machine.folder / "removed"})
    assert found.python is None
    assert str(beside) in found.passed_over[0]


def test_a_python_that_is_asked_for(machine: Machine) -> None:
    """A program, a path as seen from the project, an environment's folder and a command of the PATH name an interpreter."""
    folder = machine.environment("other")
    python = folder / "bin/python"
    place = machine.place(environ={"PATH": python.parent})
    assert asked_for(python, place) == python
    assert asked_for(folder, place) == python
    assert asked_for(Path(os.path.relpath(folder, place.folder)), place) == python
    assert asked_for(Path("python"), place) == python


def test_a_link_is_not_followed(machine: Machine) -> None:
    """An interpreter knows its environment by the path that it is run by, so that path is kept."""
    python = machine.environment("other") / "bin/python"
    link = machine.folder / "link"
    link.symlink_to(python)
    assert asked_for(link, machine.place()) == link


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ("nowhere/python", "there is no such file"),
        ("python-of-nobody", "there is no such file, and no such command on the PATH"),
        ("empty", "the folder has no bin/python nor bin/python3"),
        ("text", "the file is not executable"),
        ("./dangling", "there is no such file, it links to what is gone"),
    ],
)
def test_a_python_that_is_none(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, asked: str, reason: str
) -> None:
    """What cannot be run is refused with what was asked for and why."""
    monkeypatch.chdir(machine.folder)
    Path("empty").mkdir()
    Path("text").write_text("no program")
    Path("dangling").symlink_to("gone")
    with pytest.raises(RequestError) as refused:
        asked_for(Path(asked), machine.place())
    assert str(refused.value) == f"--python {Path(asked)}: {reason}"
