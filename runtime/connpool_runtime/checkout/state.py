"""What a pool consists of, besides what it does."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any, Generic, Protocol, TypeVar, cast

from connpool_runtime._concurrency.threads import FREE_THREADED, Lock
from connpool_runtime.balancing.picker import PickerFactory
from connpool_runtime.calls.chain import MiddlewareFunction
from connpool_runtime.calls.method import Method
from connpool_runtime.calls.wait_queue import Waiter, WaitQueue
from connpool_runtime.clients.store import ClientQuota
from connpool_runtime.events.dispatcher import EventDispatcher
from connpool_runtime.members.member import Member
from connpool_runtime.members.membership import Membership
from connpool_runtime.settings import PoolSettings
from connpool_runtime.stats.counters import Counters
from connpool_runtime.stats.histogram import Bucket

__all__ = ["AnyMethod", "EngineState", "LockedFastPath", "FastPath", "BackgroundWorker"]

C = TypeVar("C")
AnyMethod = Method[Any, Any]
FastPath = tuple[Callable[[], Member[C]], Callable[[], float], dict[AnyMethod, Bucket]]
# The same for members with a limit, with the lock and those who wait.
LockedFastPath = tuple[
    Callable[[], Member[C]],
    Callable[[], float],
    dict[AnyMethod, Bucket],
    Lock,
    OrderedDict[Waiter, None],
]


class BackgroundWorker(Protocol):
    """Does chores in the background."""

    def poke(self) -> None:
        """Look now whether there is something to do; from anywhere."""

    def stop(self, seconds: float) -> Any:
        """Wait so long for the end of what is being done; in a task, to be awaited."""


class EngineState(Generic[C]):
    """The parts of an engine. `blocking` says whether its callers are threads, which may wait."""

    def __init__(
        self,
        name: str,
        settings: PoolSettings,
        methods: Iterable[Method[C, Any]],
        *,
        blocking: bool,
    ) -> None:
        self.name = name
        self.blocking = blocking
        self.settings = settings
        self.clock = settings.clock
        self.lock = Lock()
        self.membership = Membership[C](name, settings.eligibility())
        self.picking = _picking(settings)
        self.counts = Counters(settings.buckets, by_method=settings.metrics)
        self.line = WaitQueue(settings.buckets)
        self.limited = False  # whether members may be too busy for one more call
        self.slow_call_duration = (
            settings.slow_call_duration if settings.slow_call_rate_threshold else math.inf
        )
        # Whether somebody asks how long attempts take.
        self.timed = self.slow_call_duration != math.inf or self.picking.needs_time
        self.events = EventDispatcher()
        self.quota = ClientQuota(settings.max_clients)
        self.housekeeper: BackgroundWorker | None = None  # made with the first endpoint
        self.maintenance_due = False  # for the upkeep
        self.fork_generation: int = 0  # grows with each fork
        self.middleware: tuple[MiddlewareFunction, ...] = ()
        # The short way counts into these buckets, and looks no further as long as it finds one;
        # empty while there are `anomalous` members, to whom the end of a call may matter.
        self.latest: dict[AnyMethod, Bucket] = {}
        self.anomalous: set[Member[C]] = set()
        self.slow_path_member = Member[C]("nobody", cast("C", None))
        self.slow_path_member.leaving = self.slow_path_member.drained = True  # and so never calm
        self.slow_path_member.refresh()
        self.pick_slow_path = repeat(self.slow_path_member).__next__
        self.fast_path: FastPath[C]  # all that a call needs, in one look
        self.locked_fast_path: LockedFastPath[C] | None = None
        self.departed: deque[Member[C]] = deque()  # drained too late; to be closed by `act`
        self.close_departed: Callable[[Member[C]], None] | None = None
        self._abandoned: deque[Callable[[], None]] = deque()
        for method in methods:
            self.counts.of(method.name)


def _picking(settings: PoolSettings) -> PickerFactory:
    return PickerFactory(
        settings.balancer,
        settings.random,
        Lock,
        guard_all=FREE_THREADED,
        load_factor=settings.load_factor,
        clock=settings.clock,
    )
