"""Room: layers around a call, one file each.

Register the outermost first; recommended is `Recover`, `Logging`, `Deadline`, `Retry`, `Timeout`.
"""

from connpool_runtime.middleware.budget import RetryBudget
from connpool_runtime.middleware.deadline import Deadline
from connpool_runtime.middleware.logging import Logging
from connpool_runtime.middleware.recover import Recover
from connpool_runtime.middleware.retry import Retry
from connpool_runtime.middleware.timeout import Timeout

__all__ = ["Deadline", "Logging", "Recover", "Retry", "RetryBudget", "Timeout"]
