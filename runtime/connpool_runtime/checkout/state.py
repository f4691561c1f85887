"""What a pool consists of, besides what it does."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any, Generic, Protocol, TypeVar, cast

from connpool_runtime._concurrency.threads import FREE_THREADED, Lock
from connpool_runtime.balancing.picker import Picking
from connpool_runtime.calls.chain import Layer
from connpool_runtime.calls.method import Method
from connpool_runtime.calls.wait_queue import Line, Waiter
from connpool_runtime.clients.store import Quota
from connpool_runtime.events.dispatcher import Announcer
from connpool_runtime.members.member import Member
from connpool_runtime.members.membership import Membership
from connpool_runtime.settings import PoolSettings
from connpool_runtime.stats.counters import Counts
from connpool_runtime.stats.histogram import Bucket

__all__ = ["AnyMethod", "EngineState", "QuickWay", "ShortWay", "Upkeep"]

C = TypeVar("C")
AnyMethod = Method[Any, Any]
ShortWay = tuple[Callable[[], Member[C]], Callable[[], float], dict[AnyMethod, Bucket]]
# The same for members with a limit, with the lock and those who wait.
QuickWay = tuple[
    Callable[[], Member[C]],
    Callable[[], float],
    dict[AnyMethod, Bucket],
    Lock,
    OrderedDict[Waiter, None],
]


class Upkeep(Protocol):
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
        self.membership = Membership[C](name, settings.placement())
        self.picking = _picking(settings)
        self.counts = Counts(settings.buckets, by_method=settings.metrics)
        self.line = Line(settings.buckets)
        self.limited = False  # whether members may be too busy for one more call
        self.slow_call = settings.slow_call if settings.slow_rate else math.inf
        # Whether somebody asks how long attempts take.
        self.timed = self.slow_call != math.inf or self.picking.needs_time
        self.announcer = Announcer()
        self.quota = Quota(settings.max_members)
        self.upkeep: Upkeep | None = None  # made with the first endpoint
        self.chores = False  # for the upkeep
        self.generation: int = 0  # grows with each fork
        self.layers: tuple[Layer, ...] = ()
        # The short way counts into these buckets, and looks no further as long as it finds one;
        # empty while there are `watched` members, to whom the end of a call may matter.
        self.latest: dict[AnyMethod, Bucket] = {}
        self.watched: set[Member[C]] = set()
        self.nobody = Member[C]("nobody", cast("C", None))
        self.nobody.leaving = self.nobody.drained = True  # and so never calm
        self.nobody.refresh()
        self.pick_nobody = repeat(self.nobody).__next__
        self.short_way: ShortWay[C]  # all that a call needs, in one look
        self.quick_way: QuickWay[C] | None = None
        self.departed: deque[Member[C]] = deque()  # drained too late; to be closed by `act`
        self.close_departed: Callable[[Member[C]], None] | None = None
        self._abandoned: deque[Callable[[], None]] = deque()
        for method in methods:
            self.counts.of(method.name)


def _picking(settings: PoolSettings) -> Picking:
    return Picking(
        settings.balancer,
        settings.random,
        Lock,
        guard_all=FREE_THREADED,
        load_factor=settings.load_factor,
        clock=settings.clock,
    )
