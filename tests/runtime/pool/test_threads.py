"""Many threads at once: counts are exact and nobody waits for anybody."""

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import count, repeat
from typing import Any

import pytest

from connpool_runtime import AsyncPool, Member, Method, NewClient, Pool
from connpool_runtime._concurrency.threads import FREE_THREADED
from connpool_runtime.balancing.balancers import BALANCERS, BY_CALL, TIMED
from connpool_runtime.middleware import (
    AdaptiveLimit,
    Bulkhead,
    Deadline,
    ErrorLog,
    Fallback,
    Logging,
    MethodBreaker,
    RateLimit,
    Retry,
    in_order,
)
from connpool_runtime.stats.histogram import Bucket


class Client:
    """Fails every so-manieth call, counted over all clients that share their numbers."""

    def __init__(self, fail_every: int = 0, numbers: "count[int] | None" = None) -> None:
        self._numbers = numbers or count(1)
        self._fail_every = fail_every

    def get(self) -> None:
        if self._fail_every and next(self._numbers) % self._fail_every == 0:
            raise ConnectionError

    def items(self) -> Iterator[int]:
        yield 1


ROLE = {"role": "all"}  # of all members, so that a route says nothing about who may be picked
SEES_CALLS: dict[str, dict[str, Any]] = {
    "peak_ewma": {"balancer": "peak_ewma"},
    "consistent_hash": {"balancer": "consistent_hash"},
    "function": {"balancer": lambda members, call: members[0]},
    "route": {"default_route": "all"},
}
"""Options with which the pick of a member depends on the call, or needs its duration."""
GET: Method[Client, None] = Method("get", lambda client, args: client.get())
ITEMS: Method[Client, Iterator[int]] = Method("items", lambda client, args: client.items())


@pytest.fixture(autouse=True)
def tiny_switch_interval() -> Iterator[None]:
    """Threads take turns as often as the interpreter can make them."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def run_in_threads(threads: int, work: Callable[[], object], *others: Callable[[], object]) -> None:
    """Start all at once, and one for each of the others, and wait; their errors are raised here."""
    barrier = threading.Barrier(threads + len(others))
    errors: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        barrier.wait()
        try:
            work()
        except BaseException as error:
            errors.append(error)

    works = [work] * threads + list(others)
    running = [threading.Thread(target=run, args=(one,)) for one in works]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if errors:
        raise errors[0]


def pool_of(fail_every: int = 0, members: int = 3, **options: Any) -> Pool[Client]:
    pool = Pool[Client]("test", methods=[GET, ITEMS], **{"max_fails": 0, **options})
    numbers = count(1)
    for _ in range(members):
        pool.add_client(Client(fail_every, numbers), labels=ROLE)
    return pool


def check_exact(pool: Pool[Client], calls: int, failures: int = 0) -> None:
    stats = pool.stats()
    get = stats.methods[0]
    assert stats.in_flight == 0
    assert (get.successes, get.failures, get.neutrals) == (calls - failures, failures, 0)
    assert get.latency.count == calls
    assert sum(member.successes for member in stats.members) == calls - failures
    assert sum(member.failures for member in stats.members) == failures


def call(pool: Pool[Client], times: int) -> Callable[[], None]:
    def work() -> None:
        for _ in repeat(None, times):
            with suppress(ConnectionError):
                pool.call(GET)

    return work


@pytest.mark.parametrize("balancer", BALANCERS)
def test_counts_are_exact(balancer: str) -> None:
    """No addition is lost between threads, with any balancer (B2, B17)."""
    pool = pool_of(balancer=balancer)
    run_in_threads(8, call(pool, 2000))
    check_exact(pool, 16_000)


def test_no_success_after_a_failure_is_lost() -> None:
    """As long as a failure is in the sliding window, each success is told to the member's breaker exactly once."""
    window = {"failure_rate_threshold": 1.0, "sliding_window_calls": 100_000}
    pool = pool_of(fail_every=4001, members=1, **window)
    call(pool, 4001)()
    run_in_threads(8, call(pool, 500))
    check_exact(pool, 8001, failures=1)
    counted = pool.members[0].breaker.window
    assert counted is not None
    assert (counted.calls, counted.failures) == (4001, 1)


def test_round_robin_shares_are_exact() -> None:
    """No pick is lost or doubled: each member has exactly its third (B2)."""
    pool = pool_of()
    run_in_threads(8, call(pool, 3000))
    assert [member.successes for member in pool.stats().members] == [8000] * 3


def test_weighted_round_robin_shares_are_exact() -> None:
    """The weighted sequence stays exact when threads share it (B2)."""
    pool = Pool[Client]("test", methods=[GET], balancer="weighted_round_robin")
    for weight in (5, 1, 1):
        pool.add_client(Client(), weight=weight)
    run_in_threads(7, call(pool, 500))
    assert [member.successes for member in pool.stats().members] == [2500, 500, 500]


@pytest.mark.parametrize("middleware", [False, True], ids=["quick", "long"])
@pytest.mark.parametrize("limit", [None, 20], ids=["shared", "limited"])
@pytest.mark.parametrize("sees", SEES_CALLS)
def test_counts_are_exact_where_the_pick_depends_on_the_call(
    sees: str, limit: int | None, middleware: bool
) -> None:
    """The paths of such calls count as exactly as the shortest one."""
    pool = pool_of(fail_every=7, max_fails=1000, max_concurrency=limit, **SEES_CALLS[sees])
    if middleware:
        pool.register_middleware(lambda call, proceed: proceed(call))
    run_in_threads(8, call(pool, 2100))
    check_exact(pool, 16_800, failures=2400)


@pytest.mark.parametrize("limit", [None, 20], ids=["shared", "limited"])
@pytest.mark.parametrize("balancer", [*BALANCERS, *BY_CALL])
def test_members_may_come_and_go_under_calls(balancer: str, limit: int | None) -> None:
    """Whoever picks while a group changes gets somebody, and every call is counted once."""
    pool = pool_of(balancer=balancer, members=2, max_concurrency=limit)

    def change() -> None:
        for number in range(150):
            pool.add_clients([NewClient(Client(), f"x{number}"), NewClient(Client(), f"y{number}")])
            pool.eject(f"x{number}")
            pool.uneject(f"x{number}")
            pool.remove_client(f"y{number}")
            pool.remove_client(f"x{number}")

    run_in_threads(4, call(pool, 1500), change)
    get = pool.stats().methods[0]
    assert (get.successes, get.failures, get.neutrals) == (6000, 0, 0)
    assert pool.stats().in_flight == 0


def test_counts_are_exact_with_failures() -> None:
    """Calls on the short way, failures and forgiving successes mix, and every one is counted once."""
    pool = pool_of(fail_every=7, max_fails=1000)
    run_in_threads(8, call(pool, 2100))
    check_exact(pool, 16_800, failures=2400)


def test_counts_are_exact_with_middleware() -> None:
    """The long way counts as exactly as the short one."""
    pool = pool_of(fail_every=5)
    pool.register_middleware(lambda call, proceed: proceed(call))
    run_in_threads(9, call(pool, 500))
    check_exact(pool, 4500, failures=900)


ALL: dict[str, Callable[[], list[Any]]] = {
    "Fallback": lambda: [Fallback("instead", errors=(KeyError,))],
    "ErrorLog": lambda: [ErrorLog(lambda call, error: None)],
    "Logging": lambda: [Logging()],
    "Deadline": lambda: [Deadline()],
    "a Deadline of its own": lambda: [Deadline(3600.0)],
    "RateLimit": lambda: [RateLimit(1e9)],
    "Bulkhead": lambda: [Bulkhead(1000)],
    "a full Bulkhead": lambda: [Bulkhead(2, max_wait=3600.0)],
    "AdaptiveLimit": lambda: [AdaptiveLimit(1000, most=1000)],
    "MethodBreaker": lambda: [MethodBreaker(max_fails=1_000_000)],
    "Retry": lambda: [Retry()],  # of a method that is not idempotent
    "bundle": lambda: in_order(),
    "all": lambda: in_order(
        Fallback("instead", errors=(KeyError,)),
        RateLimit(1e9),
        Bulkhead(1000),
        AdaptiveLimit(1000, most=1000),
        MethodBreaker(max_fails=1_000_000),
    ),
}


@pytest.mark.parametrize("limit", [None, 20], ids=["shared", "limited"])
@pytest.mark.parametrize("name", ALL)
def test_counts_are_exact_with_each_middleware(name: str, limit: int | None) -> None:
    """16 threads, whatever is registered: every call, failure and attempt is counted once, and nobody stays inside."""
    pool = pool_of(fail_every=5, max_concurrency=limit)
    for one in ALL[name]():
        pool.register_middleware(one)
    run_in_threads(16, call(pool, 125))
    check_exact(pool, 2000, failures=400)
    gauges = {one.name: one.value for one in pool.stats().middleware if one.kind == "gauge"}
    assert gauges.get("bulkhead_running", 0) == gauges.get("bulkhead_waiting", 0) == 0


def test_counts_are_exact_while_members_come_and_go() -> None:
    """Calls, drains and breakers at the same time: nobody is called after its closing (B18)."""
    called_closed = []

    class Closing(Client):
        closed = False

        def get(self) -> None:
            if self.closed:
                called_closed.append(self)
            super().get()

        def close(self) -> None:
            self.closed = True

    pool = Pool[Closing]("test", methods=[GET], close=lambda client: client.close())
    pool.add_client(Closing(), "stays")
    done = threading.Event()

    def churn() -> None:
        try:
            for number in range(150):
                pool.add_client(Closing(), f"n{number}")
                pool.remove_client(f"n{number}")
        finally:
            done.set()

    def use() -> None:
        while not done.is_set():
            pool.call(GET)

    work = iter([churn, use, use, use])
    run_in_threads(4, lambda: next(work)())
    assert called_closed == []
    assert pool.stats().in_flight == 0
    assert [member.name for member in pool.members] == ["stays"]


class OneAtATime(Client):
    """Notes when it is used by two at once."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.inside = 0
        self.most = 0

    def get(self) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            super().get()
        finally:
            self.inside -= 1


@pytest.mark.parametrize("middleware", [False, True], ids=["quick", "long"])
def test_clients_of_a_factory_have_one_user_at_a_time(middleware: bool) -> None:
    """The same while clients fail, are closed and opened anew: never more than there may be."""
    made: list[OneAtATime] = []
    numbers = count(1)

    def make() -> OneAtATime:
        made.append(OneAtATime(7, numbers))
        return made[-1]

    closed: list[OneAtATime] = []
    pool = Pool[OneAtATime]("test", methods=[GET], max_fails=0, max_clients=4, close=closed.append)
    if middleware:
        pool.register_middleware(lambda call, proceed: proceed(call))
    pool.add_endpoint(make, max_size=3)
    pool.add_endpoint(make, max_size=3)
    run_in_threads(8, call(pool, 350))  # type: ignore[arg-type]
    check_exact(pool, 2800, failures=400)  # type: ignore[arg-type]
    assert {client.most for client in made} <= {0, 1}
    assert sum(one.clients.size for one in pool.stats().members if one.clients) <= 4
    pool.close()
    assert sorted(map(id, closed)) == sorted(map(id, made))


@pytest.mark.parametrize("middleware", [False, True], ids=["quick", "long"])
@pytest.mark.parametrize("sees", [None, *SEES_CALLS])
def test_exclusive_members_have_one_user_at_a_time(middleware: bool, sees: str | None) -> None:
    """However many threads want them; and every call is counted, once."""
    options = {} if sees is None else SEES_CALLS[sees]
    pool = Pool[OneAtATime]("test", methods=[GET], max_concurrency=1, max_fails=0, **options)
    if middleware:
        pool.register_middleware(lambda call, proceed: proceed(call))
    numbers = count(1)
    for _ in range(3):
        pool.add_client(OneAtATime(7, numbers), labels=ROLE)
    run_in_threads(8, call(pool, 350))  # type: ignore[arg-type]
    check_exact(pool, 2800, failures=400)  # type: ignore[arg-type]
    users = {client.most for client in pool.clients}
    assert users <= {0, 1} if sees == "function" else users == {1}  # it prefers the first one
    assert pool.stats().waiting == 0


def test_the_lock_is_not_held_during_a_call() -> None:
    """All callers can be inside a client at the same time (B7)."""
    barrier = threading.Barrier(8, timeout=10)

    class Meeting(Client):
        def get(self) -> None:
            barrier.wait()

    for way in ("short", "long"):
        pool = Pool[Meeting]("test")
        pool.add_client(Meeting())
        if way == "long":
            pool.register_middleware(lambda call, proceed: proceed(call))
        run_in_threads(8, lambda pool=pool: pool.call(GET))  # type: ignore[misc]
        assert pool.stats().methods[0].successes == 8


def test_stats_do_not_disturb_the_callers() -> None:
    """Reading while calls run gives numbers that only grow (B15, B27)."""
    pool = pool_of(fail_every=4)
    seen: list[int] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            stats = pool.stats()
            seen.append(stats.methods[0].successes)
            repr(pool)

    reader = threading.Thread(target=read)
    reader.start()
    run_in_threads(4, call(pool, 1500))
    done.set()
    reader.join()
    assert seen == sorted(seen)
    check_exact(pool, 6000, failures=1500)


def test_without_the_interpreter_lock_every_count_is_taken_under_the_pools(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a free-threaded interpreter nothing of a member or of a duration is counted without the lock."""
    for module in ("checkout.router", "checkout.recorder", "calls.phases"):
        monkeypatch.setattr(f"connpool_runtime.{module}.FREE_THREADED", True)
    for middleware in ((), (Retry(base=0),), (lambda call, proceed: proceed(call),)):
        pool = pool_of(fail_every=5)
        for one in middleware:
            pool.register_middleware(one)
        lock, unguarded = pool._state.lock, Counter[str]()
        watch(lock, unguarded, Member, pool.members)
        watch(lock, unguarded, Bucket, pool._state.counters.of("get").buckets)
        run_in_threads(4, call(pool, 250))
        check_exact(pool, 1000, failures=200)
        assert unguarded == Counter()


def watch(lock: Any, unguarded: Counter[str], kind: type[Any], objects: Iterable[Any]) -> None:
    """Note each change of an attribute of these objects that happens without the lock."""

    def note(self: object, name: str, value: object) -> None:
        if not lock.locked():
            unguarded[name] += 1
        kind.__setattr__(self, name, value)

    watched = type("Watched", (kind,), {"__slots__": (), "__setattr__": note})
    for one in objects:
        one.__class__ = watched


def test_an_async_pool_counts_exactly_from_several_loops_threads() -> None:
    """What is not bound to a loop may be shared: ordinary calls of an AsyncPool count exactly too."""
    pool = AsyncPool[Client]("test", methods=[GET])
    for _ in range(3):
        pool.add_client(Client())

    def work() -> None:
        for _ in repeat(None, 500):
            pool.call_sync(GET)

    run_in_threads(4, work)
    assert pool.stats().methods[0].successes == 2000


@pytest.mark.stress
@pytest.mark.parametrize("balancer", BALANCERS)
def test_counts_are_exact_after_many_calls(balancer: str) -> None:
    """16 threads, 100,000 calls each; fewer with a balancer that takes the pool's lock for each."""
    calls = 10_000 if balancer in TIMED or FREE_THREADED else 100_000
    pool = pool_of(balancer=balancer, fail_every=1000)
    run_in_threads(16, call(pool, calls))
    stats = pool.stats().methods[0]
    check_exact(pool, 16 * calls, failures=stats.failures)
    assert 16 * calls / 1000 - 10 <= stats.failures <= 16 * calls / 1000


@pytest.mark.stress
def test_streams_of_many_threads_are_exact() -> None:
    """16 threads, 5,000 streams each, every second one dropped."""
    pool = pool_of()

    def work() -> None:
        for number in range(5_000):
            stream = pool.stream(ITEMS)
            next(stream)
            if number % 2:
                stream.close()
            del stream

    run_in_threads(16, work)
    assert pool.stats().in_flight == 0
    assert pool.stats().methods[1].successes == 80_000
