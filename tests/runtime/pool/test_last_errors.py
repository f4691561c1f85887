"""What a pool remembers of errors keeps nothing of the calls that met them."""

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from connpool_runtime import AllMembersOpen, AsyncPool, Pool, Unreachable
from connpool_runtime.connectors.config.base import ConnectorConfig
from connpool_runtime.connectors.config.errors import ConnectorError
from connpool_runtime.connectors.custom import AsyncCustomConnector, CustomConnector
from connpool_runtime.middleware import MethodBreaker, Retry
from tests.runtime.faces import TaskFace
from tests.waiting import eventually


class Big(bytearray):
    """Stands for the arguments of a call."""


Made = list[weakref.ref[Big]]


def failing(made: Made) -> Callable[..., Any]:
    """Return what fails with a traceback that holds something big."""

    def fail(*_client: object) -> None:
        big = Big(1000)
        made.append(weakref.ref(big))
        raise ConnectionError("down", 7)

    return fail


def alive(made: Made) -> list[Any]:
    gc.collect()
    assert made
    return [one for one in made if one() is not None]


def outcome(call: Callable[[], Any]) -> BaseException:
    with pytest.raises(Exception) as caught:  # its type is the test's to look at
        call()
    error = caught.value
    del caught
    return error


@pytest.mark.parametrize("middleware", [(), (Retry(attempts=2),), (MethodBreaker(1),)])
@pytest.mark.parametrize("limit", [None, 1])
def test_a_failed_call_leaves_nothing(middleware: tuple[Any, ...], limit: int | None) -> None:
    """Whatever remembers the error of a call does not keep the locals of the functions it went through."""
    pool = Pool[object](max_fails=1, panic_threshold=0, max_concurrency=limit)
    for one in middleware:
        pool.register_middleware(one)
    pool.add_client(object(), "a")
    made: Made = []
    assert isinstance(outcome(lambda: pool.execute(failing(made), idempotent=True)), Exception)
    assert not alive(made)
    refusal = outcome(lambda: pool.execute(lambda client: client))
    assert isinstance(refusal, AllMembersOpen)
    assert repr(refusal.cause) == "ConnectionError('down', 7)"
    assert refusal.__cause__ is refusal.cause
    last = pool.stats().members[0].last_error
    assert last is not None
    assert last.type == "ConnectionError"


def test_tasks_leave_nothing_either() -> None:
    """The same for a pool for tasks."""
    made: Made = []

    async def main() -> AsyncPool[object]:
        pool = AsyncPool[object](max_fails=1, panic_threshold=0)
        pool.add_client(object(), "a")
        with pytest.raises(ConnectionError):
            await pool.execute(failing(made))
        return pool

    pool = asyncio.run(main())
    assert not alive(made)
    assert not pool.members[0].ready


def test_the_cause_of_a_refusal_is_the_callers_own() -> None:
    """Who raises the cause again gives frames to that copy, and not to what the pool remembers."""
    pool = Pool[object](max_fails=1, panic_threshold=0)
    pool.add_client(object(), "a")
    made: Made = []
    outcome(lambda: pool.execute(failing(made)))

    def raise_again(refusal: BaseException, big: Big) -> None:
        made.append(weakref.ref(big))
        assert refusal.__cause__ is not None
        raise refusal.__cause__

    def meet() -> None:
        raise_again(outcome(lambda: pool.execute(lambda client: client)), Big(10))

    assert isinstance(outcome(meet), ConnectionError)
    assert not alive(made)


def test_an_endpoint_that_cannot_be_opened_leaves_nothing() -> None:
    """The error of a factory is remembered for `Unreachable`, without the locals of the factory."""
    made: Made = []
    pool = Pool[object]()
    pool.add_endpoint(failing(made), "a")
    refusal = outcome(lambda: pool.execute(lambda client: client))
    assert isinstance(refusal, Unreachable)
    assert refusal.cause is not None
    del refusal
    assert not alive(made)
    pool.close()


def test_listeners_that_keep_events_keep_no_frames() -> None:
    """The cause in an event is a copy too: a log of the last events is no log of arguments."""
    made: Made = []
    events: list[Any] = []
    pool = Pool[object](max_fails=1, panic_threshold=0)
    pool.subscribe(events.append)
    pool.add_client(object(), "a")
    outcome(lambda: pool.execute(failing(made)))
    assert [repr(one.cause) for one in events if hasattr(one, "cause")] == [
        "ConnectionError('down', 7)"
    ]
    assert not alive(made)


def test_a_connector_keeps_no_frames_of_its_last_attempt() -> None:
    """After an attempt to connect, or a check, that failed the connector holds nothing of it."""
    made: Made = []
    config = ConnectorConfig(endpoints="a:1", connect_timeout=5.0)
    connector = CustomConnector(failing(made), config)
    assert isinstance(outcome(connector.connect), ConnectorError)
    assert not alive(made)
    checked = CustomConnector(lambda address: address, config, check=lambda _: None)
    checked.connect()
    checked._check = failing(made)  # the server fails from now on
    assert isinstance(outcome(checked.health_check), ConnectorError)
    assert not alive(made)


def test_a_connector_for_tasks_keeps_no_frames_either() -> None:
    """The same where each step is a task, which would keep its error."""
    made: Made = []
    fail = failing(made)

    async def open_client(address: str) -> None:
        fail()

    config = ConnectorConfig(endpoints="a:1", connect_timeout=5.0)
    connector = AsyncCustomConnector(open_client, config)

    async def main() -> None:
        with pytest.raises(ConnectorError):
            await connector.connect()

    asyncio.run(main())
    assert not alive(made)


def test_a_member_that_health_checks_cut_off_keeps_no_frames() -> None:
    """What the last health checks came to is told by `AllMembersOpen`, without the frames of the checks."""
    made: Made = []
    fail = failing(made)
    ill = False

    def check(_client: object) -> None:
        if ill:
            fail()

    config = ConnectorConfig(endpoints="a:1", health_interval=0.02, reconnect=False)
    pool = Pool[str]()
    pool.add_connector(CustomConnector(lambda address: address, config, check=check))
    ill = True
    assert eventually(lambda: pool.members[0].unreachable is not None)
    refusal = outcome(lambda: pool.execute(lambda client: client))
    assert isinstance(refusal, AllMembersOpen)
    assert "down" in str(refusal.cause)
    pool.close()
    assert eventually(lambda: not alive(made))


async def test_probes_of_an_odd_type_are_known_again() -> None:
    """While half-open, an error of the type that cut the member off cuts it off again."""
    face = TaskFace("a", unknown_errors="failure", max_fails=1, panic_threshold=0)
    face.fail("a", 2, LookupError("x"))
    await face.calls(1)
    face.clock.sleep(11)
    await face.calls(1)
    assert face.member("a").breaker.trips == 2
