"""Runs at the same time have a cache each."""

import subprocess
import sys
from pathlib import Path

from connpool_gen.output.cache_slot import SLOTS, cache_slot

HOLD = """
import sys
from pathlib import Path
from connpool_gen.output.cache_slot import cache_slot

with cache_slot(Path(sys.argv[1])) as slot:
    print(slot, flush=True)
    sys.stdin.read()
"""


def test_a_run_beside_another_has_a_cache_of_its_own(tmp_path: Path) -> None:
    """The second gets another folder, and the first's again when that run is over, even if it was killed."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == str(tmp_path)
        with cache_slot(tmp_path) as slot:
            assert slot == tmp_path / "beside-1"
        other.kill()
    with cache_slot(tmp_path) as slot:
        assert slot == tmp_path


def test_runs_do_without_a_cache_where_they_must(tmp_path: Path) -> None:
    """With too many at once, or without a folder, there is none."""

    def nested(left: int) -> Path | None:
        with cache_slot(tmp_path) as slot:
            return nested(left - 1) if left else slot

    assert nested(SLOTS - 1) == tmp_path / f"beside-{SLOTS - 1}"
    assert nested(SLOTS) is None
    with cache_slot(None) as slot:
        assert slot is None
