"""Logging: one line per call, without secrets."""

import logging
from typing import Any

import pytest

from connpool_runtime import PoolClosed
from connpool_runtime.middleware import Logging
from tests.runtime.faces import Face


async def test_one_line_per_call(face: Face, caplog: pytest.LogCaptureFixture) -> None:
    """Method, member, outcome, attempts and time; failures louder than the rest."""
    face.pool.register_middleware(Logging())
    face.clients["a"].script.extend([ConnectionError("host:6379"), PoolClosed("key")])
    with caplog.at_level(logging.DEBUG, "connpool_runtime"):
        await face.calls(5)
    lines = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert len(lines) == 5
    assert lines[0][0] == "WARNING"
    assert lines[0][1].startswith("test.get on a: failure after 1 attempts and 0.0")
    assert lines[0][1].endswith("(ConnectionError)")
    assert (lines[1][0], "test.get on b: success" in lines[1][1]) == ("DEBUG", True)
    assert (lines[3][0], "(PoolClosed)" in lines[3][1]) == ("DEBUG", True)


async def test_messages_of_errors_stay_out(face: Face, caplog: pytest.LogCaptureFixture) -> None:
    """Clients put addresses, keys and passwords into them."""
    face.pool.register_middleware(Logging())
    face.fail("a", error=ConnectionError("redis://:secret@host"))
    with caplog.at_level(logging.DEBUG):
        await face.calls(1)
    assert "secret" not in caplog.text


@pytest.mark.parametrize("level", ["INFO", "info", logging.INFO])
async def test_the_level_may_be_given(
    face: Face, caplog: pytest.LogCaptureFixture, level: int | str
) -> None:
    """Calls that did not fail are logged at it; failures at WARNING at least."""
    face.pool.register_middleware(Logging(level=level))
    face.fail("a")
    with caplog.at_level(logging.INFO, "connpool_runtime"):
        await face.calls(2)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_failures_are_no_quieter_than_the_rest(
    face: Face, caplog: pytest.LogCaptureFixture
) -> None:
    """A level above WARNING holds for failures too."""
    face.pool.register_middleware(Logging(level="ERROR"))
    face.fail("a")
    await face.calls(2)
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]


@pytest.mark.parametrize("level", ["LOUD", None, True, 1.5])
def test_its_level_is_validated(level: Any) -> None:
    """A name that logging does not know is refused, with those that it knows."""
    with pytest.raises(ValueError, match=r"level must be a number or one of .*WARNING"):
        Logging(level=level)


async def test_the_logger_may_be_given(face: Face, caplog: pytest.LogCaptureFixture) -> None:
    """Any logger will do."""
    face.pool.register_middleware(Logging(logging.getLogger("mine")))
    with caplog.at_level(logging.DEBUG, "mine"):
        await face.call()
    assert [record.name for record in caplog.records] == ["mine"]


async def test_it_is_silent_by_default(face: Face, capfd: pytest.CaptureFixture[str]) -> None:
    """An application that configured no logging sees nothing, not even on failures."""
    face.pool.register_middleware(Logging())
    logger = logging.getLogger("connpool_runtime")
    handlers, logger.propagate = logger.handlers[:], True
    root = logging.getLogger()
    kept, root.handlers = root.handlers, []
    try:
        face.fail("a")
        await face.calls(1)
    finally:
        root.handlers = kept
    assert handlers == logger.handlers
    assert capfd.readouterr().err == ""
