"""What the common part of connectors promises, with clients that hang, come late or misbehave."""

import asyncio
import builtins
import importlib
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from connpool_runtime import deadline
from connpool_runtime.connectors import (
    AuthenticationFailed,
    ConnectFailed,
    ConnectorClosed,
    ConnectorConfig,
    ConnectRefused,
    ConnectTimeout,
    FailureKind,
    HealthCheckFailed,
    InvalidConfig,
    async_base,
    base,
)
from connpool_runtime.connectors.custom import AsyncCustomConnector, CustomConnector
from connpool_runtime.connectors.failures import Failure, failed
from connpool_runtime.connectors.redis import RedisConnector
from connpool_runtime.connectors.state import PATIENCE
from connpool_runtime.testing import FakeClock
from tests.runtime.faces import until
from tests.waiting import eventually

PLACE = "h:1"


class Client:
    """A client that tells whether it was closed."""

    def __init__(self, endpoint: str = PLACE) -> None:
        self.endpoint = endpoint
        self.closed = False

    def close(self) -> None:
        self.closed = True


async def comes_true(condition: Callable[[], object]) -> None:
    """Let other tasks run until something is so."""
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0)
    pytest.fail("it did not come true")


def raising(error: BaseException) -> Callable[[object], Any]:
    def step(_given: object) -> Any:
        raise error

    return step


def test_a_class_is_a_connector() -> None:
    """The client's class and an address are all that is needed; `close` is the client's own."""
    connector = CustomConnector(Client, PLACE)
    with connector:
        client = connector.client
        assert client.endpoint == PLACE
        assert repr(connector) == "<CustomConnector 'custom h:1' healthy>"
    assert client.closed
    assert repr(connector) == "<CustomConnector 'custom h:1' closed>"


async def test_a_class_is_an_asynchronous_connector() -> None:
    """The same for tasks, and what `make` returns may be awaited."""

    async def make(endpoint: str) -> Client:
        return Client(endpoint)

    for each in (Client, make):
        connector: Any = AsyncCustomConnector(each, PLACE)
        async with connector:
            client = connector.client
            assert client.endpoint == PLACE
        assert client.closed


def test_the_constructor_only_validates() -> None:
    """A bad address is refused at once; a server that is not there is not looked for."""
    with pytest.raises(InvalidConfig):
        CustomConnector(Client, "no port")
    CustomConnector(raising(AssertionError("it was called")), PLACE)


class LeftFor:
    """What both connectors of a library that takes long to import leave for checking a new client."""

    _library = ("slow_to_import", "slow")
    seconds = 0.0

    def open_client(self, endpoint: str, timeout: float) -> Client:
        importlib.import_module("slow_to_import")
        return Client(endpoint)

    def check_client(self, client: Client, timeout: float) -> None:
        self.seconds = timeout


class OfThreads(LeftFor, CustomConnector[Client]):
    """For threads."""


class OfTasks(LeftFor, AsyncCustomConnector[Client]):
    """For tasks."""

    async def open_client(self, endpoint: str, timeout: float) -> Client:  # type: ignore[override]  # noqa: ASYNC109  # for tasks
        return super().open_client(endpoint, timeout)

    async def check_client(self, client: Client, timeout: float) -> None:  # type: ignore[override]  # noqa: ASYNC109  # for tasks
        super().check_client(client, timeout)


@pytest.mark.parametrize(("kind", "its_base"), [(OfThreads, base), (OfTasks, async_base)])
async def test_importing_the_library_takes_no_time_of_the_server(
    kind: Any, its_base: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine an import takes seconds, and a service would not start although its servers are well."""
    clock = FakeClock()
    (tmp_path / "slow_to_import.py").write_text("from builtins import clock\nclock.sleep(100.0)\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(builtins, "clock", clock, raising=False)
    monkeypatch.delitem(sys.modules, "slow_to_import", raising=False)
    monkeypatch.setattr(its_base, "monotonic", clock)
    connector = kind(Client, PLACE)
    connecting = connector.connect(timeout=60.0)
    client = await connecting if kind is OfTasks else connecting
    assert client.endpoint == PLACE
    assert connector.seconds == 60.0 * PATIENCE


def test_many_threads_share_one_attempt() -> None:
    """However many connect at the same time, one client is opened, outside any lock."""
    opened: list[Client] = []
    go = threading.Event()

    def make(endpoint: str) -> Client:
        go.wait(20)
        opened.append(Client(endpoint))
        return opened[-1]

    connector = CustomConnector(make, PLACE)
    found: list[Client] = []
    threads = [threading.Thread(target=lambda: found.append(connector.connect())) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert not connector.healthy  # nobody holds a lock that this needs
    assert "not connected" in repr(connector)
    go.set()
    for thread in threads:
        thread.join()
    assert len(opened) == 1
    assert found == opened * 8
    connector.close()


def test_all_who_wait_get_the_failure() -> None:
    """One attempt that fails fails for all who waited for it; each gets an error of its own."""
    go = threading.Event()

    def make(endpoint: str) -> Client:
        go.wait(20)
        raise ConnectionRefusedError(endpoint)

    connector = CustomConnector(make, PLACE)
    errors: list[ConnectFailed] = []

    def connect() -> None:
        try:
            connector.connect()
        except ConnectFailed as error:
            errors.append(error)

    threads = [threading.Thread(target=connect) for _ in range(4)]
    for thread in threads:
        thread.start()
    go.set()
    for thread in threads:
        thread.join()
    assert [type(error) for error in errors] == [ConnectRefused] * 4
    assert len({id(error) for error in errors}) == 4


def test_a_client_that_comes_too_late_is_closed() -> None:
    """After the deadline nobody waits for the client; it is not kept, and not leaked."""
    go, opened = threading.Event(), list[Client]()

    def make(endpoint: str) -> Client:
        go.wait(20)
        opened.append(Client(endpoint))
        return opened[-1]

    connector = CustomConnector(make, PLACE)
    with pytest.raises(ConnectTimeout) as caught:
        connector.connect(0.03)
    assert isinstance(caught.value, TimeoutError)
    go.set()
    assert eventually(lambda: opened and opened[0].closed)
    assert not connector.healthy


def test_a_client_that_comes_after_close_is_closed() -> None:
    """Closing while somebody connects: he gets ConnectorClosed, and the client is closed."""
    begun, go, opened = threading.Event(), threading.Event(), list[Client]()

    def make(endpoint: str) -> Client:
        begun.set()
        go.wait(20)
        opened.append(Client(endpoint))
        return opened[-1]

    connector = CustomConnector(make, PLACE)
    errors: list[BaseException] = []

    def connect() -> None:
        try:
            connector.connect()
        except ConnectorClosed as error:
            errors.append(error)

    thread = threading.Thread(target=connect)
    thread.start()
    begun.wait(20)
    connector.close()
    go.set()
    thread.join()
    assert len(errors) == 1
    assert eventually(lambda: opened[0].closed)
    assert not connector.healthy


def test_a_client_that_is_not_well_is_not_kept() -> None:
    """What could be opened and not be verified is closed again."""
    opened: list[Client] = []

    def make(endpoint: str) -> Client:
        opened.append(Client(endpoint))
        return opened[-1]

    connector = CustomConnector(make, PLACE, check=raising(ValueError("unwell")))
    with pytest.raises(ConnectFailed, match="unwell") as caught:
        connector.connect()
    assert isinstance(caught.value.cause, ValueError)
    assert opened[0].closed


def test_a_check_that_ends_after_close_changes_nothing() -> None:
    """Healthy is what the present client's last check came to; late answers are forgotten."""
    begun, go = threading.Event(), threading.Event()

    def check(_client: Client) -> None:
        if connector.healthy:
            begun.set()
            go.wait(20)

    connector = CustomConnector(Client, PLACE, check=check)
    connector.connect()
    thread = threading.Thread(target=connector.health_check)
    thread.start()
    begun.wait(20)
    connector.close()
    go.set()
    thread.join()
    assert not connector.healthy


def test_a_check_that_hangs_is_not_joined_by_others() -> None:
    """One thread may be stuck in a check, not one for every check."""
    go, running = threading.Event(), list[int]()

    def check(_client: Client) -> None:
        if connector.healthy:
            running.append(1)
            go.wait(20)

    connector = CustomConnector(Client, PLACE, check=check)
    connector.connect()
    for _ in range(3):
        with pytest.raises(HealthCheckFailed) as caught:
            connector.health_check(0.01)
        assert caught.value.kind is FailureKind.TIMEOUT
    assert len(running) == 1
    go.set()
    connector.close()


async def test_a_check_that_swallows_its_cancellation_is_not_joined_by_others() -> None:
    """One task may be stuck in a check, not one for every check; when it has ended, checks go on."""
    go, running = asyncio.Event(), list[int]()

    async def check(_client: Client) -> None:
        if not connector.healthy:
            return
        running.append(1)
        while not go.is_set():
            try:
                await go.wait()
            except asyncio.CancelledError:
                continue

    connector = AsyncCustomConnector(Client, PLACE, check=check)
    await connector.connect()
    with pytest.raises(HealthCheckFailed):
        await connector.health_check(0.01)
    stuck = connector._checking
    assert stuck is not None
    await until(lambda: stuck.hangs)
    connector._state.healthy = True  # or the check would not hang
    try:
        for _ in range(2):
            with pytest.raises(HealthCheckFailed, match="still hangs") as caught:
                await connector.health_check(0.01)
            assert caught.value.kind is FailureKind.TIMEOUT
        assert len(running) == 1
    finally:
        go.set()  # or the event loop could not end
    await comes_true(lambda: not stuck.hangs)
    await connector.health_check()
    assert connector.healthy
    await connector.close()


def test_a_late_check_does_not_overrule_a_later_one() -> None:
    """Checks are numbered: an old answer that comes last says nothing."""
    connector = CustomConnector(Client, PLACE)
    connector.connect()
    state = connector._state
    client, first = state.begin_check()
    _, second = state.begin_check()
    state.end_check(client, second, healthy=False)
    state.end_check(client, first, healthy=True)
    assert not connector.healthy
    connector.close()


def test_the_callers_deadline_holds() -> None:
    """Inside `deadline` nobody waits longer than that."""
    go = threading.Event()

    def make(_endpoint: str) -> Client:
        go.wait(60)
        return Client()

    connector = CustomConnector(make, PLACE)
    started = time.monotonic()
    with deadline(0.03), pytest.raises(ConnectTimeout):
        connector.connect()
    assert time.monotonic() - started < 30
    go.set()


def test_a_second_caller_waits_no_longer_than_he_likes() -> None:
    """Who joins an attempt has a deadline of his own, and leaves the attempt alone."""
    begun, go = threading.Event(), threading.Event()

    def make(_endpoint: str) -> Client:
        begun.set()
        go.wait(20)
        return Client()

    connector = CustomConnector(make, PLACE)
    thread = threading.Thread(target=connector.connect)
    thread.start()
    begun.wait(20)
    with pytest.raises(ConnectTimeout, match="another caller"):
        connector.connect(0.01)
    go.set()
    thread.join()
    assert connector.healthy
    connector.close()


async def test_tasks_share_one_attempt_and_cancelling_one_leaves_the_others() -> None:
    """When who leads the attempt is cancelled, another takes over; nothing is left open."""
    opened: list[Client] = []
    go = asyncio.Event()

    async def make(endpoint: str) -> Client:
        opened.append(Client(endpoint))
        try:
            await go.wait()
        except BaseException:
            opened[-1].close()
            raise
        return opened[-1]

    connector = AsyncCustomConnector(make, PLACE)
    leader, *others = [asyncio.create_task(connector.connect()) for _ in range(4)]
    await comes_true(lambda: opened)
    leader.cancel()
    await comes_true(lambda: len(opened) == 2)
    go.set()
    found = await asyncio.gather(*others)
    assert {id(client) for client in found} == {id(opened[1])}
    assert [client.closed for client in opened] == [True, False]
    await connector.close()
    assert opened[1].closed


async def test_a_step_that_swallows_its_cancellation_keeps_nobody() -> None:
    """The deadline holds, and what comes after it is closed."""
    opened: list[Client] = []
    go = asyncio.Event()

    async def make(endpoint: str) -> Client:
        while not go.is_set():
            try:
                await go.wait()
            except asyncio.CancelledError:
                continue
        opened.append(Client(endpoint))
        return opened[-1]

    connector = AsyncCustomConnector(make, PLACE)
    with pytest.raises(ConnectTimeout):
        await connector.connect(0.02)
    go.set()
    await comes_true(lambda: opened and opened[0].closed)
    assert not connector.healthy


async def test_closing_ends_a_task_that_connects() -> None:
    """Who waits gets ConnectorClosed."""
    begun = asyncio.Event()

    async def make(_endpoint: str) -> Client:
        begun.set()
        await asyncio.sleep(60)
        return Client()

    connector = AsyncCustomConnector(make, PLACE)
    connecting = asyncio.create_task(connector.connect())
    await begun.wait()
    await connector.close()
    with pytest.raises(ConnectorClosed):
        await connecting


def test_secrets_do_not_reach_errors() -> None:
    """A library that puts the password into its message is not quoted with it."""
    from connpool_runtime.connectors.redis import RedisConfig

    config = RedisConfig(endpoints=PLACE, password="hunter2")
    connector = CustomConnector(raising(ValueError("no entry with hunter2")), config)
    with pytest.raises(ConnectFailed, match=r"no entry with \*\*\*"):
        connector.connect()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionRefusedError(), FailureKind.REFUSED),
        (TimeoutError(), FailureKind.TIMEOUT),
        (ValueError(), FailureKind.OTHER),
    ],
)
def test_the_kind_is_found_along_the_causes(error: Exception, kind: FailureKind) -> None:
    """A library's wrapper around an error of the socket is looked into."""
    wrapped = RuntimeError("library")
    wrapped.__cause__ = error
    for each in (error, wrapped, RuntimeError(wrapped)):
        with pytest.raises(ConnectFailed) as caught:
            CustomConnector(raising(each), PLACE).connect()
        assert caught.value.kind is kind
        assert caught.value.cause is each


def test_the_most_telling_failure_is_the_cause() -> None:
    """Of endpoints that fail in different ways, wrong credentials say more than a server that is down."""
    refused = Failure("a:1", FailureKind.REFUSED, OSError("down"), "down")
    unknown = Failure("b:2", FailureKind.AUTHENTICATION, ValueError("who?"), "who?")
    error = failed("name", [refused, unknown])
    assert isinstance(error, AuthenticationFailed)
    assert (error.endpoint, error.cause) == ("b:2", unknown.error)


def test_a_name_of_ones_own() -> None:
    """The name stands in errors; a fresh connector for another endpoint is named after it."""
    connector = CustomConnector(
        raising(ValueError("x")), ConnectorConfig(endpoints="a:1,b:2"), name="users"
    )
    with pytest.raises(ConnectFailed, match="users"):
        connector.connect()
    assert connector.fresh().name == "users"
    assert connector.fresh("c:3").name == "custom c:3"


def test_an_attempt_that_hangs_is_not_joined_by_others() -> None:
    """One thread may be stuck in connecting to an endpoint, not one for every attempt; then it goes on."""
    go, made = threading.Event(), list[str]()

    def make(endpoint: str) -> Client:
        made.append(endpoint)
        go.wait(20.0)
        return Client(endpoint)

    connector = CustomConnector(make, PLACE)
    try:
        with pytest.raises(ConnectTimeout):
            connector.fresh(PLACE).connect(0.01)
        for _ in range(3):
            with pytest.raises(ConnectTimeout, match="still hangs"):
                connector.fresh(PLACE).connect(0.01)
        assert made == [PLACE]
    finally:
        go.set()
    stuck = connector._connecting[PLACE]
    assert eventually(lambda: not stuck.hangs)
    with connector.fresh(PLACE) as other:
        assert other.client.endpoint == PLACE


def test_an_endpoint_that_hangs_keeps_no_other_from_being_tried() -> None:
    """Only attempts on the same endpoint are refused."""
    go = threading.Event()

    def make(endpoint: str) -> Client:
        if endpoint == "hangs:1":
            go.wait(20.0)
        return Client(endpoint)

    connector = CustomConnector(make, ["hangs:1", "well:1"])
    try:
        for _ in range(2):
            with connector.fresh() as each:
                assert each.connect(0.2).endpoint == "well:1"
    finally:
        go.set()


async def test_a_check_that_says_no_fails() -> None:
    """False says that a client is not fit, as it does of an endpoint's `validate`; None says nothing."""

    async def no(client: object) -> bool:
        return False

    with pytest.raises(ConnectionError, match="`check` reported that the client is not usable"):
        CustomConnector(Client, PLACE, check=lambda client: False).check_client(Client(), 1)
    with pytest.raises(ConnectionError, match="`check` reported that the client is not usable"):
        await AsyncCustomConnector(Client, PLACE, check=no).check_client(Client(), 1)
    CustomConnector(Client, PLACE, check=lambda client: None).check_client(Client(), 1)


def test_what_is_no_config_is_refused() -> None:
    """Plain data is told where it becomes a config, without a word of what stands in it."""
    given: Any = {"endpoints": ["h:1"], "password": "secret"}
    with pytest.raises(TypeError, match=r"RedisConfig.from_mapping makes a config") as raised:
        RedisConnector(given)
    assert "secret" not in str(raised.value)
