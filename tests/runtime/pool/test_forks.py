"""A child process after a fork: free locks, empty slots, watches begun anew, clients of its own."""

import asyncio
import gc
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest

from connpool_runtime import AsyncPool, Method, Pool
from connpool_runtime.connectors.config.base import ConnectorConfig
from connpool_runtime.connectors.custom import AsyncCustomConnector, CustomConnector
from connpool_runtime.middleware import AdaptiveLimit, Bulkhead, MethodBreaker, RateLimit, Retry
from connpool_runtime.registry.registry import Registry
from connpool_runtime.sharing.shared_clients import SharedClients
from tests.runtime.forking import Child, forks, in_child
from tests.thorough import thorough
from tests.waiting import eventually

pytestmark = forks


def config(**options: Any) -> ConnectorConfig:
    quick = {"health_interval": 0.05, "reconnect_interval": 0.05, "connect_timeout": 5.0}
    return ConnectorConfig(endpoints="a:1", **(quick | options))


@contextmanager
def running(work: Callable[[threading.Event], Any]) -> Iterator[threading.Event]:
    """Run something in another thread, until the end of the block."""
    done = threading.Event()
    thread = threading.Thread(target=work, args=(done,), daemon=True)
    thread.start()
    try:
        yield done
    finally:
        done.set()
        thread.join(20)


# Locks


@thorough
def test_no_child_hangs_in_a_lock_of_middleware() -> None:
    """Threads of the parent are inside the locks of all middleware all the time: every child calls."""
    pool = Pool[object](max_concurrency=100)
    pool.add_client(object())
    for one in (RateLimit(1e9), Bulkhead(1000), AdaptiveLimit(), Retry(), MethodBreaker()):
        pool.register_middleware(one)

    def work(done: threading.Event) -> None:
        while not done.is_set():
            pool.execute(lambda _: 1)

    with running(work), running(work), running(work):
        answers = []
        for _ in range(30):
            answers.append(in_child(lambda: pool.execute(lambda _: "fine"), 10))
            if answers[-1] != "fine":
                break
    assert answers == ["fine"] * 30


@pytest.mark.parametrize(
    "middleware", [RateLimit(1e9), Bulkhead(9), AdaptiveLimit(), Retry(), MethodBreaker()]
)
def test_a_lock_that_is_held_at_the_fork_is_free(middleware: Any) -> None:
    """The same, made certain: another thread is inside the lock at the fork."""
    pool = Pool[object]()
    pool.add_client(object())
    pool.register_middleware(middleware)
    locks = [middleware._lock] if hasattr(middleware, "_lock") else [middleware.budget._lock]
    locks += [middleware._tally._lock, pool._state.lock]
    taken = threading.Event()

    def hold(done: threading.Event) -> None:
        for lock in locks:
            lock.acquire()
        taken.set()
        done.wait()
        for lock in locks:
            lock.release()

    with running(hold):
        taken.wait()
        child = Child(lambda: (pool.execute(lambda _: "fine"), pool.stats().in_flight))
        assert child.answer() == "('fine', 0)"


@pytest.mark.parametrize("options", [{}, {"max_concurrency": 1}, {"balancer": "peak_ewma"}])
def test_the_fast_path_begins_anew(options: dict[str, Any]) -> None:
    """The first call of a child, and those after it, are right on the fast path too."""
    method: Method[Numbered, bool] = Method("here", lambda client, _: opened_here(client))
    opened, given = Pool[Numbered](**options), Pool[Numbered](**options)
    opened.add_endpoint(Numbered)
    given.add_client(Numbered())
    inside: list[str] = []

    def child() -> object:
        answers = [(opened.call(method), given.call(method)) for _ in range(3)]
        return answers, opened.stats().in_flight, given.stats().in_flight

    wanted = str(([(True, False)] * 3, 0, 0))
    assert [opened.call(method), given.call(method)] == [True, True]
    assert in_child(child) == wanted
    fork: Method[Numbered, None] = Method("fork", lambda _, __: inside.append(in_child(child)))
    opened.call(fork)
    given.call(fork)
    assert inside == [wanted] * 2
    opened.close()


# Slots


@pytest.mark.parametrize("middleware", [Bulkhead(1), AdaptiveLimit(1, least=1, most=1)])
def test_calls_of_the_parent_are_not_inside_in_the_child(middleware: Any) -> None:
    """A call that another thread runs at the fork takes no slot of the child's."""
    pool = Pool[object](max_concurrency=1)
    pool.add_client(object())
    pool.register_middleware(middleware)
    inside = threading.Event()

    def work(done: threading.Event) -> None:
        pool.execute(lambda _: (inside.set(), done.wait()))

    with running(work):
        inside.wait()
        assert in_child(lambda: pool.execute(lambda _: "fine")) == "fine"
        numbers = in_child(
            lambda: [one.value for one in pool.stats().middleware if "running" in one.name]
        )
        assert numbers in ("[0]", "[0.0]", "[]")


@pytest.mark.parametrize("calls", [1, 2])
def test_members_keep_their_labels_in_the_child(calls: int) -> None:
    """So the first call there goes to the same role, whoever's turn it was."""
    pool = Pool[str](default_route="primary")
    for name, role in (("a", "replica"), ("b", "primary")):
        pool.add_client(name, name, labels={"role": role})
    assert {pool.execute(str) for _ in range(calls)} == {"b"}
    assert in_child(lambda: {pool.execute(str) for _ in range(5)}) == "{'b'}"
    assert in_child(lambda: {pool.execute(str) for _ in range(5)}) == "{'b'}"


@pytest.mark.parametrize("limit", [None, 1])
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("middleware", [None, Bulkhead(1), AdaptiveLimit(1, least=1, most=1)])
def test_a_fork_inside_a_call_leaves_exact_counts(
    limit: int | None, fails: bool, middleware: Any
) -> None:
    """The call ends in both processes, and nobody is in flight, nor less than nobody."""
    pool = Pool[object](max_concurrency=limit)
    pool.add_client(object(), "a")
    if middleware is not None:
        pool.register_middleware(middleware)
    children: list[int] = []

    def fork_inside(_: object) -> None:
        children.append(os.fork())
        if fails:
            raise ConnectionError

    def call() -> None:
        try:
            pool.execute(fork_inside)
        except ConnectionError:
            assert fails

    def state() -> object:
        running = [one.value for one in pool.stats().middleware if one.name == "bulkhead_running"]
        return pool.stats().in_flight, pool.members[0].in_flight, sum(running)

    def child() -> object:
        call()
        if children == [0]:  # the grandchild
            os._exit(0 if outcome() == ((0, 0, 0), "fine", (0, 0, 0), ()) else 1)
        return os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]), *outcome()

    def outcome() -> tuple[object, ...]:
        first = state()
        answer = pool.execute(lambda _: "fine")
        second = state()
        pool.remove_client("a", drain_timeout=1.0)
        return first, answer, second, pool.members

    assert in_child(child) == "(0, (0, 0, 0), 'fine', (0, 0, 0), ())"


def test_a_limit_holds_in_a_child_whose_fork_was_inside_a_call() -> None:
    """No call too many is let in afterwards."""
    pool = Pool[object](max_concurrency=1, checkout_timeout=0)
    pool.add_client(object(), "a")

    def child() -> object:
        if pool.execute(lambda _: os.fork()) != 0:
            os.wait()
            return "parent"
        with pool.lease():
            try:
                pool.execute(lambda _: None)
            except Exception as error:
                return type(error).__name__
        return "one too many"

    assert in_child(child) in ("parentPoolExhausted", "PoolExhaustedparent")


def test_leases_and_streams_of_the_parent_end_quietly() -> None:
    """A lease that was taken before the fork is given back in the child without moving a count."""
    pool = Pool[object](max_concurrency=1)
    pool.add_client(object(), "a")
    lease = pool.lease()
    lease.__enter__()

    def child() -> object:
        before = pool.stats().in_flight
        lease.__exit__(None, None, None)
        return before, pool.stats().in_flight, pool.execute(lambda _: "fine")

    assert in_child(child) == "(0, 0, 'fine')"
    assert pool.stats().in_flight == 1
    lease.__exit__(None, None, None)


def test_a_coroutine_of_the_parent_that_is_dropped_moves_no_count() -> None:
    """A task that waited at the fork never goes on in the child; its end there changes nothing."""
    pool = AsyncPool[object]()
    pool.add_client(object(), "a")

    async def forever(_: object) -> None:
        await asyncio.Future()

    call = pool.execute(forever)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(asyncio.sleep(0))
    task = loop.create_task(call)
    loop.run_until_complete(asyncio.sleep(0.01))
    assert pool.stats().in_flight == 1

    async def answer(_: object) -> str:
        return "fine"

    def child() -> object:
        before = pool.stats().in_flight
        task.get_coro().close()
        gc.collect()
        return before, asyncio.run(pool.execute(answer)), pool.stats().in_flight

    assert in_child(child) == "(0, 'fine', 0)"
    task.cancel()
    loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
    loop.close()


def test_a_member_that_drained_at_the_fork_has_left_in_the_child() -> None:
    """Whoever drains it is in the parent: the child's `close` does not wait for what never ends there."""
    pool = Pool[object]()
    for name in "ab":
        pool.add_client(object(), name)
    inside = threading.Event()

    def work(done: threading.Event) -> None:
        pool.execute(lambda _: (inside.set(), done.wait()), balancer=lambda members, _: members[0])

    with running(work) as done:
        inside.wait()
        with running(lambda _: pool.remove_client("a", drain_timeout=20)):
            assert eventually(lambda: pool.members[0].leaving)

            def child() -> object:
                names, began = [one.name for one in pool.members], time.monotonic()
                answer = pool.execute(lambda _: "fine")
                pool.close(10)
                return names, answer, time.monotonic() - began < 5

            assert in_child(child) == "(['b'], 'fine', True)"
            done.set()


def test_a_waiting_caller_of_the_parent_is_not_in_line_in_the_child() -> None:
    """The wait queue of the child is empty."""
    pool = Pool[object](max_concurrency=1, checkout_timeout=20)
    pool.add_client(object())
    inside = threading.Event()

    def work(done: threading.Event) -> None:
        pool.execute(lambda _: (inside.set(), done.wait()))

    with running(work) as done:
        inside.wait()
        with running(lambda _: pool.execute(lambda _: None)):
            assert eventually(lambda: pool.stats().waiting == 1)
            answer = in_child(lambda: (pool.stats().waiting, pool.execute(lambda _: "fine")))
            done.set()
    assert answer == "(0, 'fine')"


# Events


def test_events_are_delivered_while_a_listener_runs_in_the_parent() -> None:
    """A listener that another thread runs at the fork does not keep the child's events."""
    pool = Pool[object]()
    seen: list[str] = []
    held = threading.Event()

    def work(done: threading.Event) -> None:
        def listen(event: object) -> None:
            seen.append(type(event).__name__)
            if not held.is_set():
                held.set()
                done.wait()

        pool.subscribe(listen)
        pool.add_client(object(), "a")

    with running(work):
        held.wait()

        def child() -> object:
            seen.clear()
            pool.add_client(object(), "b")
            return seen

        assert in_child(child) == "['MemberAdded']"


def test_a_listener_may_fork() -> None:
    """In both processes the delivery that it is called by goes on, and later events come."""

    def child() -> object:
        pool, seen = Pool[object](), list[object]()

        def listen(event: object) -> None:
            seen.append(event)
            if len(seen) == 1:
                os.fork()

        pool.subscribe(listen)
        pool.add_client(object(), "a")
        pool.add_client(object(), "b")
        return f"{len(seen)}."

    assert in_child(child) == "2.2."


# Clients and watches


@pytest.fixture(autouse=True)
def nothing_closed() -> None:
    """Each test counts its own closings, and none of what was garbage before it."""
    gc.collect()
    Numbered.closed_in.clear()


class Numbered:
    """A client that knows which process opened it."""

    closed_in: ClassVar[list[int]] = []

    def __init__(self, address: str = "") -> None:
        self.pid = os.getpid()

    def close(self) -> None:
        self.closed_in.append(self.pid)

    def __del__(self) -> None:
        if self.pid != os.getpid():
            self.closed_in.append(self.pid)


def opened_here(client: Numbered) -> bool:
    return client.pid == os.getpid()


def test_a_connectors_clients_are_the_childs_own() -> None:
    """The first call has a client that was opened in the child; the parent's is neither used nor closed."""
    pool = Pool[Numbered]()
    pool.add_connector(CustomConnector(Numbered, config(), close=Numbered.close))

    def child() -> object:
        first = pool.execute(opened_here)
        fast = [pool.execute(opened_here) for _ in range(3)]
        pool.close()
        gc.collect()
        return first, fast, Numbered.closed_in == [os.getpid()]

    assert in_child(child) == "(True, [True, True, True], True)"
    assert in_child(lambda: (pool.close(), Numbered.closed_in)) == "(None, [])"
    assert pool.execute(opened_here)
    pool.close()


def test_a_call_that_is_quicker_than_the_monitor_spares_it_the_attempt() -> None:
    """What the first call in a child has opened is not replaced by the attempt that was due meanwhile."""
    opened: list[int] = []

    def make(address: str) -> Numbered:
        opened.append(os.getpid())
        return Numbered()

    pool = Pool[Numbered]()
    pool.add_connector(CustomConnector(make, config()))

    def child() -> object:
        opened.clear()
        monitor: Any = pool._monitors[0]
        ((endpoint, step),), _ = monitor._endpoints.due()
        fresh = pool.execute(opened_here)
        monitor._do(endpoint, step)
        return fresh, len(opened)

    assert in_child(child) == "(True, 1)"
    pool.close()


def test_callers_of_a_child_share_one_attempt() -> None:
    """Threads that call at once in a child have one client opened for all of them."""
    opened: list[int] = []

    def make(address: str) -> Numbered:
        opened.append(os.getpid())
        time.sleep(0.05)
        return Numbered()

    pool = Pool[Numbered]()
    pool.add_connector(CustomConnector(make, config(health_interval=0)))

    def child() -> object:
        opened.clear()
        answers: list[bool] = []
        threads = [
            threading.Thread(target=lambda: answers.append(pool.execute(opened_here)))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers == [True] * 8, len(opened)

    assert in_child(child) == "(True, 1)"
    pool.close()


def test_a_child_of_a_child_has_clients_of_its_own() -> None:
    """Each generation begins anew."""
    pool = Pool[Numbered]()
    pool.add_connector(CustomConnector(Numbered, config()))

    def child() -> object:
        return pool.execute(opened_here), in_child(lambda: pool.execute(opened_here))

    assert in_child(child) == "(True, 'True')"
    pool.close()


def test_tasks_have_clients_of_the_child_too() -> None:
    """The same in an event loop of the child's."""
    pool = AsyncPool[Numbered]()

    async def make(address: str) -> Numbered:
        return Numbered(address)

    async def here(client: Numbered) -> bool:
        return opened_here(client)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(pool.add_connector(AsyncCustomConnector(make, config())))

    async def use() -> object:
        answers = await asyncio.gather(*(pool.execute(here) for _ in range(3)))
        await pool.close()
        return answers

    assert in_child(lambda: asyncio.run(use())) == "[True, True, True]"
    assert loop.run_until_complete(pool.execute(here))
    loop.run_until_complete(pool.close())
    loop.close()


def test_health_checks_begin_anew_with_nothing_unreachable() -> None:
    """A server that was away at the fork is used by the child when it is back, and so by the parent."""
    up, opened = [True], list[int]()

    def make(address: str) -> str:
        opened.append(os.getpid())
        if not up[0]:
            raise ConnectionError("down")
        return address

    def check(_: object) -> None:
        if not up[0]:
            raise ConnectionError("down")

    pool = Pool[str]()
    pool.add_connector(CustomConnector(make, config(), check=check))
    up[0] = False
    assert eventually(lambda: pool.members[0].unreachable is not None)

    def child() -> object:
        marked = pool.members[0].unreachable
        with pytest.raises(ConnectionError):
            call_until_it_works(0.5)
        up[0] = True
        return marked, call_until_it_works(10)

    def call_until_it_works(seconds: float) -> str:
        until = time.monotonic() + seconds
        while True:
            try:
                return pool.execute(lambda client: client)
            except Exception as error:
                if time.monotonic() > until:
                    raise ConnectionError from error
            time.sleep(0.02)

    assert in_child(child) == "(None, 'a:1')"
    pool.close()


def test_health_checks_run_in_a_child() -> None:
    """A server that goes away after the fork is noticed in the child, which has a monitor of its own."""
    up = [True]

    def check(_: object) -> None:
        if not up[0]:
            raise ConnectionError("down")

    pool = Pool[str]()
    pool.add_connector(
        CustomConnector(lambda address: address, config(reconnect=False), check=check)
    )

    def child() -> object:
        pool.execute(lambda client: client)
        up[0] = False
        gone = eventually(lambda: pool.members[0].unreachable is not None)
        up[0] = True
        return gone, eventually(lambda: pool.members[0].unreachable is None)

    assert in_child(child) == "(True, True)"
    pool.close()


def test_a_child_that_never_calls_opens_nothing() -> None:
    """Most children run something else: no thread is started and no client opened for them."""
    opened: list[int] = []

    def make(address: str) -> Numbered:
        opened.append(os.getpid())
        return Numbered()

    pool = Pool[Numbered]()
    pool.add_connector(CustomConnector(make, config()))

    def child() -> object:
        time.sleep(0.3)
        return threading.active_count(), os.getpid() in opened

    assert in_child(child) == "(1, False)"
    pool.close()


def test_children_share_no_connection_with_the_parent() -> None:
    """With real sockets: answers in parent and children belong to their own questions."""
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]

    def serve(done: threading.Event) -> None:
        server.settimeout(0.1)
        while not done.is_set():
            try:
                connection, _ = server.accept()
            except TimeoutError:
                continue
            threading.Thread(target=echo, args=(connection,), daemon=True).start()

    def echo(connection: socket.socket) -> None:
        with connection:
            connection.settimeout(20)
            while data := connection.recv(100):
                connection.sendall(data)

    def connect(address: str) -> socket.socket:
        return socket.create_connection(("127.0.0.1", port), timeout=5)

    def ask(number: int) -> bool:
        def exchange(client: socket.socket) -> bool:
            client.sendall(b"%06d" % number)
            return client.recv(100) == b"%06d" % number

        return pool.execute(exchange)

    with server, running(serve):
        pool = Pool[socket.socket](max_concurrency=1)
        pool.add_connector(CustomConnector(connect, config(health_interval=0)))
        children = [
            Child(lambda start=start: all(ask(start + one) for one in range(200)))
            for start in (1000, 2000, 3000)
        ]
        assert all(ask(one) for one in range(200))
        assert [child.answer() for child in children] == ["True"] * 3
        pool.close()


def test_endpoints_begin_without_clients() -> None:
    """A factory's clients are the child's own; those of the parent are neither lent, closed nor finalized."""
    pool = Pool[Numbered](max_concurrency=1)
    pool.add_endpoint(Numbered, close=Numbered.close)
    pool.execute(opened_here)

    def child() -> object:
        before = pool.clients
        answers = [pool.execute(opened_here) for _ in range(2)]
        with pool.lease() as client:
            answers.append(opened_here(client))
        pool.close()
        gc.collect()
        return before, answers, Numbered.closed_in == [os.getpid()], pool.members

    assert in_child(child) == "((), [True, True, True], True, ())"

    def inside(_: Numbered) -> str:
        return in_child(lambda: pool.execute(opened_here))

    assert pool.execute(inside) == "True"
    pool.close()


def test_the_upkeep_of_endpoints_runs_in_a_child() -> None:
    """Idle clients of the child expire there."""
    pool = Pool[Numbered]()
    pool.add_endpoint(Numbered, idle_timeout=0.1, close=Numbered.close)
    pool.execute(opened_here)

    def child() -> object:
        pool.execute(opened_here)
        return eventually(lambda: not pool.clients)

    assert in_child(child) == "True"
    pool.close()


# By name, and by config


def test_a_connector_is_unconnected_in_a_child() -> None:
    """Its client is the parent's; `connect` opens another one, also where an attempt was being made."""
    connector = CustomConnector(Numbered, config(), close=Numbered.close)
    connector.connect()

    def child() -> object:
        healthy = connector.healthy
        own = opened_here(connector.connect())
        connector.close()
        return healthy, own, Numbered.closed_in == [os.getpid()]

    assert in_child(child) == "(False, True, True)"
    assert in_child(lambda: (connector.close(), Numbered.closed_in)) == "(None, [])"
    begun = threading.Event()

    def slow(address: str) -> Numbered:
        begun.set()
        time.sleep(0.5)
        return Numbered()

    other = CustomConnector(slow, config())
    with running(lambda _: other.connect()):
        begun.wait()
        assert in_child(lambda: opened_here(other.connect())) == "True"


def test_shared_clients_are_the_childs_own() -> None:
    """An equal config has a client of the child's, which is closed there in time; old handles say so."""
    clients = SharedClients[ConnectorConfig, Numbered](
        lambda config: CustomConnector(Numbered, config, close=Numbered.close), idle_ttl=0.1
    )
    handle = clients.acquire(config())

    def child() -> object:
        try:
            _ = handle.client
        except Exception as error:
            said = type(error).__name__
        handle.release()
        with clients.acquire(config()) as client:
            own = opened_here(client)
        closed = eventually(lambda: Numbered.closed_in == [os.getpid()])
        clients.close(1.0)
        return said, own, closed, Numbered.closed_in == [os.getpid()]

    assert in_child(child) == "('HandleReleased', True, True, True)"
    assert opened_here(handle.client)
    handle.release()
    clients.close()


def test_a_name_that_was_being_made_is_free_in_a_child() -> None:
    """The maker is in the parent, so the next caller of the child makes the resource."""
    registry = Registry[Pool[object]](create_timeout=5.0)
    begun = threading.Event()

    def work(done: threading.Event) -> None:
        registry.get_or_create("a", lambda: (begun.set(), done.wait(), Pool[object]())[2])

    with running(work):
        begun.wait()
        answer = in_child(lambda: registry.get_or_create("a", lambda: Pool[object]("own")).name)
    assert answer == "own"
    registry.close()
