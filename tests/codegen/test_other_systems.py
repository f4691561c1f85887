"""What Windows does otherwise, done here: nothing of the generator may stop for it.

These tests run on Linux and prove the guards alone; nothing of the project has been run on Windows.
"""

import ntpath
import os
import subprocess
import sys
from pathlib import Path

import pytest

from connpool_gen.config.paths import seen_from
from connpool_gen.output import cache_slot

CLIENT = '''
class Shop:
    """Sells things."""

    def buy(self, thing: str) -> str:
        """Buy ½ → of it."""
        return thing
'''


def test_the_module_is_utf_8_whatever_the_encoding_of_the_system(
    tmp_path: Path, cli_cache: Path
) -> None:
    """What `--stdout` prints into a file is the very module, also where stdout would refuse its characters."""
    (tmp_path / "shop.py").write_text(CLIENT, "utf-8")
    command = [sys.executable, "-m", "connpool_gen", "--client", "shop:Shop", "--no-verify"]
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252:strict"}
    done = subprocess.run(
        [*command, "--stdout"], cwd=tmp_path, env=environment, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert done.stdout == (tmp_path / "generated" / "shop_pool.py").read_bytes()
    assert "Buy ½ → of it.".encode() in done.stdout


def test_no_way_leads_to_another_drive(monkeypatch: pytest.MonkeyPatch) -> None:
    """A path on another drive than the folder it is seen from is shown whole."""
    assert seen_from(Path("/project/generated/pool.py"), Path("/project")) == Path(
        "generated/pool.py"
    )

    def on_two_drives(path: Path, start: Path | None = None) -> str:
        return ntpath.relpath(f"C:{path}", f"D:{start}")

    monkeypatch.setattr(os.path, "relpath", on_two_drives)
    assert seen_from(Path("/project/pool.py"), Path("/work")) == Path("/project/pool.py")


def test_without_locks_of_files_runs_share_their_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system has no such locks, a run has the cache all the same."""
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with cache_slot.cache_slot(tmp_path) as one, cache_slot.cache_slot(tmp_path) as other:
        assert one == other == tmp_path
