"""The tree of errors."""

import copy
import math
import pickle
import threading
import traceback
from collections.abc import Callable

import pytest

import connpool_runtime
from connpool_runtime import (
    AllMembersOpen,
    AttemptTimeout,
    NoMembers,
    PoolError,
    RateLimited,
    Rejected,
    RetryLater,
    Unreachable,
    connectors,
    errors,
)
from connpool_runtime._tracebacks import StandIn
from connpool_runtime.config import ConfigProblem, InvalidConfigFile
from connpool_runtime.discovery import InvalidEndpoint
from connpool_runtime.errors import __all__ as names

ERRORS = [getattr(connpool_runtime, name) for name in [*names, "ResultCountedAsFailure"]]


@pytest.mark.parametrize("error", ERRORS)
def test_all_errors_have_one_root_and_a_public_name(error: type[PoolError]) -> None:
    """`except PoolError` catches them all, and tracebacks show where to import them from."""
    assert issubclass(error, PoolError)
    assert error.__module__ == "connpool_runtime"
    assert error.__doc__


@pytest.mark.parametrize("error", ERRORS)
def test_errors_carry_their_pool_and_cause(error: type[PoolError]) -> None:
    """As attributes and as `__cause__`; the message is the text."""
    cause = OSError("down")
    made = error("text", pool="name", cause=cause)
    assert (str(made), made.pool, made.cause, made.__cause__) == ("text", "name", cause, cause)


@pytest.mark.parametrize("error", ERRORS)
def test_errors_can_be_pickled(error: type[PoolError]) -> None:
    """They travel between processes with their data."""
    made = pickle.loads(pickle.dumps(error("text", pool="name")))
    assert (type(made), str(made), made.pool) == (error, "text", "name")


def test_data_survives_pickling() -> None:
    """What one error has beyond the others too."""
    made = AllMembersOpen("text", pool="name", retry_after=3.0)
    assert pickle.loads(pickle.dumps(made)).retry_after == 3.0


def pickled(error: PoolError) -> PoolError:
    """Return an error as another process gets it."""
    found: PoolError = pickle.loads(pickle.dumps(error))
    return found


WAYS = [copy.copy, copy.deepcopy, pickled]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ERRORS)
def test_the_cause_survives_a_pickle_and_a_copy(
    kind: type[PoolError], way: Callable[[PoolError], PoolError]
) -> None:
    """The `cause` is the `__cause__` of a copy too, and notes stay."""
    error = kind("text", pool="name", cause=OSError(111, "refused"))
    error.add_note("a note")
    made = way(error)
    assert (str(made), made.pool, made.__notes__) == ("text", "name", ["a note"])
    assert made.cause is made.__cause__
    assert (type(made.cause), made.cause.args) == (ConnectionRefusedError, (111, "refused"))  # type: ignore[union-attr]


class NeedsMore(Exception):
    """Can be pickled and not be read back, as errors of httpx are."""

    def __init__(self, text: str, *, request: object) -> None:
        super().__init__(text)
        self.request = request


class HasLock(Exception):
    """Cannot be pickled, as errors of grpc are."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()


@pytest.mark.parametrize(
    "cause", [NeedsMore("down", request=1), HasLock("down"), StandIn(HasLock, "down")]
)
def test_a_cause_that_cannot_be_pickled_is_stood_in_for(cause: Exception) -> None:
    """Another process can read every error of a pool, whatever a library's error has in it; copies keep the cause."""
    error = AllMembersOpen("text", pool="name", cause=cause, retry_after=3.0)
    made = pickled(error)
    assert isinstance(made, AllMembersOpen)
    assert (str(made), made.retry_after) == ("text", 3.0)
    assert isinstance(made.cause, StandIn)
    assert made.cause.args[0].endswith((".NeedsMore", ".HasLock"))
    assert made.cause.args[-1] == "down"
    assert copy.copy(error).cause is cause
    assert type(copy.deepcopy(error).cause) is type(cause)
    assert str(pickled(made).cause) == str(made.cause)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "error",
    [
        connectors.InvalidConfig("port", "-1", "positive"),
        connectors.InvalidFields([connectors.InvalidConfig("port", "-1", "positive")] * 2),
        InvalidConfigFile("file", [ConfigProblem("file:1", "port", "is wrong")]),
        InvalidEndpoint("port", "-1", "positive", endpoint="a", source="s"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_of_a_config_keep_notes(
    error: PoolError, way: Callable[[PoolError], PoolError]
) -> None:
    """Errors with a pickle of their own keep what was noted on them, like all others."""
    error.add_note("a note")
    made = way(error)
    assert (type(made), str(made), made.__notes__[-1]) == (type(error), str(error), "a note")


def test_timeouts_are_timeouts() -> None:
    """A caller who catches TimeoutError catches ours."""
    assert issubclass(AttemptTimeout, TimeoutError)


def test_an_error_without_a_text_is_its_name() -> None:
    """An empty message helps nobody."""
    assert str(NoMembers()) == "NoMembers"


def test_refusals_can_be_told_from_failures() -> None:
    """A timeout of an attempt is a failure of a member, a refusal is not."""
    assert issubclass(NoMembers, Rejected)
    assert not issubclass(AttemptTimeout, Rejected)


def test_all_errors_are_listed_and_public() -> None:
    """Whatever class the module of errors has is in its `__all__`, and at the root of the package."""
    defined = [
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, BaseException) and name[0] != "_"
    ]
    assert sorted(defined) == sorted(names)
    assert set(names) <= set(connpool_runtime.__all__)


@pytest.mark.parametrize("error", ERRORS)
def test_tracebacks_show_the_public_name(error: type[PoolError]) -> None:
    """What a traceback calls an error is what `except` needs."""
    shown = traceback.format_exception_only(error("text"))[0]
    assert shown == f"connpool_runtime.{error.__name__}: text\n"


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in connectors.__all__
        if isinstance(getattr(connectors, name), type)
        and issubclass(getattr(connectors, name), PoolError)
    ],
)
def test_errors_of_connectors_have_their_public_name(name: str) -> None:
    """It is that of the package that they are imported from."""
    error = getattr(connectors, name)
    assert f"{error.__module__}.{error.__qualname__}" == f"connpool_runtime.connectors.{name}"


@pytest.mark.parametrize("error", [AllMembersOpen, RateLimited, Unreachable])
def test_what_may_be_tried_later_says_when(error: type[RetryLater]) -> None:
    """One base has `retry_after` for all of them; nobody knows when if it is not given."""
    assert issubclass(error, RetryLater)
    assert error("text", retry_after=2.0).retry_after == 2.0
    assert error("text").retry_after == math.inf
