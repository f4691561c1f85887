"""The runtime of wrappers made by connpool-gen: balanced, guarded and measured pools of clients.

Where things are: `pool/` has the two pools, and `checkout/` the way in which a call gets a client and gives
it back. The folders that only decide (`breaker/`, `balancing/`, `members/`, `calls/`, `clients/`) use neither
a clock nor a lock. Names that only some programs use are imported at their first use: those for tasks,
events, stats, endpoints and managers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from connpool_runtime.balancing.balancers import Balancer
from connpool_runtime.breaker.breaker import BreakerState
from connpool_runtime.breaker.classifier import ResultClassifier, ResultCountedAsFailure
from connpool_runtime.breaker.outcome import Outcome
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.calling import CallingScope, calling
from connpool_runtime.calls.method import Method, method
from connpool_runtime.calls.middleware_chain import (
    AsyncMiddleware,
    Middleware,
    MiddlewareFunction,
    Phase,
    Proceed,
)
from connpool_runtime.calls.retry_policy import RetryPolicy
from connpool_runtime.classifiers.verdict import Classifier, MayRetry, Verdict
from connpool_runtime.deadlines import DeadlineScope, deadline, remaining
from connpool_runtime.defaults import NOT_GIVEN, default_of, leading, unless_default
from connpool_runtime.errors import (
    AcquireTimeout,
    AllMembersOpen,
    AlreadyExists,
    AttemptTimeout,
    ClientPanic,
    ClientsExhausted,
    ConfigConflict,
    DeadlineExceeded,
    DrainTimeout,
    HandleReleased,
    InvalidCallOption,
    InvalidPick,
    KeysApart,
    MemberUnavailable,
    NoMemberForRoute,
    NoMembers,
    NotFound,
    NotReady,
    OutlierDetected,
    PoolClosed,
    PoolError,
    PoolExhausted,
    PoolTimeout,
    RateLimited,
    Rejected,
    RetryLater,
    Throttled,
    TooManyCalls,
    TooManyWaiting,
    UnknownMember,
    Unreachable,
)
from connpool_runtime.members.member import Member
from connpool_runtime.members.new_client import NewClient
from connpool_runtime.pool.pool import Pool
from connpool_runtime.results.lease import AsyncPoolLease, PoolLease
from connpool_runtime.results.stream import Stream
from connpool_runtime.settings import PoolOptions, PoolSettings

if TYPE_CHECKING:
    from connpool_runtime.clients.settings import EndpointOptions, EndpointSettings
    from connpool_runtime.events.types import (
        BreakerChanged,
        ClientReplaced,
        DiscoveryFailed,
        DiscoveryRecovered,
        DiscoveryUpdated,
        EndpointMoved,
        Event,
        HealthChanged,
        LeakSuspected,
        MemberAdded,
        MemberDrained,
        MemberLeaving,
        OutlierEjected,
        PanicChanged,
        ReconnectFailed,
    )
    from connpool_runtime.manager.async_manager import AsyncManager
    from connpool_runtime.manager.manager import Manager
    from connpool_runtime.manager.services import ServiceConfig
    from connpool_runtime.pool.async_pool import AsyncPool
    from connpool_runtime.registry.async_registry import AsyncRegistry
    from connpool_runtime.registry.registry import Registry
    from connpool_runtime.results.async_stream import AsyncStream
    from connpool_runtime.sharing.async_shared_clients import AsyncSharedClients
    from connpool_runtime.sharing.shared_clients import SharedClients
    from connpool_runtime.stats.types import (
        ClientStats,
        DiscoveryStats,
        ErrorStats,
        ExemplarStats,
        LatencyStats,
        MemberStats,
        MethodStats,
        MiddlewareStats,
        PoolStats,
    )

__version__ = "0.1.0"

__all__ = [
    "AcquireTimeout",
    "AllMembersOpen",
    "AlreadyExists",
    "AsyncManager",
    "AsyncMiddleware",
    "AsyncPool",
    "AsyncPoolLease",
    "AsyncRegistry",
    "AsyncSharedClients",
    "AsyncStream",
    "AttemptTimeout",
    "Balancer",
    "BreakerChanged",
    "BreakerState",
    "Call",
    "CallingScope",
    "Classifier",
    "ClientPanic",
    "ClientReplaced",
    "ClientStats",
    "ClientsExhausted",
    "ConfigConflict",
    "DeadlineExceeded",
    "DeadlineScope",
    "DiscoveryFailed",
    "DiscoveryRecovered",
    "DiscoveryStats",
    "DiscoveryUpdated",
    "DrainTimeout",
    "EndpointMoved",
    "EndpointOptions",
    "EndpointSettings",
    "ErrorStats",
    "ExemplarStats",
    "Event",
    "HandleReleased",
    "HealthChanged",
    "InvalidCallOption",
    "InvalidPick",
    "KeysApart",
    "LatencyStats",
    "LeakSuspected",
    "Manager",
    "MayRetry",
    "Member",
    "MemberAdded",
    "MemberDrained",
    "MemberLeaving",
    "MemberStats",
    "MemberUnavailable",
    "Method",
    "MethodStats",
    "Middleware",
    "MiddlewareFunction",
    "MiddlewareStats",
    "NewClient",
    "NOT_GIVEN",
    "NoMemberForRoute",
    "NoMembers",
    "NotReady",
    "NotFound",
    "Outcome",
    "OutlierDetected",
    "OutlierEjected",
    "PanicChanged",
    "Phase",
    "Pool",
    "PoolClosed",
    "PoolError",
    "PoolExhausted",
    "PoolLease",
    "PoolOptions",
    "PoolSettings",
    "PoolStats",
    "PoolTimeout",
    "Proceed",
    "RateLimited",
    "ReconnectFailed",
    "Registry",
    "Rejected",
    "ResultClassifier",
    "ResultCountedAsFailure",
    "RetryLater",
    "RetryPolicy",
    "ServiceConfig",
    "SharedClients",
    "Stream",
    "Throttled",
    "TooManyCalls",
    "TooManyWaiting",
    "UnknownMember",
    "Unreachable",
    "Verdict",
    "calling",
    "deadline",
    "default_of",
    "leading",
    "method",
    "remaining",
    "unless_default",
    "__version__",
]

_LATE = {
    "connpool_runtime.manager.async_manager": ("AsyncManager",),
    "connpool_runtime.manager.manager": ("Manager",),
    "connpool_runtime.manager.services": ("ServiceConfig",),
    "connpool_runtime.pool.async_pool": ("AsyncPool",),
    "connpool_runtime.registry.async_registry": ("AsyncRegistry",),
    "connpool_runtime.registry.registry": ("Registry",),
    "connpool_runtime.results.async_stream": ("AsyncStream",),
    "connpool_runtime.sharing.async_shared_clients": ("AsyncSharedClients",),
    "connpool_runtime.sharing.shared_clients": ("SharedClients",),
    "connpool_runtime.clients.settings": ("EndpointOptions", "EndpointSettings"),
    "connpool_runtime.events.types": (
        *("BreakerChanged", "ClientReplaced", "DiscoveryFailed", "DiscoveryRecovered"),
        *("DiscoveryUpdated", "EndpointMoved", "Event", "HealthChanged", "MemberAdded"),
        *(
            "LeakSuspected",
            "MemberDrained",
            "MemberLeaving",
            "OutlierEjected",
            "PanicChanged",
            "ReconnectFailed",
        ),
    ),
    "connpool_runtime.stats.types": (
        *(
            "ClientStats",
            "DiscoveryStats",
            "ErrorStats",
            "ExemplarStats",
            "LatencyStats",
            "MiddlewareStats",
            "MemberStats",
            "MethodStats",
            "PoolStats",
        ),
    ),
}


def __getattr__(name: str) -> Any:
    for module, names in _LATE.items():
        if name in names:
            value = globals()[name] = getattr(import_module(module), name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
