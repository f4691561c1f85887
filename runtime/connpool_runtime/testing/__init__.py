"""Room: what tests of code that uses pools need: a clock that stands still, clients by script, retries that do not wait.

The pytest fixtures are in `connpool_runtime.testing.fixtures`; ask for them by
`pytest_plugins = ["connpool_runtime.testing.fixtures"]`. Nothing here is for production.
"""

from connpool_runtime.middleware.testing_mode import set_testing
from connpool_runtime.testing.clock import FakeClock
from connpool_runtime.testing.script import Played, Script
from connpool_runtime.testing.steps import Fails, Hangs, Late, Slow

__all__ = ["FakeClock", "Fails", "Hangs", "Late", "Played", "Script", "Slow", "set_testing"]
