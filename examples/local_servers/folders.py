"""Temporary folders that do not outlive this process, even if it crashes."""

import atexit
import contextlib
import shutil
import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path

_JANITOR = Path(__file__).with_name("_janitor.py")
_LOCK = threading.Lock()


class ServerFolder:
    """A temporary folder; `cleanup` removes it, and so does a crash.

    Args:
        prefix: what its name begins with.
    """

    def __init__(self, prefix: str) -> None:
        self.name = tempfile.mkdtemp(prefix=prefix)
        _tell(f"+{self.name}")

    def cleanup(self) -> None:
        """Remove the folder and all in it; again does nothing."""
        shutil.rmtree(self.name, ignore_errors=True)
        _tell(f"-{self.name}")


def _tell(line: str) -> None:
    with _LOCK, contextlib.suppress(OSError):
        pipe = _janitor().stdin
        assert pipe is not None
        pipe.write(f"{line}\n")
        pipe.flush()


@cache
def _janitor() -> "subprocess.Popen[str]":
    """Start the one process that cleans up; a session of its own spares it our signals."""
    janitor = subprocess.Popen(
        [sys.executable, "-I", "-S", str(_JANITOR)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    atexit.register(_dismiss, janitor)
    return janitor


def _dismiss(janitor: "subprocess.Popen[str]") -> None:
    """Let the process end as ours does, and wait for it."""
    if janitor.stdin is not None:
        janitor.stdin.close()
    janitor.wait(timeout=30.0)
