"""Which classifier is asked, in which order, and how a user puts in another."""

import asyncio
import math
import subprocess
import sys
import timeit
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from connpool_runtime import AllMembersOpen, AttemptTimeout, DeadlineExceeded
from connpool_runtime.breaker.outcome import Outcome
from connpool_runtime.classifiers import registry
from connpool_runtime.classifiers.registry import (
    LIBRARIES,
    Judge,
    classifier,
    classifier_for_package,
    judge,
    known_libraries,
    library_of_package,
    register_classifier,
)
from connpool_runtime.classifiers.table import ErrorTable
from connpool_runtime.classifiers.verdict import Verdict, answer, failure

FOLDER = Path(registry.__file__).parent
NO_LIBRARY = {
    "__init__", "error_chain", "local", "registry", "sqlstate", "status", "table", "transport", "verdict",
}  # fmt: skip

RedisError = type("ResponseError", (Exception,), {"__module__": "redis.exceptions"})
ShopError = type("ShopError", (Exception,), {"__module__": "shop"})
SOLD_OUT = answer("sold out")


@pytest.fixture
def untouched() -> Iterator[None]:
    """Put back what a test registers."""
    before, packages = dict(registry._registered), dict(registry._packages)
    yield
    registry._registered.clear()
    registry._registered.update(before)
    registry._packages.clear()
    registry._packages.update(packages)
    judge.forget()


def test_every_file_is_registered_under_its_name_and_packages() -> None:
    """The list that lets files be imported late says of each what the file says itself."""
    files = {path.stem for path in FOLDER.glob("*.py")} - NO_LIBRARY
    assert files == set(LIBRARIES)
    for name in files:
        table = getattr(import_module(f"connpool_runtime.classifiers.{name}"), name)
        assert classifier(name) is table
        assert (table.name, table.packages) == (name, LIBRARIES[name])


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("redis", "redis"),
        ("redis.asyncio", "redis"),
        ("valkey.asyncio.client", "redis"),
        ("qdrant_client", "qdrant"),
        ("opensearchpy", "opensearch"),
        ("google.cloud.storage", "google"),
        ("google.api_core.exceptions", "google"),
        ("azure.storage.blob", "azure"),
        ("mypy_boto3_s3.client", "botocore"),
        ("boto3", "botocore"),
        ("grpc_health.v1.health_pb2_grpc", "grpc"),
        ("anthropic", "openai"),
        ("redistribution", None),
        ("shop", None),
        ("", None),
    ],
)
def test_the_package_of_a_client_names_its_classifier(package: str, name: str | None) -> None:
    """The generator finds the classifier by the package of the client's class, or finds none."""
    assert library_of_package(package) == name
    assert classifier_for_package(package) is (None if name is None else classifier(name))


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    """A slip of the pen is told from a library that is not known."""
    with pytest.raises(ValueError, match="no classifier 'redsi'; nearest: redis"):
        classifier("redsi")


def test_the_library_is_found_by_the_error() -> None:
    """A client of one's own that uses redis inside is judged by redis' errors, also below its own."""
    error = ShopError("no stock")
    error.__cause__ = RedisError("WRONGTYPE Operation against a key")
    verdict = judge(error)
    assert verdict is not None
    assert verdict.reason == "WRONGTYPE"


def test_what_is_declared_goes_first() -> None:
    """A judge asks the classifiers it was given before all others, and the others when they do not know."""

    def mine(error: BaseException) -> Verdict | None:
        return SOLD_OUT if str(error).startswith("WRONGTYPE") else None

    asked = Judge(mine)
    assert asked(RedisError("WRONGTYPE")) is SOLD_OUT
    assert asked(RedisError("NOPERM no")) == judge(RedisError("NOPERM no"))


def test_the_outermost_known_error_decides() -> None:
    """An error that is known hides what led to it."""
    error = RedisError("WRONGTYPE")
    error.__cause__ = ConnectionResetError()
    verdict = judge(error)
    assert verdict is not None
    assert verdict.outcome is Outcome.SUCCESS


@pytest.mark.usefixtures("untouched")
def test_a_user_replaces_a_classifier_by_name() -> None:
    """After that the judge asks the user's in the place of ours, also for classes it has seen."""
    kind = type("NoScriptError", (RedisError,), {"__module__": "redis.exceptions"})
    before = judge(kind())
    register_classifier("redis", lambda _: SOLD_OUT)
    assert before is not SOLD_OUT
    assert judge(kind()) is SOLD_OUT


@pytest.mark.usefixtures("untouched")
def test_a_user_adds_a_classifier_for_packages() -> None:
    """A library of one's own is known by its packages, and by its name."""
    assert judge(ShopError()) is None
    register_classifier("shop", ErrorTable("shop", ("shop",), {"ShopError": SOLD_OUT}), ("shop",))
    assert judge(ShopError()) is SOLD_OUT
    assert library_of_package("shop.client") == "shop"
    assert "shop" in known_libraries()


def test_a_classifier_that_fails_has_no_say() -> None:
    """Who fails is reported, and the others are asked."""

    def broken(_: BaseException) -> Verdict | None:
        raise RuntimeError("broken")

    with pytest.warns(RuntimeWarning, match="failed to judge ConnectionResetError"):
        assert Judge(broken)(ConnectionResetError()) == failure("connection lost")


@pytest.mark.parametrize("said", [Outcome.FAILURE, True, "failure"])
def test_a_classifier_that_answers_something_else_has_no_say(said: Any) -> None:
    """It is reported, and the others are asked."""
    with pytest.warns(RuntimeWarning, match="has to return a Verdict or None, not a"):
        assert Judge(lambda _: said)(ConnectionResetError()) == failure("connection lost")


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("outcome", "failure"),
        ("retry", True),
        ("reason", None),
        ("retry_after", "5"),
        ("retry_after", math.nan),
        ("retry_after", -1),
        pytest.param("retry_after", 10**400, id="huge"),
    ],
)
def test_a_verdict_with_a_wrong_field_has_no_say(field: str, wrong: Any) -> None:
    """Whoever counts, waits or tries again trusts a verdict, so it is checked where it is given."""
    said = failure("mine")._replace(**{field: wrong})
    with pytest.warns(RuntimeWarning, match=f"not a Verdict with a wrong {field}"):
        assert Judge(lambda _: said)(ConnectionResetError()) == failure("connection lost")


class Hiding(ConnectionError):
    """An error whose arguments cannot be read, or are none."""

    @property
    def args(self) -> Any:
        raise KeyError("hidden")


class Odd(ConnectionError):
    """The same."""

    args: Any = None


@pytest.mark.parametrize("kind", [Hiding, Odd])
def test_an_error_that_hides_its_arguments_is_judged_all_the_same(kind: type[Exception]) -> None:
    """Whatever a class of a client makes of the attributes of errors, the caller gets the client's error."""
    verdict = judge(kind())
    assert verdict is not None
    assert verdict.outcome is Outcome.FAILURE


@pytest.mark.parametrize(
    "error",
    [
        asyncio.CancelledError(),
        GeneratorExit(),
        KeyboardInterrupt(),
        AllMembersOpen("open", cause=ConnectionRefusedError()),
        DeadlineExceeded("late"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_ends_a_call_from_our_side_is_neutral(error: BaseException) -> None:
    """A cancellation, an interrupt or a refusal of a pool says nothing about a server, whatever led to it."""
    verdict = judge(error)
    assert verdict is not None
    assert verdict.outcome is Outcome.NEUTRAL


def test_an_attempt_that_took_too_long_is_a_failure() -> None:
    """A server that does not answer within the time of one attempt has failed."""
    verdict = judge(AttemptTimeout("slow"))
    assert verdict is not None
    assert verdict.outcome is Outcome.FAILURE


def test_what_depends_on_the_error_is_not_remembered() -> None:
    """Errors of one class with different texts have different verdicts, whichever comes first."""
    verdicts = [judge(RedisError(text)) for text in ("WRONGTYPE", "READONLY You", "WRONGTYPE")]
    assert [found and found.outcome for found in verdicts] == [
        Outcome.SUCCESS,
        Outcome.FAILURE,
        Outcome.SUCCESS,
    ]


def test_what_led_to_a_plain_connection_error_is_looked_at_each_time() -> None:
    """A ConnectionError that is nothing more does not make the next one, after a refusal, anything less."""
    judge(ConnectionError("gone"))
    refused = ConnectionError("gone")
    refused.__cause__ = ConnectionRefusedError()
    verdict = judge(refused)
    assert verdict is not None
    assert verdict.reason == "connection refused"


def test_declared_functions_are_asked_each_time() -> None:
    """A function that is declared may look at the error, so no class is certain behind it."""
    verdicts = iter([None, SOLD_OUT])
    asked = Judge(lambda _: next(verdicts))
    assert asked(ConnectionResetError()) == failure("connection lost")
    assert asked(ConnectionResetError()) is SOLD_OUT


def test_a_class_seen_before_is_judged_quickly() -> None:
    """A class whose errors are all alike costs one look-up; the bound is ten times what it takes."""
    error = ConnectionResetError()
    judge(error)
    best = min(timeit.repeat(lambda: judge(error), number=2000, repeat=5)) / 2000
    assert best < 2e-6


def test_no_library_is_imported() -> None:
    """Importing all classifiers loads the standard library and the runtime only."""
    program = (
        "import sys; from connpool_runtime.classifiers import registry as r;"
        "[r.classifier(name) for name in r.LIBRARIES];"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    command = [
        sys.executable,
        "-S",
        "-c",
        f"import sys; sys.path.insert(0, {str(FOLDER.parents[1])!r}); {program}",
    ]
    loaded = set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
    assert loaded - sys.stdlib_module_names <= {"__main__", "connpool_runtime"}
