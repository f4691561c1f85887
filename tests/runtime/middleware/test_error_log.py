"""ErrorLog: no error unrecorded, no panic unanswered."""

import asyncio
import logging
from collections.abc import Callable

import pytest

from connpool_runtime import Call, ClientPanic, Outcome
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
    """With traceback, method and member; what was passed to the method stays out of the log."""
    face.pool.register_middleware(ErrorLog())
    face.fail("a")
    with caplog.at_level(logging.ERROR, "connpool_runtime"):
        await face.calls(1)
    assert "test.get member='a' attempt=1" in caplog.text
    assert "ConnectionError: a is down" in caplog.text


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


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError]
)
def test_the_callers_business_passes_untouched(
    new_face: Callable[..., Face], error: type[BaseException]
) -> None:
    """Interrupts and cancellations are neither recorded nor swallowed."""
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
