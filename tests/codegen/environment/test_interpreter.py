"""An interpreter says what it is; one that cannot be used is refused with the reason and what helps."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from connpool_gen.environment import interpreter
from connpool_gen.environment.interpreter import Interpreter, ask, interpreter_at, own
from connpool_gen.errors import ReadError, RequestError
from tests.pythons import make_environment, need_python


def script(folder: Path, *lines: str) -> Path:
    """Write what stands for an interpreter."""
    path = folder / "python"
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)
    return path


def refusal(python: Path, patience: float = 60.0) -> str:
    """Give the message with which an interpreter is refused."""
    with pytest.raises((ReadError, RequestError)) as refused:
        interpreter_at(python, patience)
    return str(refused.value)


def test_the_tools_own() -> None:
    """Without a path it is the interpreter that runs the tool, with all that is installed for it."""
    here = interpreter_at(None)
    assert here is own()
    assert here.is_own
    assert (here.executable, here.version) == (sys.executable, sys.version_info[:3])
    assert any(name.startswith("mypy-") for name in here.installed)
    assert here.runtime is not None
    assert here.runtime.fits


def test_own_by_another_path(tmp_path: Path) -> None:
    """The tool's own interpreter is recognised however its path is written, and no copy of it is."""
    assert interpreter_at(Path(sys.executable)).is_own
    other = make_environment(Path(sys.executable), tmp_path / "venv")
    assert not interpreter_at(other).is_own


def test_another_environment(tmp_path: Path) -> None:
    """Another environment tells its own version, folder and packages, none of the tool's."""
    python = make_environment(need_python("3.12", "3.13"), tmp_path / "venv")
    [installed] = (tmp_path / "venv").glob("lib/python*/site-packages")
    (installed / "shop-1.2.dist-info").mkdir()
    found = interpreter_at(python)
    assert found.version[:2] > (3, 11)
    assert found.prefix == str(tmp_path / "venv")
    assert found.installed == ("shop-1.2.dist-info",)
    assert found.runtime is None
    assert found.label == f"Python {found.number} of {tmp_path / 'venv'}"


def test_it_is_asked_once(tmp_path: Path) -> None:
    """However many wrappers are made, an interpreter is started once for its description."""
    log = tmp_path / "log"
    python = script(tmp_path, f"echo started >> {log}", f'exec {sys.executable} "$@"')
    assert interpreter_at(python) is interpreter_at(python)
    assert log.read_text() == "started\n"


def test_what_is_installed_tells_it_from_itself(tmp_path: Path) -> None:
    """Another version of a package, of the runtime too, makes another identity."""
    python = make_environment(Path(sys.executable), tmp_path / "venv")
    [installed] = (tmp_path / "venv").glob("lib/python*/site-packages")
    seen = {asked_anew(python).identity()}
    (installed / "shop-1.2.dist-info").mkdir()
    seen.add(asked_anew(python).identity())
    runtime = installed / "connpool_runtime"
    runtime.mkdir()
    (runtime / "__init__.py").write_text('__version__ = "0.1.0"\n')
    seen.add(asked_anew(python).identity())
    (runtime / "__init__.py").write_text('__version__ = "0.1.1"\n')
    seen.add(asked_anew(python).identity())
    assert len(seen) == 4


def asked_anew(python: Path) -> Interpreter:
    return ask(str(python), 60.0, ())


def test_one_that_is_too_old() -> None:
    """A Python on which wrappers do not run is refused by its version."""
    old = need_python("3.10", "3.9", "3.8", "3.6")
    said = refusal(old)
    assert said.startswith(f"{old} is Python 3.")
    assert "wrappers need Python 3.11 or newer" in said
    assert "--python" in said


def test_one_that_prints(tmp_path: Path) -> None:
    """What an interpreter prints at its start would go to the type checker as an answer; it is named."""
    python = script(tmp_path, "echo welcome", f'exec {sys.executable} "$@"')
    assert "prints 'welcome' whenever it starts" in refusal(python)


def test_one_that_hangs(tmp_path: Path) -> None:
    """An interpreter that does not start in time is ended, and the flag that waits longer is named."""
    said = refusal(script(tmp_path, "exec sleep 30"), patience=0.3)
    assert said.endswith("did not start within 0.3 s; raise --import-timeout if it is only slow")


def test_one_that_breaks(tmp_path: Path) -> None:
    """What ends without an answer is quoted with its last words."""
    said = refusal(script(tmp_path, "echo no such libpython >&2", "exit 3"))
    assert said.endswith("it ended with exit code 3; its last words: no such libpython")


def test_one_that_is_no_program(tmp_path: Path) -> None:
    """A file that the system cannot run is refused with the system's reason."""
    path = tmp_path / "python"
    path.write_bytes(b"\x7fELF of another machine")
    path.chmod(0o755)
    assert refusal(path) == f"{path} cannot be run: {os.strerror(8)}"


def test_a_local_module_is_not_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of the project that are called like the standard library's or like ours are not loaded."""
    for name in ("json", "os", "members", "source", "connpool_gen"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('shadowed')\n")
    monkeypatch.chdir(tmp_path)
    assert asked_anew(Path(sys.executable)).is_own
    assert interpreter.SCRIPT.is_file()


def test_a_folder_may_hold_several() -> None:
    """Another version that the system has in the same folder as the tool's own is another interpreter."""
    assert not replace(own(), build="3.99.0 (main)").is_own
