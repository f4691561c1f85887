"""The hook that this repository offers to pre-commit."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

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


def entry() -> list[str]:
    """The hook's command, run by this environment's interpreter."""
    found = re.search(
        r"^ *entry: connpool-gen (.*)$", (ROOT / ".pre-commit-hooks.yaml").read_text(), re.MULTILINE
    )
    assert found is not None
    return [sys.executable, "-m", "connpool_gen", *shlex.split(found[1])]


def test_the_hook_fails_exactly_when_a_wrapper_is_stale(tmp_path: Path) -> None:
    """The hook's command passes while the wrapper is up to date and fails after the client changed."""
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "box.py").write_text(CLIENT)
    subprocess.run([sys.executable, "-m", "connpool_gen"], cwd=tmp_path, check=True)
    assert subprocess.run(entry(), cwd=tmp_path).returncode == 0
    (tmp_path / "box.py").write_text(
        CLIENT.replace("def look(self)", "def look(self, closer: bool = False)")
    )
    stale = subprocess.run(entry(), cwd=tmp_path, capture_output=True, text=True)
    assert stale.returncode == 1, stale.stderr
    assert "closer" in stale.stdout
