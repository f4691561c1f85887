"""Tools for testing code that uses pools: a fake clock, scripted clients, retries that do not wait.

The fixtures of pytest are in the plugin `connpool_pytest`, which pytest loads by itself. Nothing here is for production.
"""

from connpool_runtime.middleware.testing_mode import set_testing
from connpool_runtime.testing.clock import FakeClock
from connpool_runtime.testing.leaks import LeakWatch, Taken
from connpool_runtime.testing.script import Played, Script
from connpool_runtime.testing.steps import Fails, Hangs, Late, Slow

__all__ = [
    "FakeClock",
    "Fails",
    "Hangs",
    "Late",
    "LeakWatch",
    "Played",
    "Script",
    "Slow",
    "Taken",
    "set_testing",
]
