"""The parts of a pool. Everything here is guarded by one lock, `PoolState.lock`.

Lock discipline: nothing of the user's runs under the lock: no client, factory, balancer function,
listener or closing. Work for these is collected under the lock, and done after it:

    with state.after_lock, state.lock:
        ...

On leaving, `after_lock` does the collected work. It is a context manager of its own, because a lock may only
be released in C code: an interrupt can come before the first instruction of an `__exit__` that is written in
Python, and would leave the lock taken for ever. Methods named `*_locked` need the lock held.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from itertools import repeat
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast
from weakref import WeakSet

from connpool_runtime._concurrency.forks import new_lock
from connpool_runtime._concurrency.holders import Holder
from connpool_runtime._concurrency.threads import FREE_THREADED, Lock
from connpool_runtime.balancing.picker import CallPicker, PickerFactory
from connpool_runtime.calls.error_judge import ErrorJudge
from connpool_runtime.calls.lease import Lease, WaitingCall
from connpool_runtime.calls.method import AnyMethod
from connpool_runtime.calls.middleware_chain import Registration
from connpool_runtime.calls.route import routing_of
from connpool_runtime.calls.wait_queue import WaitQueue
from connpool_runtime.clients.store import ClientQuota, ClientStore
from connpool_runtime.events.dispatcher import EventDispatcher
from connpool_runtime.members.member import Member
from connpool_runtime.members.membership import Membership
from connpool_runtime.settings import PoolSettings
from connpool_runtime.stats.counters import Counters
from connpool_runtime.stats.histogram import Bucket, Histogram

if TYPE_CHECKING:
    from connpool_runtime.calls.loan import Loan
    from connpool_runtime.checkout.time_limit import TimeLimit

__all__ = [
    "BackgroundWorker",
    "FastPath",
    "LockedCallPath",
    "LockedFastPath",
    "PinnedResult",
    "PoolState",
    "Readiness",
    "Sweeper",
    "UnderLock",
]

C = TypeVar("C")
FastPath = tuple[Callable[[], Member[C]], Callable[[], float], dict[AnyMethod, Bucket]]
"""Picks a member, reads the clock, remembers for each method the bucket of its last duration."""
UnderLock = tuple[
    Callable[[], float], dict[AnyMethod, Bucket], Lock, OrderedDict[WaitingCall, None]
]
"""What a path needs beside its picker where a call takes its member under the lock: the clock, the table of buckets, the lock and the calls that wait."""
LockedFastPath = tuple[Callable[[], Member[C]], *UnderLock]
"""The fast path for members with a limit."""
LockedCallPath = tuple[CallPicker, *UnderLock]
"""The same where the pick depends on the call."""


class BackgroundWorker(Protocol):
    """Works in the background of a pool."""

    def wake(self) -> None:
        """Look now whether there is something to do; callable from anywhere."""

    def close_late(self, pool: str, store: ClientStore[Any]) -> None:
        """Close a client that was opened for an endpoint which had left meanwhile."""

    def stop(self, limit: TimeLimit) -> Any:
        """Wait up to a limit for the end of running work; to be awaited in an `AsyncPool`."""


class PinnedResult(Protocol):
    """A call whose result keeps its member until the result is gone."""

    holder: Holder

    @property
    def member(self) -> Member[Any]:
        """The member."""
        ...

    def release(self) -> None:
        """Give the member back now, although the result exists. Harmless when done already."""


class Sweeper(Protocol):
    """Examines a pool periodically."""

    def start(self) -> bool:
        """Start, unless it runs already; return whether it runs now."""
        ...

    def stop(self) -> None:
        """Stop for good."""


class Readiness:
    """A caller that waits until a number of members are healthy.

    Arguments:
        members: how many.
        signal: wakes the caller.
    """

    __slots__ = ("members", "signal")

    def __init__(self, members: int, signal: Any) -> None:
        self.members = members
        self.signal = signal


class AfterLock:
    """On leaving, does what was collected under the lock; entering does nothing."""

    __slots__ = ("_act",)

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_error: object) -> None:
        act = self._act
        act()


class PoolState(Generic[C]):
    """The parts of a pool.

    Arguments:
        name: of the pool.
        settings: of the pool.
        methods: those that are counted from the start.
        blocking: whether callers are threads, which may wait on the spot.
    """

    # Slots, because with more than 30 attributes a dictionary makes each access slower.
    __slots__ = (
        "__orig_class__",
        "_has_routes",
        "after_lock",
        "anomalous",
        "blocking",
        "by_call",
        "call_picker",
        "clock",
        "close_departed",
        "compares_latency",
        "counters",
        "defer",
        "departed",
        "ejections_to_tell",
        "events",
        "fast_path",
        "housekeeper",
        "judge",
        "latest",
        "latest_uses",
        "limited",
        "loans",
        "lock",
        "locked_call_path",
        "locked_fast_path",
        "looks_for_blocks",
        "maintenance_due",
        "membership",
        "middleware",
        "name",
        "observes_latency",
        "openings",
        "pick_slow_path",
        "pickers",
        "pinned",
        "queue",
        "quota",
        "readiness",
        "revivals",
        "routing",
        "settings",
        "slow_call_duration",
        "slow_path_member",
        "suspended",
        "sweepers",
        "timed",
    )

    # Set by the checkout, which knows what there is to do.
    after_lock: AfterLock
    defer: Callable[[Callable[[], object]], None]

    def __init__(
        self,
        name: str,
        settings: PoolSettings,
        methods: Iterable[AnyMethod],
        *,
        blocking: bool,
    ) -> None:
        self.name = name
        self.blocking = blocking
        self.settings = settings
        self.clock = settings.clock
        self.lock = new_lock()
        self.compares_latency = settings.outlier_latency_stdev > 0
        self.membership = Membership[C](
            name, settings.eligibility(), compares_latency=self.compares_latency
        )
        self.pickers = self._new_pickers()
        methods = tuple(methods)
        self._has_routes = any(method.route is not None for method in methods)
        self.routing = routing_of(settings.default_route, has_routes=self._has_routes)
        self.judge = self._new_judge()
        self.counters = Counters(settings.buckets, by_method=settings.metrics)
        self.queue = WaitQueue(settings.buckets)
        self.openings = Histogram(settings.buckets)  # how long it took to open clients of endpoints
        self.suspended = False  # whether calls wait for `resume`, although members may be free
        self.readiness: dict[Readiness, None] = {}  # callers that wait for healthy members
        # Whether the pick depends on the call: by the balancer, or by the route of its method.
        self.by_call = False
        self.limited = False  # whether a member may be at its limit of calls
        self.slow_call_duration = _slow_from(settings)
        self._ask_for_time()
        self.events = EventDispatcher()
        self.quota = ClientQuota(settings.max_clients)
        self.middleware: tuple[Registration, ...] = ()
        # For each method the bucket of its last duration, which a call tries first. Empty while the end of a
        # call may matter to one of the `anomalous` members.
        self.latest: dict[AnyMethod, Bucket] = {}
        self.latest_uses: dict[AnyMethod, Bucket] = {}  # the same for `locked_fast_path`
        self.anomalous: set[Member[C]] = set()
        self.slow_path_member: Member[C] = _slow_path_member()
        self.pick_slow_path = repeat(self.slow_path_member).__next__
        self.fast_path: FastPath[C]  # everything a call needs, in one attribute; set by the router
        self.locked_fast_path: LockedFastPath[C] | None = None
        self.looks_for_blocks = False  # whether calls may be inside a block of `calling`
        # Both paths where the pick depends on the call.
        self.call_picker: CallPicker | None = None
        self.locked_call_path: LockedCallPath | None = None
        # Collected under the lock, done after releasing it.
        self.housekeeper: BackgroundWorker | None = None  # created with the first endpoint
        self.sweepers: tuple[Sweeper, ...] = ()  # examine the members, or the lent clients
        self.maintenance_due = False  # the housekeeper has work, or a sweeper does not run yet
        # What is lent for longer than a call; None unless leaks are looked for.
        self.loans: dict[Lease[C], Loan] | None = {} if settings.leak_threshold else None
        # Results that keep their member until they are gone, of those that were not given up.
        self.pinned: WeakSet[PinnedResult] = WeakSet()
        self.departed: deque[Member[C]] = deque()  # drained after the drain timeout; to be closed
        # Workers that a call is to start, as the first one in a child process does.
        self.revivals: deque[Callable[[], bool]] = deque()
        self.ejections_to_tell: deque[str] = deque()  # names of members that a warning is due about
        self.close_departed: Callable[[Member[C]], None] | None = None
        for method in methods:
            self.counters.of(method.name)

    def after_fork(self) -> None:
        """Start anew in a child process; see `Checkout.after_fork`."""
        self.queue = WaitQueue(self.settings.buckets)
        self.readiness = {}
        self.membership.after_fork()
        members = self.membership.members
        self.quota.after_fork(one.source for one in members if isinstance(one.source, ClientStore))
        self.anomalous = {member for member in members if member.has_anomaly}
        self.latest.clear()
        self.latest_uses.clear()
        self.departed.clear()
        self.ejections_to_tell.clear()
        self.pinned = WeakSet()
        self.maintenance_due = bool(self.sweepers)
        self.loans = None if self.loans is None else {}
        self.revivals = deque()

    def follow_settings(self, settings: PoolSettings) -> None:
        """Use other settings, under the lock; the caller follows up for members and routes."""
        before, self.settings = self.settings, settings
        eligibility = settings.eligibility()
        if settings.client_id == before.client_id:  # the generated client id stays
            eligibility = eligibility._replace(client_id=self.membership.eligibility.client_id)
        self.membership.eligibility = eligibility
        self.routing = routing_of(settings.default_route, has_routes=self._has_routes)
        self.pickers = self._new_pickers()
        self.judge = self._new_judge()
        self.slow_call_duration = _slow_from(settings)
        self._ask_for_time()
        self.quota.most = settings.max_clients
        if (settings.buckets, settings.metrics) != (before.buckets, before.metrics):
            methods = self.counters.methods
            self.counters = Counters(settings.buckets, by_method=settings.metrics)
            self.queue.waits = Histogram(settings.buckets)
            self.openings = Histogram(settings.buckets)
            for name, _ in methods if before.metrics else ():
                self.counters.of(name)

    def _ask_for_time(self) -> None:
        """Derive whether members are compared by how long their attempts take, and whether anything needs to know that."""
        self.observes_latency = self.pickers.needs_time or self.compares_latency
        self.timed = self.observes_latency or self.slow_call_duration != math.inf

    def _new_judge(self) -> ErrorJudge:
        return ErrorJudge(self.settings.classifier, self.settings.unknown_errors)

    def _new_pickers(self) -> PickerFactory:
        settings = self.settings
        return PickerFactory(
            settings.balancer,
            settings.random,
            new_lock,
            guard_all=FREE_THREADED,
            load_factor=settings.load_factor,
            clock=settings.clock,
            changing=lambda: self.lock,
            alone=lambda: self.membership.alone,
            pool=self.name,
        )


def _slow_from(settings: PoolSettings) -> float:
    """Return the duration above which a call counts as slow."""
    return settings.slow_call_duration if settings.slow_call_rate_threshold else math.inf


def _slow_path_member() -> Member[Any]:
    """Return the member that is picked where every call has to take the slow path.

    It is marked as leaving, so its `fast_generation` is always None.
    """
    member = Member[Any]("slow path", cast("Any", None))
    member.leaving = member.drained = True
    member.refresh()
    return member
