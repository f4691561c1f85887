"""Middleware around a call, one file each.

`in_order` puts them in the order in which they work together best, by the `Role` of each; any other
order works too.
Not here, because they need a library: `SharedRateLimit` in `shared_rate_limit` (extra `limits`),
`Tracing` and `AttemptTracing` in `tracing`, `Exemplars` in `exemplars` (extra `otel`).
"""

from connpool_runtime.middleware.adaptive import AdaptiveLimit
from connpool_runtime.middleware.adaptive_throttle import AdaptiveThrottle
from connpool_runtime.middleware.bulkhead import Bulkhead
from connpool_runtime.middleware.chaos import Chaos, Harm
from connpool_runtime.middleware.coalesce import Coalesce
from connpool_runtime.middleware.deadline import Deadline
from connpool_runtime.middleware.error_log import ErrorLog
from connpool_runtime.middleware.fallback import Fallback
from connpool_runtime.middleware.hedging import Hedging
from connpool_runtime.middleware.logging import Logging
from connpool_runtime.middleware.method_breaker import MethodBreaker
from connpool_runtime.middleware.order import in_order
from connpool_runtime.middleware.rate_limit import RateLimit
from connpool_runtime.middleware.retry import Retry
from connpool_runtime.middleware.retry_budget import RetryBudget
from connpool_runtime.middleware.role import Role
from connpool_runtime.middleware.timeout import Timeout

__all__ = [
    "AdaptiveLimit",
    "AdaptiveThrottle",
    "Bulkhead",
    "Chaos",
    "Coalesce",
    "Deadline",
    "ErrorLog",
    "Fallback",
    "Harm",
    "Hedging",
    "Logging",
    "MethodBreaker",
    "RateLimit",
    "Retry",
    "RetryBudget",
    "Role",
    "Timeout",
    "in_order",
]
