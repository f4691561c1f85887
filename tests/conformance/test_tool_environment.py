"""A tool in an environment of its own makes the bytes that one makes which is installed beside the client.

Two environments of a newer Python have the clients; one of them has the generator too, the other one not even the
runtime. The generator of an older Python, in an environment without the clients, is compared with the one beside.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pythons import need_python

ROOT = Path(__file__).parents[2]
PACKAGES = ("redis==8.1.0", "httpx==0.28.1")
CLIENTS = ("redis:Redis", "httpx:AsyncClient", "newer:Client")
# A client that the tool's own Python cannot parse.
NEWER = """
class Client[T = int]:
    '''Keeps things.'''

    def get(self, key: str) -> T: ...
    def first[U: (str, bytes)](self, *, of: list[U]) -> U: ...
"""


def environment(python: Path, folder: Path, *packages: str) -> Path:
    """Make a virtual environment with these packages; gives the folder of its commands."""
    run([str(python), "-m", "venv", str(folder)], folder.parent)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    run([*pip, "install", *packages], folder.parent)
    return folder / "bin"


def run(command: list[str], folder: Path) -> None:
    """Run a command in a folder, with no variable of this run's Python or environment."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    clean.pop("VIRTUAL_ENV", None)
    clean["CONNPOOL_GEN_CACHE"] = str(Path(command[0]).parents[1] / "cache")
    done = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def wrappers(folder: Path, command: list[str]) -> dict[str, bytes]:
    """Make the wrappers in a folder of their own, and give what was written, by name."""
    folder.mkdir()
    (folder / "newer.py").write_text(NEWER)
    targets = (
        f'[[tool.connpool-gen.target]]\nclient = "{client}"\noutput = "made/{number}.py"\n'
        for number, client in enumerate(CLIENTS)
    )
    (folder / "pyproject.toml").write_text("\n".join(targets))
    run(command, folder)
    return {path.name: path.read_bytes() for path in (folder / "made").iterdir()}


def test_the_same_bytes_as_beside(tmp_path: Path) -> None:
    """Real clients, and one in newer syntax, verified: each byte is the same."""
    newer = need_python("3.13")
    ours = (str(ROOT / "runtime"), str(ROOT))
    beside = environment(newer, tmp_path / "beside", *ours, *PACKAGES)
    project = environment(newer, tmp_path / "project", *PACKAGES)
    tool = environment(Path(sys.executable), tmp_path / "tool", *ours)
    expected = wrappers(tmp_path / "a", [str(beside / "connpool-gen")])
    apart = [str(tool / "connpool-gen"), "--python", str(project / "python")]
    assert len(expected) == len(CLIENTS)
    assert wrappers(tmp_path / "b", apart) == expected


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="the tool's own Python knows the syntax")
def test_the_client_is_newer_than_the_tool() -> None:
    """The last client is one that the tool's Python does not understand."""
    with pytest.raises(SyntaxError):
        compile(NEWER, "newer.py", "exec")
