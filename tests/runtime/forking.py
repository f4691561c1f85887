"""Real child processes in tests: what they answer, or that they hang."""

import os
import select
import signal
import time
import traceback
import warnings
from collections.abc import Callable

import pytest

ENOUGH = 60.0  # seconds, after which a child hangs

forks = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore:This process"),
]


class Child:
    """A forked child that runs a function; `answer` is what it returned, as text.

    It is killed when the time is over, and never runs anything of the test session.
    """

    def __init__(self, work: Callable[[], object]) -> None:
        self._read, write = os.pipe()
        # From Python 3.12 on a fork beside other threads is warned of; what a child needs, the runtime renews.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "This process", DeprecationWarning)
            self._pid = os.fork()
        if self._pid == 0:
            try:
                os.write(write, str(work()).encode())
            except BaseException:
                os.write(write, traceback.format_exc().encode()[-3000:])
            finally:
                os._exit(0)
        os.close(write)

    def answer(self, seconds: float = ENOUGH) -> str:
        """Return the answer, or "hangs"."""
        told, until = b"", time.monotonic() + seconds
        try:
            while select.select([self._read], [], [], max(0.0, until - time.monotonic()))[0]:
                part = os.read(self._read, 4096)
                if not part:
                    return told.decode()
                told += part
            os.kill(self._pid, signal.SIGKILL)
            return "hangs"
        finally:
            os.close(self._read)
            os.waitpid(self._pid, 0)


def in_child(work: Callable[[], object], seconds: float = ENOUGH) -> str:
    """Return what a function returns in a child process that is forked now."""
    return Child(work).answer(seconds)
