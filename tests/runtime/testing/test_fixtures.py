"""The fixtures, as a user's test suite sees them."""

import subprocess
import sys
from pathlib import Path

CONFTEST = 'pytest_plugins = ["connpool_runtime.testing.fixtures"]\n'
SUITE = """
from connpool_runtime import Pool

class Phone:
    def ring(self): ...

def test_filled(fill_pool, fake_clock):
    pool = Pool("phones", clock=fake_clock, random=lambda: 0.0)
    scripts = fill_pool(pool, Phone, "a", "b")
    scripts["a"].then("hello")
    assert [pool.execute(lambda phone: phone.ring()) for _ in range(2)] == ["hello", "b"]
    assert scripts["b"].clock is fake_clock

def test_leaking(fill_pool):
    pool = Pool("phones")
    fill_pool(pool, Phone, "a")
    globals()["lease"] = pool.lease()
    lease.__enter__()
"""


def test_a_suite_opts_in(tmp_path: Path) -> None:
    """The plugin gives both fixtures; a call that was never given back fails its test by name."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_phones.py").write_text(SUITE)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "2 passed" in done.stdout
    assert "1 error" in done.stdout
    assert "a call was never given back: <Pool 'phones' <a closed in_flight=1>>" in done.stdout
