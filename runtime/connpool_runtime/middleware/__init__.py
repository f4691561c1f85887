"""Room: layers around a call, one file each.

Register the outermost first; recommended is `Recover`, `Logging`, `Retry`, `Timeout`.
"""

from connpool_runtime.middleware.logging import Logging
from connpool_runtime.middleware.recover import Recover
from connpool_runtime.middleware.retry import Retry
from connpool_runtime.middleware.timeout import Timeout

__all__ = ["Logging", "Recover", "Retry", "Timeout"]
