"""Interrupts at every point of the way: nothing stays in flight, no lock stays taken.

For threads a KeyboardInterrupt is raised at each line that the runtime runs, one line per try. For
tasks a CancelledError is thrown at each await. The line that ends a `with` block is left out: the
tracer can raise there before the lock is released, the interpreter itself cannot.
"""

import asyncio
import gc
import itertools
import linecache
import math
import signal
import sys
import threading
import time
import types
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Any

import pytest

import connpool_runtime
from connpool_runtime import (
    AsyncPool,
    Balancer,
    Call,
    Member,
    Method,
    NewClient,
    Pool,
    PoolError,
    UnknownMember,
    calling,
    deadline,
    remaining,
)
from connpool_runtime._concurrency import threads
from connpool_runtime.balancing import p2c, ring_hash
from connpool_runtime.breaker.breaker import BreakerState
from connpool_runtime.calls.calling import are_blocks_open, current_options
from connpool_runtime.checkout.replacing import replace_client
from connpool_runtime.middleware import (
    AdaptiveLimit,
    AdaptiveThrottle,
    Bulkhead,
    Chaos,
    Coalesce,
    Deadline,
    ErrorLog,
    Fallback,
    Harm,
    MethodBreaker,
    RateLimit,
    Retry,
    Timeout,
)
from tests.runtime.faces import FakeClock
from tests.thorough import THOROUGH
from tests.waiting import eventually

RUNTIME = connpool_runtime.__path__[0]
# Striking at every line takes minutes. On a developer's machine each sixth line is struck, beginning at
# another one in each test; CI strikes at all.
STEP = 1 if THOROUGH else 6
_begun = itertools.count()


def lines_to_strike() -> Iterator[int]:
    """Count the lines at which an interrupt is tried, one per try."""
    return itertools.count(next(_begun) % STEP, STEP)


class Interrupter:
    """Raises KeyboardInterrupt at the so-manieth line run inside the runtime."""

    def __init__(self, at: int) -> None:
        self.left = at
        self.fired: str | None = None

    def __call__(self, frame: types.FrameType, event: str, arg: object) -> Any:
        if not frame.f_code.co_filename.startswith(RUNTIME) or in_finalizer(frame):
            return None
        seen: set[int] = set()

        def lines(frame: types.FrameType, event: str, arg: object) -> Any:
            if event != "line" or self.fired:
                return lines
            text = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
            ends_block = text.startswith("with ") and frame.f_lineno in seen
            seen.add(frame.f_lineno)
            if not ends_block:
                self.left -= 1
            if self.left < 0:
                self.fired = f"{frame.f_code.co_filename}:{frame.f_lineno} {text}"
                raise KeyboardInterrupt
            return lines

        return lines


def in_finalizer(frame: types.FrameType | None) -> bool:
    """Tell whether a frame belongs to a `__del__`, from which nothing can be raised."""
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


class Client:
    """Answers, or fails so many times first."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures

    def get(self) -> str:
        if self.failures:
            self.failures -= 1
            raise ConnectionError
        return "fine"

    def items(self) -> Iterator[int]:
        self.get()
        yield 1
        yield 2

    @contextmanager
    def session(self) -> Iterator[str]:
        yield self.get()


GET: Method[Client, str] = Method("get", lambda client, args: client.get(), idempotent=True)
ITEMS: Method[Client, Iterator[int]] = Method(
    "items", lambda client, args: client.items(), idempotent=True
)
SESSION: Method[Client, Any] = Method("session", lambda client, args: client.session())


def call(pool: Pool[Client]) -> None:
    pool.call(GET)


def stream(pool: Pool[Client]) -> None:
    list(pool.stream(ITEMS))


def closed_stream(pool: Pool[Client]) -> None:
    with pool.stream(ITEMS) as items:
        next(items)


def context(pool: Pool[Client]) -> None:
    with pool.context(SESSION):
        pass


def lease(pool: Pool[Client]) -> None:
    with pool.lease() as client:
        client.get()


def execute(pool: Pool[Client]) -> None:
    pool.execute(lambda client: client.get(), balancer="weighted_round_robin")


def healthy(pool: Pool[Client], clock: FakeClock) -> None:
    pass


def failing(pool: Pool[Client], clock: FakeClock) -> None:
    for client in pool.clients:
        client.failures = 1


def half_open(pool: Pool[Client], clock: FakeClock) -> None:
    for client in pool.clients:
        client.failures = 2
    for _ in range(4):
        with pytest.raises(ConnectionError):
            pool.call(GET)
    clock.sleep(10)


def has_middleware(pool: Pool[Client], clock: FakeClock) -> None:
    pool.register_middleware(ErrorLog(lambda call, error: None))
    pool.register_middleware(Retry(3, sleep=lambda delay: None))
    failing(pool, clock)


def bounded(pool: Pool[Client], clock: FakeClock) -> None:
    pool.register_middleware(Deadline(60.0))
    pool.register_middleware(RateLimit(1000.0, max_wait=1.0))
    pool.register_middleware(Bulkhead(1))
    pool.register_middleware(AdaptiveLimit(1, least=1))


def judged(pool: Pool[Client], clock: FakeClock) -> None:
    """The middleware that look at a call's answer, or at its error."""
    pool.register_middleware(Fallback("instead", errors=(KeyError,)))
    pool.register_middleware(Coalesce())
    pool.register_middleware(AdaptiveThrottle(clock=clock))
    pool.register_middleware(Timeout())
    pool.register_middleware(Chaos(Harm(wrong_rate=1.0, wrong=str), switched_on=True))


def exclusive(pool: Pool[Client], clock: FakeClock) -> None:
    pass


def in_time(pool: Pool[Client], clock: FakeClock) -> None:
    """Middleware around the client's function alone."""
    pool.register_middleware(Deadline(60.0))
    pool.register_middleware(Retry(3, sleep=lambda delay: None))
    pool.register_middleware(Timeout())


def exclusive_in_time(pool: Pool[Client], clock: FakeClock) -> None:
    """One member fails once, so that its call goes on."""
    in_time(pool, clock)
    pool.clients[0].failures = 1


def exclusive_of_a_role(pool: Pool[Client], clock: FakeClock) -> None:
    """The way of calls that have a route."""
    pool.reconfigure(default_route="all")
    for name in "ab":
        pool.set_labels(name, {"role": "all"})
    pool.call(GET)
    pool.clients[0].failures = 1


def exclusive_of_a_role_in_phases(pool: Pool[Client], clock: FakeClock) -> None:
    """The same with middleware around the client's function alone."""
    in_time(pool, clock)
    exclusive_of_a_role(pool, clock)


def exclusive_of_a_role_seen(pool: Pool[Client], clock: FakeClock) -> None:
    """The same with middleware that has to see each call."""
    exclusive_of_a_role(pool, clock)
    exclusive_seen(pool, clock)


def exclusive_seen(pool: Pool[Client], clock: FakeClock) -> None:
    """Middleware that has to see each call; one member fails once."""
    pool.register_middleware(lambda call, proceed: proceed(call))
    pool.register_middleware(Retry(3, sleep=lambda delay: None))
    pool.clients[0].failures = 1


def stocked_seen(pool: Pool[Client], clock: FakeClock) -> None:
    """The same on endpoints, of which one has a client that is ready."""
    pool.call(GET)
    exclusive_seen(pool, clock)


def stocked(pool: Pool[Client], clock: FakeClock) -> None:
    """One endpoint has a client that was idle for long, the other none."""
    pool.call(GET)
    clock.sleep(5)


def listened(pool: Pool[Client], clock: FakeClock) -> None:
    pool.subscribe(lambda event: None)
    half_open(pool, clock)


ACTIONS = [call, stream, closed_stream, context, lease, execute]
STATES = [
    healthy,
    failing,
    half_open,
    has_middleware,
    bounded,
    judged,
    listened,
    exclusive,
    in_time,
    exclusive_in_time,
    exclusive_seen,
    exclusive_of_a_role,
    exclusive_of_a_role_in_phases,
    exclusive_of_a_role_seen,
    stocked,
    stocked_seen,
]
EXCLUSIVE = (
    exclusive,
    exclusive_in_time,
    exclusive_seen,
    exclusive_of_a_role,
    exclusive_of_a_role_in_phases,
    exclusive_of_a_role_seen,
)
ON_DEMAND = (stocked, stocked_seen)


@pytest.mark.filterwarnings("ignore:a lease of:ResourceWarning")
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.__name__)
def test_an_interrupt_at_any_line_leaks_nothing(
    action: Callable[[Pool[Client]], None], state: Callable[[Pool[Client], FakeClock], None]
) -> None:
    """Wherever Ctrl-C strikes: no call in flight, no probe lost, no lock taken, the pool goes on."""
    check_every_line(action, state)


@connpool_runtime.method("get", deadline_parameter="timeout", timeout=5.0)
def get_in_time(client: Client, packed: Any) -> str:
    _key, timeout = packed
    return client.get() if timeout else ""


def in_a_block_with_a_deadline(pool: Pool[Client]) -> None:
    with deadline(60.0), deadline(30.0):
        pool.call(GET)


def in_a_block_with_options(pool: Pool[Client]) -> None:
    with calling(member="a"), calling(retry=False):
        pool.call(GET)


def with_a_timeout(pool: Pool[Client]) -> None:
    pool.register_middleware(Timeout())
    pool.call(get_in_time, ("key", None))


@pytest.mark.parametrize(
    "action",
    [in_a_block_with_a_deadline, in_a_block_with_options, with_a_timeout],
    ids=lambda action: action.__name__,
)
def test_an_interrupt_at_any_line_leaves_the_thread_in_no_block(
    action: Callable[[Pool[Client]], None],
) -> None:
    """Wherever Ctrl-C strikes, also before the block has begun and behind it: what it said ends with it."""
    for line in lines_to_strike():
        pool = Pool[Client]("test")
        for name in "ab":
            pool.add_client(Client(), name)
        fired = interrupted_at(line, partial(action, pool))
        assert (remaining(), current_options()) == (math.inf, None), fired
        assert not are_blocks_open(), fired
        if fired is None:
            break
    assert line > 5, "the tracer saw nothing"


def idle(members: Sequence[Member[Client]], call: Call) -> Member[Client]:
    return min(members, key=lambda member: member.taken)


@pytest.fixture
def few_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let tables and rings be small, because each of their entries is a line to be interrupted at."""
    monkeypatch.setattr(p2c, "TABLE", 2)
    monkeypatch.setattr(ring_hash, "POINTS", 8)


@pytest.mark.usefixtures("few_lines")
@pytest.mark.parametrize("state", [healthy, failing, half_open], ids=lambda state: state.__name__)
@pytest.mark.parametrize("balancer", ["peak_ewma", "consistent_hash", idle])
def test_an_interrupt_at_any_line_of_a_call_that_is_seen_leaks_nothing(
    balancer: str | Balancer, state: Callable[[Pool[Client], FakeClock], None]
) -> None:
    """Nor does one where the balancer sees the call, or its end."""
    check_every_line(call, state, balancer=balancer)


def test_a_success_follows_up_on_a_change_that_an_interrupt_broke_off() -> None:
    """Also on a member that has failed lately, whose successes are told to its breaker anyway."""
    pool = Pool[Client]("test", clock=FakeClock())
    pool.add_client(Client(failures=1), "a")
    pool.add_client(Client(), "b")
    failing, other = pool.members
    for _ in pool.members:
        with suppress(ConnectionError):
            pool.call(GET)
    assert failing.breaker.failures == 1

    def broken_off(client: Client, _args: object) -> str:
        if client is failing.client:
            failing.begin_change()
            failing.unreachable = OSError("the interrupt struck after this line")
        return client.get()

    for _ in pool.members:
        pool.call(Method("get", broken_off))
    assert tuple(pool._state.membership.available) == (other,)


def flap(pool: Pool[Client]) -> None:
    pool.eject("a")
    pool.uneject("a")


def grow(pool: Pool[Client]) -> None:
    pool.add_clients([NewClient(Client(), "c"), NewClient(Client(), "d")])


def shrink(pool: Pool[Client]) -> None:
    pool.remove_client("a")


def swap(pool: Pool[Client]) -> None:
    old = pool.members[0]
    replace_client(pool._checkout, old, Client(), close=bool, validate=None, new_gate=threads.Gate)


@pytest.mark.usefixtures("few_lines")
@pytest.mark.parametrize("change", [flap, grow, shrink, swap], ids=lambda change: change.__name__)
@pytest.mark.parametrize(
    "balancer", ["round_robin", "weighted_round_robin", "least_request", "consistent_hash"]
)
def test_an_interrupt_at_any_line_of_a_change_leaves_a_whole_pool(
    balancer: str, change: Callable[[Pool[Client]], None]
) -> None:
    """Each member is in or out: what is available is what follows from the members as they are."""
    for line in lines_to_strike():
        pool = Pool[Client]("test", clock=FakeClock(), balancer=balancer)
        for name in "ab":
            pool.add_client(Client(), name)
        pool.call(GET)
        interrupter = Interrupter(line)
        sys.settrace(interrupter)
        try:
            change(pool)
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)
        for member in pool.members:
            if member.name == "a" and member.fast_generation is None:
                with suppress(UnknownMember):  # as the next call on it would
                    pool.uneject("a")
        assert {pool.call(GET) for _ in range(4)} == {"fine"}, interrupter.fired
        for replaced in pool._state.membership.replaced:  # nobody meets a client that was replaced
            assert replaced.fast_generation is None, interrupter.fired
        pool._checkout.router.candidates()
        ready = {member for member in pool.members if member.ready}
        assert set(pool._state.membership.available) == ready, interrupter.fired
        assert pool._state.membership.wake_at == math.inf, interrupter.fired
        if interrupter.fired is None:
            break
    assert line > 5, "the tracer saw nothing"


def check_every_line(
    action: Callable[[Pool[Client]], None],
    state: Callable[[Pool[Client], FakeClock], None],
    **options: Any,
) -> None:
    """Interrupt an action at each of its lines, in a pool that is in a state."""
    for line in lines_to_strike():
        clock = FakeClock()
        limit = 1 if state in EXCLUSIVE else None
        options |= {"clock": clock, "max_fails": 2, "cooldown": 10, "max_concurrency": limit}
        pool = Pool[Client]("test", **options)
        for name in "ab":
            if state in ON_DEMAND:
                pool.add_endpoint(Client, name, max_size=2, validate=Client.get, close=bool)
            else:
                pool.add_client(Client(), name)
        state(pool, clock)
        interrupter = Interrupter(line)
        sys.settrace(interrupter)
        try:
            action(pool)
        except (KeyboardInterrupt, ConnectionError):
            pass
        finally:
            sys.settrace(None)
        assert remaining() == math.inf, interrupter.fired
        assert pool._state.lock.acquire(timeout=1), interrupter.fired
        pool._state.lock.release()
        if pool.stats().in_flight:
            gc.collect()
        assert pool.stats().in_flight == 0, interrupter.fired
        for client in pool.clients:
            client.failures = 0
        clock.sleep(10)
        assert {pool.call(GET) for _ in range(4)} == {"fine"}, interrupter.fired
        assert {member.breaker.state.value for member in pool.members} == {"closed"}
        if state in ON_DEMAND:
            check_stocks(pool, interrupter.fired)
        if interrupter.fired is None:
            break
    assert line > 5, "the tracer saw nothing"


def check_stocks(pool: Pool[Client], fired: str | None) -> None:
    """Nothing is being opened, nobody has a client, and all that may be opened can be."""
    clients = [one.clients for one in pool.stats().members]
    assert [(one.connecting, one.size - one.idle) for one in clients if one] == [(0, 0)] * 2, fired
    leases = [pool.lease() for _ in range(4)]
    for lease in leases:
        lease.begin()
    for lease in leases:
        lease.end(None)
    pool.close()


@pytest.fixture
def quick_switches() -> Iterator[None]:
    """Threads that look for each other take turns without delay."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.filterwarnings("ignore:a lease of:ResourceWarning")
@pytest.mark.usefixtures("quick_switches")
@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.__name__)
def test_an_interrupt_at_any_line_still_serves_the_next_in_line(
    action: Callable[[Pool[Client]], None],
) -> None:
    """Wherever Ctrl-C strikes the one who holds the only member, the next in line gets it."""
    for line in lines_to_strike():
        pool = Pool[Client]("test", max_concurrency=1, checkout_timeout=10)
        client = Client()
        pool.add_client(client)
        served: list[object] = []
        waiter = threading.Thread(target=lambda pool=pool, to=served: to.append(pool.call(GET)))

        def meet(pool: Pool[Client] = pool, waiter: threading.Thread = waiter) -> str:
            if not waiter.ident:  # in the first call, which holds the member
                waiter.start()
                while not pool._state.queue.waiters:
                    time.sleep(0)
            return "fine"

        client.get = meet  # type: ignore[method-assign]  # of this one
        interrupter = Interrupter(line)
        sys.settrace(interrupter)
        try:
            action(pool)
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)
        if waiter.ident:
            waiter.join(0.1)
            if waiter.is_alive():  # what was interrupted may hang in a cycle
                gc.collect()
            waiter.join(5)
            assert served == ["fine"], interrupter.fired
        assert pool.stats().in_flight == 0, interrupter.fired
        if interrupter.fired is None:
            break
    assert line > 5, "the tracer saw nothing"


@pytest.mark.usefixtures("quick_switches")
def test_an_interrupt_at_any_line_of_a_shared_call_leaves_nobody_waiting() -> None:
    """Wherever Ctrl-C strikes the one who makes the call for all: the others get an answer all the same."""
    for line in lines_to_strike():
        pool, coalesce, served = Pool[Client]("test"), Coalesce(), list[object]()
        client = Client()
        pool.add_client(client)
        pool.register_middleware(coalesce)
        guest = threading.Thread(
            target=lambda pool=pool, to=served: to.append(pool.call(GET)),
            daemon=True,
        )

        def meet(
            coalesce: Coalesce = coalesce, guest: threading.Thread = guest, client: Client = client
        ) -> str:
            del client.get  # type: ignore[method-assign]  # the next call is an ordinary one
            guest.start()
            while not any(flight.guests for flight in coalesce._flights.values()):
                time.sleep(0)
            return "fine"

        client.get = meet  # type: ignore[method-assign]  # of this one
        fired = interrupted_at(line, partial(pool.call, GET))
        if guest.ident:
            guest.join(5)
            assert served == ["fine"], fired
        assert not coalesce._flights, fired
        if fired is None:
            break
    assert line > 5, "the tracer saw nothing"


@pytest.mark.usefixtures("quick_switches")
def test_an_interrupt_at_any_line_of_waiting_for_a_shared_call_leaves_no_trace() -> None:
    """Wherever Ctrl-C strikes one who waits for another's call: it waits no more, and its place is free."""
    for line in lines_to_strike():
        pool, coalesce = Pool[Client]("test"), Coalesce()
        client, joined, done = Client(), list[int](), threading.Event()
        pool.add_client(client)
        pool.register_middleware(coalesce)

        def answer(
            coalesce: Coalesce = coalesce, joined: list[int] = joined, done: threading.Event = done
        ) -> str:
            flights = coalesce._flights
            while not any(flight.guests for flight in flights.values()) and not done.is_set():
                time.sleep(0)
            joined.append(1)
            return "fine"

        client.get = answer  # type: ignore[method-assign]  # of this one
        leader = threading.Thread(target=lambda pool=pool: pool.call(GET), daemon=True)
        leader.start()
        assert eventually(partial(bool, coalesce._flights))
        (flight,) = coalesce._flights.values()
        fired = interrupted_at(line, partial(pool.call, GET))
        done.set()
        leader.join(5)
        assert not leader.is_alive(), fired
        assert (coalesce._flights, flight.guests) == ({}, set()), fired
        if fired is None:
            break
    assert line > 5, "the tracer saw nothing"


def interrupted_at(line: int, act: Callable[[], object]) -> str | None:
    """Interrupt an action at its so-manieth line; tell where that was."""
    interrupter = Interrupter(line)
    sys.settrace(interrupter)
    try:
        act()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(None)
    return interrupter.fired


@pytest.mark.parametrize("failures", [0, 1])
def test_an_interrupt_at_any_line_loses_no_probe_of_a_method(failures: int) -> None:
    """Wherever Ctrl-C strikes a call that probes a member for its method, the next call may probe it."""
    for line in lines_to_strike():
        clock, pool, client = FakeClock(), Pool[Client]("test"), Client(1)
        breaker = MethodBreaker(1, 5.0, clock=clock, random=lambda: 0.0)
        pool.add_client(client)
        pool.register_middleware(breaker)
        with pytest.raises(ConnectionError):
            pool.call(GET)
        clock.sleep(10)
        client.failures = failures
        fired = interrupted_at(line, partial(probe, pool))
        client.failures = 0
        breaker.numbers()  # hears of the ends
        pairs = breaker._pairs.breakers["get"].values()
        if not any(one.state is BreakerState.OPEN for one in pairs):  # as the probe failed
            assert pool.call(GET) == "fine", fired
        if fired is None:
            break
    assert line > 5, "the tracer saw nothing"


def probe(pool: Pool[Client]) -> None:
    with suppress(ConnectionError):
        pool.call(GET)


@pytest.mark.usefixtures("quick_switches")
def test_an_interrupt_at_any_line_of_waiting_leaks_nothing() -> None:
    """Wherever Ctrl-C strikes one who waits: it leaves the line, and the member goes to the next."""
    for line in lines_to_strike():
        pool = Pool[Client]("test", max_concurrency=1, checkout_timeout=10)
        pool.add_client(Client())
        lease = pool.lease()
        lease.begin()

        done = threading.Event()

        def give_back(
            pool: Pool[Client] = pool, lease: Any = lease, done: threading.Event = done
        ) -> None:
            while not pool._state.queue.waiters and not done.is_set():
                time.sleep(0)
            lease.end(None)

        giver = threading.Thread(target=give_back)
        giver.start()
        interrupter = Interrupter(line)
        sys.settrace(interrupter)
        try:
            pool.call(GET)
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)
            done.set()
        giver.join()
        stats = pool.stats()
        assert (stats.in_flight, stats.waiting) == (0, 0), interrupter.fired
        assert pool.call(GET) == "fine"
        if interrupter.fired is None:
            break
    assert line > 20, "the tracer saw nothing"


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
def test_real_signals_leak_nothing() -> None:
    """The same with the interpreter's own signals, which strike between two bytecodes."""
    pool = Pool[Client]("test", max_fails=0)
    for name in "abc":
        pool.add_client(Client(), name)
    assert threading.current_thread() is threading.main_thread()
    struck = 0
    armed: list[bool] = []

    def interrupt(number: int, frame: object) -> None:
        if armed:
            armed.clear()
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for microseconds in range(1, 400):
            try:
                armed.append(True)
                signal.setitimer(signal.ITIMER_REAL, microseconds / 1e6)
                for _ in range(600):
                    pool.call(GET)
                armed.clear()
            except KeyboardInterrupt:
                struck += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert struck > 100
    assert pool.stats().in_flight == 0
    assert not pool._state.lock.locked()


# Tasks


@types.coroutine
def pause() -> Generator[str, None, None]:
    """Give way once, to whoever drives the coroutine."""
    yield "paused"


class AsyncClient:
    """Waits at each step, and fails so many times first."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures

    async def get(self) -> str:
        await pause()
        if self.failures:
            self.failures -= 1
            raise ConnectionError
        await pause()
        return "fine"

    async def items(self) -> Any:
        for _ in range(2):
            yield await self.get()

    @asynccontextmanager
    async def session(self) -> Any:
        yield await self.get()
        await pause()


AGET: Method[AsyncClient, Awaitable[str]] = Method(
    "get", lambda client, args: client.get(), idempotent=True
)
AITEMS: Method[AsyncClient, Any] = Method(
    "items", lambda client, args: client.items(), idempotent=True
)
ASESSION: Method[AsyncClient, Any] = Method("session", lambda client, args: client.session())


async def acall(pool: AsyncPool[AsyncClient]) -> None:
    await pool.call(AGET)


async def astream(pool: AsyncPool[AsyncClient]) -> None:
    async with pool.stream(AITEMS) as items:
        async for _ in items:
            await pause()


async def acontext(pool: AsyncPool[AsyncClient]) -> None:
    async with pool.context(ASESSION):
        await pause()


async def alease(pool: AsyncPool[AsyncClient]) -> None:
    async with pool.lease() as client:
        await client.get()


async def aexecute(pool: AsyncPool[AsyncClient]) -> None:
    await pool.execute(lambda client: client.get(), balancer="random")


async def nap(delay: float) -> None:
    await pause()


def cancelled_at(step: int, coroutine: Any) -> bool:
    """Drive a coroutine and cancel it at its so-manieth await; tell whether it got so far."""
    try:
        for _ in range(step):
            coroutine.send(None)
        coroutine.throw(asyncio.CancelledError)
    except asyncio.CancelledError:
        return True
    except (StopIteration, ConnectionError, PoolError):
        return False
    coroutine.close()
    raise AssertionError("the cancellation was swallowed")


@pytest.mark.parametrize("failures", [0, 1])
@pytest.mark.parametrize("middleware", [False, True], ids=["short", "middleware"])
@pytest.mark.parametrize("open_first", [False, True], ids=["closed", "half-open"])
@pytest.mark.parametrize(
    "action", [acall, astream, acontext, alease, aexecute], ids=lambda action: action.__name__
)
def test_a_cancellation_at_any_await_leaks_nothing(
    action: Callable[[AsyncPool[AsyncClient]], Any],
    open_first: bool,
    middleware: bool,
    failures: int,
) -> None:
    """Wherever a task is cancelled: no call in flight, no probe lost, and the member is not blamed."""
    for step in itertools.count(1):
        clock = FakeClock()
        pool = AsyncPool[AsyncClient]("test", clock=clock, max_fails=2, cooldown=10)
        for name in "ab":
            pool.add_client(AsyncClient(failures), name)
        if middleware:
            pool.register_middleware(Retry(3, sleep=nap))
        if open_first:
            for member in pool.members:
                pool.eject(member.name)
                member.breaker.until = clock()
            pool._checkout.router.rebuild_locked()
        before = [member.breaker.trips for member in pool.members]
        reached = cancelled_at(step, action(pool))
        assert pool.stats().in_flight == 0
        assert sum(member.neutral for member in pool.members) <= 1
        if failures == 0:
            assert [member.breaker.trips for member in pool.members] == before
        clock.sleep(10)
        for client in pool.clients:
            client.failures = 0
        for _ in range(4):
            assert complete(pool.call(AGET)) == "fine"
        assert {member.breaker.state.value for member in pool.members} == {"closed"}
        if not reached:
            break
    assert step > 1


def complete(coroutine: Any) -> Any:
    """Drive a coroutine to its end."""
    while True:
        try:
            coroutine.send(None)
        except StopIteration as done:
            return done.value


async def test_a_cancelled_call_is_neutral() -> None:
    """A caller that goes away is no evidence: a hundred of them do not open a breaker (B5)."""
    pool = AsyncPool[Any]("test", max_fails=2)

    class Slow:
        async def get(self) -> None:
            await asyncio.sleep(60)

    pool.add_client(Slow())
    for _ in range(100):
        task = asyncio.ensure_future(pool.call(Method("get", lambda client, args: client.get())))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    (member,) = pool.stats().members
    assert (member.neutrals, member.failures, member.trips, member.in_flight) == (100, 0, 0, 0)


def test_the_tracer_can_catch_a_leak() -> None:
    """The method works: a call that counts carelessly is caught by it."""

    def careless(call: Call, proceed: Any) -> Any:
        return proceed(call)

    pool = Pool[Client]("test")
    pool.add_client(Client())
    pool.register_middleware(careless)
    fired = []
    for line in range(500):
        interrupter = Interrupter(line)
        sys.settrace(interrupter)
        try:
            pool.members[0].taken += 1
            pool.call(GET)
            pool.members[0].taken -= 1
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)
        if interrupter.fired is None:
            break
        fired.append(interrupter.fired)
    assert pool.stats().in_flight > 20


class Opened:
    """A client that counts how often it was closed."""

    def __init__(self) -> None:
        self.closed = 0

    def get(self) -> str:
        return "fine"

    def close(self) -> None:
        self.closed += 1


def first_call(pool: Pool[Any], clock: FakeClock) -> None:
    pool.call(GET)


def call_when_expired(pool: Pool[Any], clock: FakeClock) -> None:
    pool.call(GET)
    clock.sleep(20)
    pool.call(GET)


def warm_up(pool: Pool[Any], clock: FakeClock) -> None:
    pool.warm_up()


def removed(pool: Pool[Any], clock: FakeClock) -> None:
    pool.call(GET)
    pool.remove_client("a")


def closed(pool: Pool[Any], clock: FakeClock) -> None:
    pool.call(GET)
    pool.close(0)


@pytest.mark.parametrize("configure", [None, lambda client: None], ids=["plain", "configured"])
@pytest.mark.parametrize(
    "life",
    [first_call, call_when_expired, warm_up, removed, closed],
    ids=lambda life: life.__name__,
)
def test_an_interrupt_at_any_line_loses_no_client(
    life: Callable[[Pool[Any], FakeClock], None],
    configure: Callable[[Any], object] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each client that was opened is closed once, by the latest when the pool is closed; no idle member keeps it waiting."""
    open_at_once: list[bool] = []
    wait = threads.Gate.wait

    def look(gate: threads.Gate, seconds: float) -> bool:
        is_of_member = type(gate) is threads.Gate
        found = wait(gate, 0.0 if is_of_member else seconds)
        if is_of_member:
            open_at_once.append(found)
        return found

    monkeypatch.setattr(threads.Gate, "wait", look)
    for line in lines_to_strike():
        interrupter, clients = Interrupter(line), list[Opened]()
        live_until_closed(interrupter, life, configure, clients, open_at_once)
        if interrupter.fired is None:
            break
    assert clients
    assert line > 5, "the tracer saw nothing"


def live_until_closed(
    interrupter: Interrupter,
    life: Callable[[Pool[Any], FakeClock], None],
    configure: Callable[[Any], object] | None,
    clients: list[Opened],
    open_at_once: list[bool],
) -> None:
    def factory() -> Opened:
        clients.append(Opened())
        return clients[-1]

    clock = FakeClock()
    pool = Pool[Any](clock=clock, random=lambda: 0.5)
    pool.add_endpoint(
        factory, "a", close=Opened.close, configure=configure, max_lifetime=10.0, initial_size=1
    )
    sys.settrace(interrupter)
    try:
        life(pool, clock)
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(None)
    open_at_once.clear()
    pool.close(10.0)
    assert all(open_at_once), interrupter.fired
    assert eventually(lambda: all(one.closed for one in clients)), interrupter.fired
    assert {one.closed for one in clients} <= {1}, interrupter.fired
