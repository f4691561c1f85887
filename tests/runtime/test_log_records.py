"""The fields of the runtime's log records, through the libraries that people read them with."""

import ast
import io
import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from connpool_runtime import Method, Pool
from connpool_runtime._log import FIELDS, LogFields, log_failure
from connpool_runtime.middleware import ErrorLog, Logging
from tests.runtime.faces import Client, Face

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "logging.md"
RUNTIME = ROOT / "runtime" / "connpool_runtime"
RECORD = logging.LogRecord("name", logging.INFO, "path", 1, "text", (), None)


def needs(package: str, name: str) -> pytest.MarkDecorator:
    """Skip a test, loudly, where a library is not; `make frameworks` has all of them, and runs it."""
    missing = find_spec(package) is None and os.environ.get("FRAMEWORKS") != "all"
    return pytest.mark.skipif(missing, reason=f"THERE IS NO {name.upper()}: make frameworks")


@contextmanager
def lines(formatter: logging.Formatter) -> Iterator[list[dict[str, Any]]]:
    """What the runtime logs meanwhile, each line read as JSON; filled on leaving."""
    out, found = io.StringIO(), list[dict[str, Any]]()
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    logger = logging.getLogger("connpool_runtime")
    level, logger.propagate = logger.level, False
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    try:
        yield found
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = True
        found += [json.loads(line) for line in out.getvalue().splitlines()]


def one_good_and_one_bad_call() -> None:
    pool = Pool[Client]("cache")
    pool.add_client(client := Client("a"), "a")
    for middleware in (ErrorLog(), Logging()):
        pool.register_middleware(middleware)
    client.script.extend(["fine", ConnectionError("geheim")])
    get: Method[Client, Any] = Method("get", lambda client, args: client.get())
    pool.call(get)
    with pytest.raises(ConnectionError):
        pool.call(get)
    pool.close()


def check(found: list[dict[str, Any]], message: str) -> None:
    """The lines of `one_good_and_one_bad_call`, where `message` is the key of the text."""
    good, bad, told = found
    assert (good["event_name"], good["pool"], good["method"]) == ("call", "cache", "get")
    assert (good["member"], good["outcome"], good["attempt"]) == ("a", "success", 1)
    assert 0 <= good["seconds"] < 60
    assert (bad["event_name"], bad["outcome"]) == ("call", "failure")
    assert (told["event_name"], told["error_type"]) == ("call_failed", "ConnectionError")
    assert good[message].startswith("cache.get on a: success")
    assert "geheim" not in json.dumps(found)


class Broken(logging.Handler):
    """A handler that cannot write, and does not say so as those of `logging` do."""

    def emit(self, record: logging.LogRecord) -> None:
        raise OSError(28, "No space left on device")


@pytest.fixture
def broken() -> Iterator[None]:
    """Have a handler of the runtime's logger fail."""
    logger, handler = logging.getLogger("connpool_runtime"), Broken()
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)


@pytest.mark.usefixtures("broken")
async def test_a_handler_that_fails_makes_no_call_fail(
    new_face: Callable[..., Face], capsys: pytest.CaptureFixture[str]
) -> None:
    """What a log handler raises replaces no answer and no error, keeps no pool from closing, and stands in stderr."""
    face = new_face("a", max_fails=1, panic_threshold=0.01)
    for one in (ErrorLog(), Logging(level="WARNING")):
        face.pool.register_middleware(one)
    face.pool.subscribe(lambda event: 1 / 0)
    face.clients["a"].script.extend([ConnectionError("gone"), "fine"])
    with pytest.raises(ConnectionError):
        await face.call()
    assert await face.call() == "fine"
    await face.close()
    assert face.pool.members == ()
    assert "OSError: [Errno 28] No space left on device" in capsys.readouterr().err


@pytest.mark.usefixtures("broken")
def test_errors_of_handlers_are_silent_where_logging_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With `logging.raiseExceptions` off, nothing is written about a handler that fails."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    log_failure("a text")
    assert capsys.readouterr().err == ""


def test_a_record_names_the_line_that_logs(caplog: pytest.LogCaptureFixture) -> None:
    """The place of a record is that of the code which reports, not of the runtime's own logging."""
    log_failure("a text")
    assert [record.funcName for record in caplog.records] == [
        "test_a_record_names_the_line_that_logs"
    ]


def test_no_field_is_taken() -> None:
    """No name is one of every record's, or of what formatters and structlog put beside it."""
    taken = {*vars(RECORD), "message", "asctime", "event", "timestamp", "level", "logger", "exc"}
    assert not FIELDS.keys() & taken
    assert set(LogFields.__annotations__) == set(FIELDS)


async def test_records_have_fields(face: Face, caplog: pytest.LogCaptureFixture) -> None:
    """A record of a call tells pool, method, member, outcome, reason, attempts and seconds as attributes."""
    face.pool.register_middleware(Logging())
    face.fail("a")
    with caplog.at_level(logging.DEBUG, "connpool_runtime"):
        await face.calls(2)
    failed, good = [vars(record) for record in caplog.records]
    names = ("event_name", "pool", "method", "member", "outcome", "attempt", "error_type")
    assert [failed[name] for name in names] == [
        *("call", "test", "get", "a", "failure", 1, "ConnectionError")
    ]
    assert "error_type" not in good
    assert set(good) - set(vars(RECORD)) <= {*FIELDS, "message", "asctime", "taskName"}


def test_a_failure_tells_its_type_and_place(caplog: pytest.LogCaptureFixture) -> None:
    """The type of the error is a field by itself, and the record says where it was written."""
    try:
        raise TimeoutError("geheim")
    except TimeoutError:
        log_failure(
            "closing a client of %r failed", "cache", event_name="close_failed", pool="cache"
        )
    (record,) = caplog.records
    assert vars(record)["error_type"] == "TimeoutError"
    assert record.filename == Path(__file__).name


def test_every_record_has_fields() -> None:
    """Each place that logs states at least what the record is about, by a word that the page lists."""
    stated = set[str]()
    for path in RUNTIME.rglob("*.py"):
        text = path.read_text()
        if path.name == "_log.py" or not re.search(r"log_failure\(|logger", text):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and _logs(node):
                keywords = {keyword.arg for keyword in node.keywords}
                assert keywords & {"extra", "event_name", None}, f"{path}:{node.lineno}"
        stated |= set(re.findall(r'event_name="(\w+)"', text))
        stated |= set(re.findall(r'_fields\(\s*"(\w+)"', text))
    listed = re.findall(r"^\| `(\w+)` \| \w+ \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(stated)


def _logs(node: ast.Call) -> bool:
    function = node.func
    if isinstance(function, ast.Name):
        return function.id == "log_failure"
    levels = {"debug", "info", "warning", "error", "exception", "log"}
    if not isinstance(function, ast.Attribute) or function.attr not in levels:
        return False
    return "logger" in ast.unparse(function.value)


def test_the_page_lists_the_fields() -> None:
    """All of them, with their meaning, and no others."""
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|$", PAGE.read_text(), re.MULTILINE)
    assert dict(rows) == dict(FIELDS)


@needs("pythonjsonlogger", "python-json-logger")
def test_python_json_logger_writes_them() -> None:
    """Each field is a key of the line beside the message."""
    from pythonjsonlogger.json import JsonFormatter

    with lines(JsonFormatter("%(levelname)s %(message)s")) as found:
        one_good_and_one_bad_call()
    check(found, "message")


@needs("structlog", "structlog")
@pytest.mark.parametrize("adder", [True, False])
def test_structlog_writes_them(adder: bool) -> None:
    """With `ExtraAdder` each field is a key, and `event` is still the text; without it the text is all."""
    import structlog

    pre: list[Callable[..., Any]] = [structlog.stdlib.add_log_level]
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
        foreign_pre_chain=[*pre, structlog.stdlib.ExtraAdder()] if adder else pre,
    )
    with lines(formatter) as found:
        one_good_and_one_bad_call()
    if adder:
        check(found, "event")
    else:
        assert [set(line) for line in found] == [{"event", "level"}] * 3
