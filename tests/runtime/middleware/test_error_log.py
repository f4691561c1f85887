"""ErrorLog: no error unrecorded, no panic unanswered."""

import asyncio
import logging
from collections.abc import Callable

import pytest

from connpool_runtime import Call, ClientPanic, DeadlineExceeded, Outcome, PoolClosed
from connpool_runtime.middleware import ErrorLog
from tests.runtime.faces import Face, counted


class Panic(BaseException):
    """What a native extension raises when it crashes."""


async def test_errors_are_recorded_and_go_on(face: Face) -> None:
    """The caller gets the client's error; the record has it, with the call."""
    seen: list[tuple[str, BaseException]] = []

    def record(call: Call, error: BaseException) -> None:
        assert call.member is not None
        seen.append((call.member.name, error))

    face.pool.register_middleware(ErrorLog(record))
    error = ConnectionError("down")
    face.fail("a", error=error)
    with pytest.raises(ConnectionError) as caught:
        await face.call()
    assert caught.value is error
    assert seen == [("a", error)]
    assert await face.calls(2) == ["b", "c"]


async def test_by_default_errors_are_logged_without_arguments(
    face: Face, caplog: pytest.LogCaptureFixture
) -> None:
    """With method, member, types and place; arguments and messages of errors stay out of the log."""
    face.pool.register_middleware(ErrorLog())
    error = ConnectionError("redis://:secret@host")
    error.__cause__ = OSError("secret too")
    error.__cause__.__cause__ = error  # a client may make a circle
    face.fail("a", error=error)
    with caplog.at_level(logging.ERROR, "connpool_runtime"):
        await face.calls(1)
    (record,) = caplog.records
    text = (
        "<Call test.get member='a' attempt=1> failed: ConnectionError, caused by OSError, raised at"
    )
    assert record.getMessage().startswith(text)
    assert "raise result" in record.getMessage()
    assert "secret" not in caplog.text


async def test_messages_are_logged_when_asked_for(
    face: Face, caplog: pytest.LogCaptureFixture
) -> None:
    """Then the log has the ordinary traceback."""
    face.pool.register_middleware(ErrorLog(messages=True))
    face.fail("a")
    with caplog.at_level(logging.ERROR, "connpool_runtime"):
        await face.calls(1)
    assert "test.get member='a' attempt=1> failed" in caplog.text
    assert "ConnectionError: a is down" in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError("no such key"),
        PoolClosed("another pool of the client's"),
        DeadlineExceeded("late"),
    ],
)
async def test_only_failures_are_logged(
    face: Face, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """An expected error, a refusal of a pool and a passed deadline are answers, not faults."""
    face.pool.register_middleware(ErrorLog())
    face.fail("a", error=error)
    with caplog.at_level(logging.DEBUG, "connpool_runtime"), pytest.raises(type(error)):
        await face.call(face.method(expected=(FileNotFoundError,)))
    assert caplog.records == []


async def test_a_panic_is_logged(face: Face, caplog: pytest.LogCaptureFixture) -> None:
    """Though it is no `Exception`, and so says nothing about the member."""
    face.pool.register_middleware(ErrorLog())
    face.clients["a"].script.append(Panic())
    with caplog.at_level(logging.ERROR, "connpool_runtime"), pytest.raises(ClientPanic):
        await face.call()
    assert "failed: Panic" in caplog.text


async def test_a_panic_becomes_an_ordinary_error(face: Face) -> None:
    """`except Exception` catches it; the panic is its cause."""
    recorded: list[BaseException] = []
    face.pool.register_middleware(ErrorLog(lambda call, error: recorded.append(error)))
    panic = Panic("index out of bounds")
    face.clients["a"].script.append(panic)
    with pytest.raises(ClientPanic, match=r"test\.get ended in Panic") as caught:
        await face.call()
    assert caught.value.cause is panic
    assert recorded == [panic]


def of_module(name: str, cls: str) -> type[BaseException]:
    return type(cls, (BaseException,), {"__module__": name})


async def test_the_panic_of_a_binding_to_rust_is_known_everywhere(face: Face) -> None:
    """Its class is of no package of the client's."""
    face.pool.register_middleware(ErrorLog())
    face.clients["a"].script.append(of_module("pyo3_runtime", "PanicException")())
    with pytest.raises(ClientPanic, match=r"test\.get ended in PanicException"):
        await face.call()


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt,
        SystemExit,
        GeneratorExit,
        asyncio.CancelledError,
        of_module("gevent.timeout", "Timeout"),
        of_module("greenlet", "GreenletExit"),
        of_module("my_program", "Stop"),
    ],
)
def test_the_callers_business_passes_untouched(
    new_face: Callable[..., Face], error: type[BaseException]
) -> None:
    """What is thrown in from outside is neither recorded nor turned into an `Exception`."""
    face = new_face("a")
    recorded: list[BaseException] = []
    face.pool.register_middleware(ErrorLog(lambda call, error: recorded.append(error)))
    face.clients["a"].script.append(error())
    with pytest.raises(error):
        asyncio.run(face.call())
    assert recorded == []
    assert counted(face.stats())[Outcome.NEUTRAL] == 1


async def test_a_record_that_fails_does_not_replace_the_error(
    face: Face, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller still gets the client's error; the other one is logged."""

    def broken(call: Call, error: BaseException) -> None:
        raise RuntimeError("disk full")

    face.pool.register_middleware(ErrorLog(broken))
    face.fail("a")
    with caplog.at_level(logging.ERROR, "connpool_runtime"), pytest.raises(ConnectionError):
        await face.call()
    assert "disk full" in caplog.text
