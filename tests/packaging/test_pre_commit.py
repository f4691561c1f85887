"""The hooks that this repository offers to pre-commit."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pythons import make_environment
from tests.thorough import thorough

pytestmark = thorough  # each makes an environment or generates anew

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


def hook(name: str, folder: Path, **more: str) -> Hook:
    """Run a hook as pre-commit does: its entry, found on the PATH, in the project's folder.

    For a hook in Python, pre-commit activates the environment that it has made for it.
    """
    keys = offered()[name]
    path = os.pathsep.join([str(Path(sys.executable).parent), more.pop("PATH", os.environ["PATH"])])
    environ = {**os.environ, **more, "PATH": path, "PRE_COMMIT": "1"}
    if keys["language"] == "python":
        environ["VIRTUAL_ENV"] = sys.prefix
    command = shlex.split(keys["entry"])
    return lambda: subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one wrapper that is up to date."""
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "box.py").write_text(CLIENT)
    subprocess.run([sys.executable, "-m", "connpool_gen", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


def test_every_hook_is_offered_twice() -> None:
    """Both hooks are offered, once for all files, with the project's tool and with one that pre-commit installs."""
    hooks = offered()
    languages = {name: keys["language"] for name, keys in hooks.items()}
    assert languages == {
        "connpool-gen": "system",
        "connpool-gen-check": "system",
        "connpool-gen-isolated": "python",
        "connpool-gen-check-isolated": "python",
    }
    for name in ("connpool-gen", "connpool-gen-check"):
        assert hooks[f"{name}-isolated"] == hooks[name] | {"language": "python"}
    assert {keys["pass_filenames"] for keys in hooks.values()} == {"false"}


@pytest.mark.parametrize("active", [True, False])
def test_the_isolated_hook_reads_with_the_projects_python(project: Path, active: bool) -> None:
    """The hook's own environment lacks the client's library; the active one, or `.venv`, has it."""
    (project / "box.py").write_text(f"import boxes\n{CLIENT}")
    library = project.parent / f"{project.name}-library" / "boxes"
    library.mkdir(parents=True)
    (library / "__init__.py").touch()
    stranger = hook("connpool-gen-check-isolated", project)()
    assert (stranger.returncode, "No module named 'boxes'" in stranger.stderr) == (2, True)
    place = library.parent / "active" if active else project / ".venv"
    python = make_environment(Path(sys.executable), place, library)
    path = {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"} if active else {}
    check = hook("connpool-gen-check-isolated", project, **path)()
    assert check.returncode == 0, check.stderr
    assert ("(the active environment)" if active else "(beside the project)") in check.stderr


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
