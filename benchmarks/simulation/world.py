"""Virtual time, servers that live in it, and callers who come at random.

The pools are real and unchanged; only their clock, their dice and the event loop's idea of waiting are replaced. The loop
never waits: when no task can run, its clock leaps to the next timer. So seconds cost as much as what happens
in them, and one seed gives one course of events.
"""

import asyncio
import math
import random
import selectors
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from heapq import heapreplace
from typing import Any, TypeVar

from connpool_runtime import AsyncPool, Method

T = TypeVar("T")
WORKERS = 6  # calls that a server works on at a time; the others wait in front of it
MEAN = 0.010  # seconds that a call takes, exponentially distributed
CAPACITY = WORKERS / MEAN  # calls per second


class Clock:
    """Seconds since the beginning of the world."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return them."""
        return self.now


class Leap(selectors.SelectSelector):
    """A selector that advances the clock instead of waiting."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Find nothing, at once, at the time when the next timer is due."""
        if timeout is None:
            raise RuntimeError("nothing will ever happen again in this world")
        self._clock.now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(Leap(clock))
        self._clock = clock

    def time(self) -> float:
        """Return the clock's time."""
        return self._clock()


class PrivateError(Exception):
    """An error that no classifier knows: it may be about the call or about the server."""


class Server:
    """Works on a few calls at a time; `latency` multiplies their durations, `mood` says how they end.

    Its moods are "well", "fails" (refuses within a millisecond) and "hangs". Of the calls that it serves,
    a share of `flaw` ends in a `PrivateError` of its own, and a share of `failing` in a `ConnectionError`.
    """

    def __init__(self, name: str, world: "World") -> None:
        self.name = name
        self.world = world
        self.latency = 1.0
        self.mood = "well"
        self.flaw = 0.0
        self.failing = 0.0
        self.calls = 0
        self.running = 0
        self.most = 0  # calls at a time, since it was set to 0 last
        self.arrivals: list[float] = []
        self.back_at = 0.0
        self.life = 0  # how often it was restarted
        self.connect_hangs = self.close_hangs = False
        self.opened = self.opening = self.most_opening = self.closing = self.closed = 0
        self._free_at = [0.0] * WORKERS

    async def get(self, _key: int) -> None:
        """Serve one call.

        Raises:
            ConnectionError: it fails, or does so now and then.
            PrivateError: it is flawed, or the caller made a mistake.
        """
        clock = self.world.clock
        self.calls += 1
        self.arrivals.append(clock.now)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(self._duration(clock.now))
        finally:
            self.running -= 1
        if self.mood == "fails":
            raise ConnectionError(f"{self.name} is down")
        if self.failing and self.world.dice.random() < self.failing:
            raise ConnectionError(f"{self.name} has broken the connection")
        if self.flaw and self.world.dice.random() < self.flaw:
            raise PrivateError("of the server")
        if self.world.mistakes and self.world.dice.random() < self.world.mistakes:
            raise PrivateError("of the caller")

    async def connect(self) -> "Connection":
        """Open a connection in a millisecond, or never."""
        self.opening += 1
        self.most_opening = max(self.most_opening, self.opening)
        try:
            await asyncio.sleep(1e9 if self.connect_hangs else 0.001)
        finally:
            self.opening -= 1
        self.opened += 1
        return Connection(self)

    def _duration(self, now: float) -> float:
        if self.mood == "hangs":
            return 3600.0
        if self.mood == "fails":
            return 0.001
        begins = max(now, self._free_at[0])
        ends = begins + self.world.dice.expovariate(1.0 / (MEAN * self.latency))
        heapreplace(self._free_at, ends)
        return ends - now


@dataclass
class Seen:
    """What the callers of one world saw."""

    latencies: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def calls(self) -> int:
        """How many calls have ended."""
        return len(self.latencies) + self.errors.total()

    @property
    def failed(self) -> float:
        """The share of calls that ended in an error, in per cent."""
        return 100.0 * self.errors.total() / self.calls

    def percentile(self, share: float) -> float:
        """Return the milliseconds within which such a share of the good calls were answered."""
        ordered = sorted(self.latencies)
        return 1000.0 * ordered[min(len(ordered) - 1, math.floor(share * len(ordered)))]


class Connection:
    """A client of one server, which serves one call at a time until the server restarts."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.life = server.life

    async def get(self, key: int) -> None:
        """Serve one call.

        Raises:
            ConnectionResetError: the server was restarted since it was connected to.
        """
        if self.life != self.server.life:
            raise ConnectionResetError(f"{self.server.name} was restarted")
        await self.server.get(key)

    async def close(self) -> None:
        """Close the connection, which never ends if the server does not release it."""
        self.server.closing += 1
        if self.server.close_hangs:
            await asyncio.sleep(1e9)
        self.server.closed += 1


GET: Method[Any, Awaitable[None]] = Method(
    "get", lambda server, args: server.get(*args), idempotent=True, hash_key=0
)


class World:
    """Servers, and pools of them, each with callers of its own.

    Attributes:
        mistakes: the share of callers whose calls end in a `PrivateError` on every server.

    Arguments:
        servers: how many there are.
        pools: how many there are.
        seed: of all dice.
        middleware: of each pool.
        connections: the settings of endpoints whose clients are connections; None if the servers themselves
            are the clients, each for any number of calls at a time.
        options: of each pool.
    """

    def __init__(
        self,
        servers: int,
        *,
        pools: int = 1,
        seed: int = 1,
        middleware: tuple[Any, ...] = (),
        connections: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        # Each server can serve each key, so that a busy one may pass keys on.
        options.setdefault("load_factor", 1.25)
        self.clock = Clock()
        self.dice = random.Random(seed)
        self.seen = Seen()
        self.mistakes = 0.0
        self.servers = [Server(f"s{number}", self) for number in range(servers)]
        self.pools: list[AsyncPool[Any]] = []
        for number in range(pools):
            pool: AsyncPool[Any] = AsyncPool(
                f"p{number}", clock=self.clock, random=self.dice.random, **options
            )
            # Not all in the same order, or all would begin with the same server.
            for server in self.dice.sample(self.servers, servers):
                if connections is None:
                    pool.add_client(server, server.name)
                else:
                    pool.add_endpoint(
                        server.connect, server.name, close=Connection.close, **connections
                    )
            for one in middleware:
                pool.register_middleware(one)
            self.pools.append(pool)

    def run(self, story: Callable[[], Awaitable[T]]) -> T:
        """Run a story from now to its end."""

        async def told() -> T:
            return await story()

        with asyncio.Runner(loop_factory=lambda: VirtualLoop(self.clock)) as runner:
            return runner.run(told())

    async def callers(self, calls: int, load: float) -> None:
        """Let so many callers come at random, to any pool, and wait until they were served.

        Arguments:
            calls: how many.
            load: calls per second, as a share of what all servers could serve if they were well.
        """
        rate = load * CAPACITY * len(self.servers)
        at, running = asyncio.get_running_loop().time(), set[asyncio.Task[None]]()
        for _ in range(calls):
            at += self.dice.expovariate(rate)
            await asyncio.sleep(at - self.clock.now)
            task = asyncio.ensure_future(self.call())
            running.add(task)
            task.add_done_callback(running.discard)
        if running:
            await asyncio.wait(running)

    async def crowd(self, callers: int, until: float) -> None:
        """Let so many callers call over and over, each with a pause after each call, until a time."""

        async def caller() -> None:
            while self.clock.now < until:
                await self.call()
                await asyncio.sleep(self.dice.expovariate(1.0 / MEAN))

        await asyncio.gather(*(caller() for _ in range(callers)))

    async def call(self) -> None:
        """Make one call and record how it ended."""
        pool, began = self.dice.choice(self.pools), self.clock.now
        try:
            await pool.call(GET, (self.dice.randrange(10_000),))
        except Exception as error:
            self.seen.errors[type(error).__name__] += 1
        else:
            self.seen.latencies.append(self.clock.now - began)

    def recover(self, back: Server) -> None:
        """Let a server be well again, and count from now on how many calls each server has at a time."""
        back.mood, back.back_at = "well", self.clock.now
        for server in self.servers:
            server.most = 0

    @property
    def trips(self) -> dict[str, int]:
        """How often each server was ejected, by all pools together."""
        counts = Counter[str]()
        for pool in self.pools:
            counts.update({member.name: member.trips for member in pool.stats().members})
        return counts

    def share(self, server: Server) -> float:
        """Return the share of all calls that one server got, in per cent."""
        return 100.0 * server.calls / sum(one.calls for one in self.servers)
