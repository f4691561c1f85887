"""Results that are failures, and errors that are not: a method's own judge."""

from typing import Any

import pytest

from connpool_runtime import AsyncPool, Method, Outcome, ResultCountedAsFailure
from connpool_runtime.classifiers.verdict import MayRetry, Verdict, failure
from connpool_runtime.middleware import Fallback, Hedging, Retry
from tests.runtime.faces import Client, Face, TaskFace, counted

SUCCESS, FAILURE, NEUTRAL = Outcome.SUCCESS, Outcome.FAILURE, Outcome.NEUTRAL
CASES = {"busy": FAILURE, "yours": NEUTRAL, "fine": SUCCESS, "a": None}


def judge(value: Any) -> Outcome | None:
    """Knows a few results, and one error."""
    if isinstance(value, TimeoutError):
        return NEUTRAL
    return CASES.get(value) if isinstance(value, str) else None


async def test_a_result_may_be_a_failure(face: Face) -> None:
    """The caller gets it, the breaker learns of it, and the numbers say so."""
    method = face.method(judge=judge)
    for client in face.clients.values():
        client.always = "busy"
    assert [await face.call(method) for _ in range(9)] == ["busy"] * 9
    stats = face.stats()
    assert counted(stats) == {SUCCESS: 0, FAILURE: 9, NEUTRAL: 0}
    assert [(member.failures, member.state.value) for member in stats.members] == [(3, "open")] * 3
    assert stats.in_flight == 0


async def test_a_result_may_be_neutral_or_fine(face: Face) -> None:
    """A success ends a row of failures, a neutral result does not."""
    method = face.method(judge=judge)
    face.clients["a"].script.extend(["busy", "yours", "fine"])
    assert [await face.call(method) for _ in range(7)][::3] == ["busy", "yours", "fine"]
    assert counted(face.stats()) == {SUCCESS: 5, FAILURE: 1, NEUTRAL: 1}
    a, _, _ = face.stats().members
    assert (a.successes, a.failures, a.neutrals, a.consecutive_failures) == (1, 1, 1, 0)


async def test_an_error_may_be_judged(face: Face) -> None:
    """What the judge says goes before the usual; None leaves it to the usual."""
    method = face.method(judge=judge)
    face.fail("a", error=TimeoutError("mine"))
    face.fail("b")
    with pytest.raises(TimeoutError):
        await face.call(method)
    with pytest.raises(ConnectionError):
        await face.call(method)
    assert counted(face.stats()) == {SUCCESS: 0, FAILURE: 1, NEUTRAL: 1}


async def test_an_unwanted_result_is_tried_again_elsewhere(face: Face) -> None:
    """The attempts are charged to the members that served them, the call is a success."""
    face.pool.register_middleware(Retry(base=0))
    face.clients["a"].always = "busy"
    assert await face.call(face.method(judge=judge, idempotent=True)) == "b"
    assert counted(face.stats()) == {SUCCESS: 1, FAILURE: 0, NEUTRAL: 0}
    assert [member.failures for member in face.stats().members] == [1, 0, 0]


async def test_the_last_unwanted_result_is_returned(face: Face) -> None:
    """After all attempts the caller gets what the client said, not an error of ours."""
    face.pool.register_middleware(Retry(base=0))
    for client in face.clients.values():
        client.always = "busy"
    assert await face.call(face.method(judge=judge, idempotent=True)) == "busy"
    assert counted(face.stats()) == {SUCCESS: 0, FAILURE: 1, NEUTRAL: 0}
    assert [member.failures for member in face.stats().members] == [1, 1, 1]


async def test_layers_see_an_unwanted_result_as_an_error(face: Face) -> None:
    """With the result in it, but not in its message."""
    seen: list[ResultCountedAsFailure] = []

    async def look(call: Any, proceed: Any) -> Any:
        try:
            return await proceed(call)
        except ResultCountedAsFailure as error:
            seen.append(error)
            raise

    face.register(look)
    face.clients["a"].always = "busy"
    assert await face.call(face.method(judge=judge)) == "busy"
    (error,) = seen
    assert (error.result, error.outcome) == ("busy", FAILURE)
    assert str(error) == "a result of type str is judged as failure"


async def test_a_fallback_answers_for_it(face: Face) -> None:
    """It is a failure like any other."""
    face.pool.register_middleware(Fallback("cached"))
    face.clients["a"].always = "busy"
    assert await face.call(face.method(judge=judge)) == "cached"


async def test_the_failing_result_of_a_race_is_returned() -> None:
    """When all attempts end unwanted, the first one's result is the call's."""
    face = TaskFace("a", "b")
    face.pool.register_middleware(Hedging(0.0))
    for client in face.clients.values():
        client.always = "busy"
    assert await face.call(face.method(judge=judge, idempotent=True)) == "busy"


async def test_members_with_a_limit_judge_too(new_face: Any) -> None:
    """The way of a call changes nothing about its outcome."""
    face = new_face("a", max_concurrency=1)
    face.clients["a"].always = "busy"
    assert await face.call(face.method(judge=judge)) == "busy"
    assert counted(face.stats())[FAILURE] == 1
    assert face.in_flight() == 0


async def test_streams_are_judged_by_their_errors(face: Face) -> None:
    """An iterator says nothing before its end, and its items are the caller's."""
    asked = []

    def notes(value: Any) -> Outcome | None:
        asked.append(value)
        return judge(value)

    face.clients["a"].script.extend(["busy", TimeoutError("mine")])
    items = await face.stream(2, face.method("items", judge=notes))
    assert await items.next() == "busy"
    with pytest.raises(TimeoutError) as caught:
        await items.next()
    assert set(asked) == {caught.value}
    assert counted(face.stats()) == {SUCCESS: 0, FAILURE: 0, NEUTRAL: 1}


async def test_a_judge_that_fails_changes_nothing(face: Face) -> None:
    """The client's answer is worth more than an opinion about it; a warning names the judge."""

    def broken(_value: Any) -> Outcome | None:
        raise KeyError("oops")

    face.fail("b")
    method = face.method(judge=broken)
    with pytest.warns(RuntimeWarning, match=r"broken.* failed: KeyError\('oops'\)"):
        assert await face.call(method) == "a"
    with pytest.warns(RuntimeWarning), pytest.raises(ConnectionError):
        await face.call(method)
    assert counted(face.stats()) == {SUCCESS: 1, FAILURE: 1, NEUTRAL: 0}


@pytest.mark.parametrize(
    "said", [True, False, 1, failure("mine")], ids=lambda said: type(said).__name__
)
async def test_a_judge_that_answers_something_else_changes_nothing(face: Face, said: Any) -> None:
    """The commonest slip is a bool; the caller gets the result, the breaker counts as usual, and a warning says why."""
    face.fail("b")
    method = face.method(judge=lambda _: said)
    with pytest.warns(
        RuntimeWarning, match=rf"has to return an Outcome or None, not a {type(said).__name__}"
    ):
        assert await face.call(method) == "a"
    with pytest.warns(RuntimeWarning), pytest.raises(ConnectionError):
        await face.call(method)
    assert counted(face.stats()) == {SUCCESS: 1, FAILURE: 1, NEUTRAL: 0}


async def test_methods_that_do_not_wait_are_judged() -> None:
    """An asynchronous client's plain methods too."""
    pool = AsyncPool[Client]("test")
    pool.add_client(Client("a"))
    pool.clients[0].always = "busy"
    ping: Method[Client, Any] = Method("ping", lambda client, _: client.get(), judge=judge)
    assert pool.call_sync(ping) == "busy"
    assert pool.stats().members[0].failures == 1


def test_without_a_judge_nothing_is_wrapped() -> None:
    """What a call runs is the client's method and nothing else."""
    method: Method[Any, Any] = Method("get", lambda client, _: client.get())
    assert method.invoke is method.raw


@pytest.mark.parametrize("said", [True, "failure", Verdict(FAILURE, MayRetry.YES, "x", -1.0)])
async def test_a_middleware_that_judges_wrongly_changes_nothing(face: Face, said: Any) -> None:
    """What it may not say of an error leaves the client's error as it is, and the judgement to the method's policy."""

    async def look(call: Any, proceed: Any) -> Any:
        call.judge_by(look, lambda _error: said)
        return await proceed(call)

    face.register(look)
    face.fail("a")
    with pytest.warns(RuntimeWarning, match="has to return an Outcome, a Verdict or None, not a"):
        assert str(await face.outcome(face.call())) == "a is down"
    assert counted(face.stats()) == {SUCCESS: 0, FAILURE: 1, NEUTRAL: 0}


async def test_a_middleware_whose_judge_fails_changes_nothing(face: Face) -> None:
    """It is reported like the judge of a method."""

    async def look(call: Any, proceed: Any) -> Any:
        call.judge_by(look, lambda error: error.no_such_attribute)
        return await proceed(call)

    face.register(look)
    face.fail("a")
    with pytest.warns(RuntimeWarning, match="failed to judge ConnectionError.*no_such_attribute"):
        assert str(await face.outcome(face.call())) == "a is down"
    assert counted(face.stats()) == {SUCCESS: 0, FAILURE: 1, NEUTRAL: 0}


async def use(face: Any, way: str) -> Any:
    """Make one call of the kind, to its end; return the error."""
    try:
        if way == "call":
            await face.call()
        elif way == "lease":
            async with face.lease() as (client, _):
                client.next()
        elif way == "stream":
            items = await face.stream(1)
            await items.next()
        else:
            async with face.session():
                pass
    except Exception as error:
        return error


@pytest.mark.parametrize("way", ["call", "lease", "stream", "context"])
@pytest.mark.parametrize("limit", [None, 1])
async def test_what_a_classifier_may_not_answer_costs_nobody_the_error(
    new_face: Any, way: str, limit: int | None
) -> None:
    """In each way of using a member the caller gets the client's error, and it counts as usual."""
    face = new_face("a", classifier=lambda _: "failure", max_concurrency=limit)
    face.clients["a"].always = ConnectionError("a is down")
    with pytest.warns(RuntimeWarning, match="has to return a Verdict or None, not a str"):
        assert await use(face, way) is face.clients["a"].always
    assert (face.stats().members[0].failures, face.in_flight()) == (1, 0)
