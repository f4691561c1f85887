"""A program that runs beside this one and never outlives it."""

import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_LAUNCH = Path(__file__).with_name("_launch.py")

# On Linux a child dies with the *thread* that started it, so all are started by one that lives as long as we do.
_STARTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="process-starter")


class LocalProcess:
    """A running program, in a session of its own, that is killed when this process ends or crashes.

    Args:
        command: the path of the program and its arguments.
        folder: the program's working directory.
    """

    def __init__(self, *command: str, folder: str) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by kill()
        launch = [sys.executable, "-I", "-S", str(_LAUNCH), str(os.getpid()), *command]
        self._popen = _STARTER.submit(
            lambda: subprocess.Popen(
                launch,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        ).result()

    @property
    def pid(self) -> int:
        """The process id, the same from start to end."""
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        """Whether the program has not ended; true for one that hangs."""
        return self._popen.poll() is None

    def hang(self) -> None:
        """Stop the program where it stands (SIGSTOP): connections stay open and nothing answers."""
        self._popen.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a hanging program go on (SIGCONT)."""
        self._popen.send_signal(signal.SIGCONT)

    def kill(self) -> str:
        """End the program at once (SIGKILL), wait for its end and return what it printed; again does nothing."""
        if self._output.closed:
            return ""
        self._popen.kill()
        self._popen.wait()
        with self._output:
            self._output.seek(0)
            return self._output.read().decode(errors="replace")
