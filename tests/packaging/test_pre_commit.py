"""The hooks that this repository offers to pre-commit."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOOK = re.compile(r"^- id: (?P<id>\S+)$(?P<keys>(?:\n  .*)*)", re.MULTILINE)
KEY = re.compile(r"^  (\w+): (.*)$", re.MULTILINE)

PROJECT = """
[[tool.connpool-gen.target]]
client = "box:Box"
verify = false
"""
CLIENT = '''
class Box:
    """Holds things."""

    def open(self) -> int:
        """Open it."""
        return 1

    def look(self) -> int:
        """Look into it."""
        return 2
'''
CHANGED = CLIENT.replace("def look(self)", "def look(self, closer: bool = False)")
WRAPPER = Path("generated", "box_pool.py")

Hook = Callable[[], subprocess.CompletedProcess[str]]


def offered() -> dict[str, dict[str, str]]:
    """The keys of each hook, by its id."""
    text = (ROOT / ".pre-commit-hooks.yaml").read_text()
    return {found["id"]: dict(KEY.findall(found["keys"])) for found in HOOK.finditer(text)}


def hook(name: str, folder: Path) -> Hook:
    """Run a hook as pre-commit does: its entry, found on the PATH, in the project's folder."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = shlex.split(offered()[name]["entry"])
    return lambda: subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one wrapper that is up to date."""
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "box.py").write_text(CLIENT)
    subprocess.run([sys.executable, "-m", "connpool_gen", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


def test_every_hook_runs_in_the_projects_environment() -> None:
    """Both hooks are offered, once for all files, with the client's own environment."""
    hooks = offered()
    assert set(hooks) == {"connpool-gen", "connpool-gen-check"}
    assert {keys["language"] for keys in hooks.values()} == {"system"}
    assert {keys["pass_filenames"] for keys in hooks.values()} == {"false"}


def test_the_check_hook_fails_exactly_when_a_wrapper_is_stale(project: Path) -> None:
    """The check passes while the wrapper is up to date, fails after the client changed, and writes nothing."""
    check = hook("connpool-gen-check", project)
    assert check().returncode == 0
    (project / "box.py").write_text(CHANGED)
    before = (project / WRAPPER).read_bytes()
    stale = check()
    assert stale.returncode == 1, stale.stderr
    assert "closer" in stale.stdout
    assert (project / WRAPPER).read_bytes() == before


def test_the_generate_hook_brings_a_wrapper_up_to_date(project: Path) -> None:
    """The hook touches no file that is up to date, which pre-commit would report, and makes a stale one anew."""
    generate, wrapper = hook("connpool-gen", project), project / WRAPPER
    before = wrapper.stat()
    assert generate().returncode == 0
    assert (wrapper.stat().st_ino, wrapper.stat().st_mtime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
    )
    (project / "box.py").write_text(CHANGED)
    made = generate()
    assert made.returncode == 0, made.stderr
    assert "closer" in wrapper.read_text()
    assert hook("connpool-gen-check", project)().returncode == 0
