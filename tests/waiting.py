"""Waiting in tests: for a condition, never for a time."""

import time
from collections.abc import Callable


def eventually(condition: Callable[[], object], timeout: float = 60.0) -> bool:
    """Tell whether the condition comes true within `timeout` seconds, asking every few milliseconds.

    The time is spent by tests that fail only; a machine that others use may stand still for long.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True
