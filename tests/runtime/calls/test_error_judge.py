"""What counts as success, failure or neutral."""

import asyncio

import pytest

from connpool_runtime import Method, NoMembers, Outcome, Pool
from connpool_runtime.calls.error_judge import ErrorJudge, UnknownErrors
from connpool_runtime.classifiers.verdict import answer

SUCCESS, FAILURE, NEUTRAL = Outcome.SUCCESS, Outcome.FAILURE, Outcome.NEUTRAL


class NotFound(Exception):
    pass


def classify(error: BaseException, **policy: tuple[type[BaseException], ...]) -> Outcome:
    """Judge as a pool does for which any unknown error is a failure."""
    method = Method("get", lambda client, args: None, **policy)  # type: ignore[arg-type]  # the names of tuples
    return ErrorJudge(unknown="failure")(method, error).outcome


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error", [ConnectionError(), TimeoutError(), OSError(), RuntimeError(), NotFound()]
)
def test_any_other_exception_is_a_failure(error: Exception) -> None:
    """Errors a server can cause count against its member, whatever library they come from."""
    assert classify(error) is FAILURE


class Picky:
    """Takes one argument, and fails inside."""

    def get(self, key: str) -> str:
        return {"a": "b"}[key]


@pytest.mark.parametrize(("args", "outcome"), [((), NEUTRAL), (("x",), FAILURE)])
def test_wrong_arguments_say_nothing_about_the_server(
    args: tuple[str, ...], outcome: Outcome
) -> None:
    """An error of the call itself is the caller's; one from inside the client may be a bad answer."""
    method = Method[Picky, str]("get", lambda client, args: client.get(*args))
    with pytest.raises((TypeError, KeyError)) as caught:
        method.raw(Picky(), args)
    assert ErrorJudge(unknown="failure")(method, caught.value).outcome is outcome


@pytest.mark.parametrize(
    ("unknown", "counted_as"),
    [("relative", "unknown"), ("failure", "failure"), ("neutral", "neutral")],
)
def test_the_pool_says_what_unknown_errors_count(unknown: UnknownErrors, counted_as: str) -> None:
    """Relative to the other members, as failures, or not at all."""
    method = Method[object, None]("get", lambda client, args: None)
    assert ErrorJudge(unknown=unknown)(method, NotFound()).counted_as == counted_as


def test_declared_failures_count_whatever_is_known() -> None:
    """What a method declares wins over its library's classifier and over unknown errors."""
    method = Method[object, None]("get", lambda client, args: None, failures=(NotFound,))
    assert ErrorJudge(unknown="neutral")(method, NotFound()).outcome is FAILURE


def test_a_pool_may_have_a_classifier_of_its_own() -> None:
    """A function is asked before what is known of libraries; a name chooses one of these."""
    method = Method[object, None]("get", lambda client, args: None)
    own = ErrorJudge(lambda error: answer("mine") if isinstance(error, ConnectionError) else None)
    assert own(method, ConnectionResetError()).counted_as == "answer"
    assert ErrorJudge("redis")(method, ConnectionResetError()).counted_as == "failure"


@pytest.mark.parametrize(
    "error", [asyncio.CancelledError(), GeneratorExit(), KeyboardInterrupt(), SystemExit()]
)
def test_an_interruption_is_neutral(error: BaseException) -> None:
    """Who is interrupted has learned nothing about the server (B5)."""
    assert classify(error) is NEUTRAL


def test_declared_answers_are_successes() -> None:
    """An expected error proves that the server works, also when it is a caller's mistake by type."""
    assert classify(NotFound(), expected=(NotFound,)) is SUCCESS
    assert classify(KeyError(), expected=(LookupError,)) is SUCCESS


def test_ignored_errors_are_neutral() -> None:
    """An ignored error is evidence of nothing."""
    assert classify(NotFound(), ignored=(NotFound,)) is NEUTRAL


def test_expected_wins_over_ignored() -> None:
    """An error that is declared as both is an answer."""
    assert classify(NotFound(), expected=(NotFound,), ignored=(Exception,)) is SUCCESS


def test_declared_errors_are_found_behind_a_wrapper() -> None:
    """Classification follows the chain of causes, not the outermost type (B6)."""
    wrapped = caused(RuntimeError("outer"), caused(OSError("middle"), NotFound()))
    assert classify(wrapped, expected=(NotFound,)) is SUCCESS
    assert classify(wrapped, ignored=(NotFound,)) is NEUTRAL


def test_a_wrapped_refusal_of_a_pool_is_neutral() -> None:
    """A local rejection stays one when a client wraps it (B6)."""
    assert classify(caused(RuntimeError(), NoMembers(pool="inner"))) is NEUTRAL


@pytest.mark.parametrize("cause", [ValueError(), KeyError(), asyncio.CancelledError()])
def test_a_failure_with_a_harmless_cause_stays_a_failure(cause: BaseException) -> None:
    """A client that raises a connection error because of a bad answer or its own timeout failed."""
    assert classify(caused(ConnectionError(), cause)) is FAILURE


def test_the_context_of_an_error_is_no_cause() -> None:
    """An error raised while another was handled is judged by itself."""
    error = ConnectionError()
    error.__context__ = NotFound()
    assert classify(error, expected=(NotFound,)) is FAILURE


def test_a_circle_of_causes_ends() -> None:
    """Errors that name each other as their cause are classified all the same."""
    first, second = OSError(), RuntimeError()
    first.__cause__, second.__cause__ = second, first
    assert classify(first) is FAILURE


@pytest.mark.parametrize(
    ("errors", "outcome"),
    [
        ([ConnectionError(), ValueError()], FAILURE),
        ([NotFound(), asyncio.CancelledError()], NEUTRAL),
        ([NotFound(), NotFound()], SUCCESS),
    ],
)
def test_a_group_counts_as_its_worst_error(errors: list[BaseException], outcome: Outcome) -> None:
    """One failure in a group is a failure; a group of answers is a success."""
    group = BaseExceptionGroup("several", [BaseExceptionGroup("inner", errors)])
    assert classify(group, expected=(NotFound,)) is outcome


class Shop:
    """Fails with an error of its own, or because its connection failed."""

    def order(self) -> None:
        raise NotFound

    def connect(self) -> None:
        try:
            raise ConnectionResetError
        except ConnectionResetError:
            raise NotFound  # noqa: B904  # the context is what is tested


@pytest.mark.parametrize(("name", "counted_as"), [("order", "unknown"), ("connect", "failure")])
def test_what_a_caller_was_handling_is_no_evidence(name: str, counted_as: str) -> None:
    """A context counts if it came up within the call, not if it was there before."""
    pool = Pool[Shop]("shop")
    pool.add_client(Shop())
    method: Method[Shop, None] = Method(name, lambda client, _: getattr(client, name)())
    try:
        raise ConnectionRefusedError
    except ConnectionRefusedError:
        with pytest.raises(NotFound):
            pool.call(method)
    last = pool.stats().members[0].last_error
    assert last is not None
    assert last.counted_as == counted_as
