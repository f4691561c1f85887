"""Fallback: an answer where the pool has none, in all forms of call."""

from typing import Any

import pytest

from connpool_runtime import NoMembers, Outcome
from connpool_runtime.deadlines import deadline
from connpool_runtime.middleware import Deadline, Fallback
from tests.runtime.faces import Face, counted

SUCCESS, FAILURE, NEUTRAL = Outcome.SUCCESS, Outcome.FAILURE, Outcome.NEUTRAL


async def test_a_failure_is_answered(face: Face) -> None:
    """The call succeeds for its caller, the member failed all the same."""
    face.pool.register_middleware(Fallback("cached"))
    face.fail("a")
    assert await face.call() == "cached"
    assert counted(face.stats()) == {SUCCESS: 1, FAILURE: 0, NEUTRAL: 0}
    assert face.stats().members[0].failures == 1
    assert [(one.name, one.value) for one in face.stats().middleware] == [("fallbacks", 1)]


async def test_refusals_and_deadlines_are_answered(face: Face) -> None:
    """Nobody served the call, so somebody must."""
    face.pool.register_middleware(Fallback("cached"))
    face.pool.register_middleware(Deadline())
    for name in "abc":
        face.pool.eject(name)
    assert await face.call() == "cached"
    with deadline(0):
        assert await face.call() == "cached"


@pytest.mark.parametrize("error", [BlockingIOError("ignored"), FileNotFoundError("expected")])
async def test_ignored_and_expected_errors_pass(face: Face, error: Exception) -> None:
    """What says nothing about the server needs no other answer, and an answer is one."""
    face.pool.register_middleware(Fallback("cached"))
    face.fail("a", error=error)
    policy = {"expected": (FileNotFoundError,), "ignored": (BlockingIOError,)}
    with pytest.raises(type(error)):
        await face.call(face.method(**policy))


async def test_a_function_sees_call_and_error(face: Face) -> None:
    """It may raise something better."""

    def instead(call: Any, error: Exception) -> str:
        if isinstance(error, ValueError):
            raise LookupError("better") from error
        return f"{call.method.name}: {error}"

    face.pool.register_middleware(Fallback(instead, errors=(ConnectionError, ValueError)))
    face.fail("a")
    face.fail("b", error=ValueError("mine"))
    assert await face.call() == "get: a is down"
    with pytest.raises(LookupError, match="better"):
        await face.call()
    face.fail("c", error=OSError("other"))
    with pytest.raises(OSError, match="other"):
        await face.call()


async def test_a_coroutine_function_is_awaited(face: Face) -> None:
    """In a pool of tasks the answer may come from elsewhere."""

    async def instead(_call: Any, _error: Exception) -> str:
        return "remote"

    if face.kind == "tasks":
        face.pool.register_middleware(Fallback(instead))
        face.fail("a")
        assert await face.call() == "remote"


async def test_a_stream_is_answered_by_items(face: Face) -> None:
    """The answer takes its place, and the call is counted once."""
    face.pool.register_middleware(Fallback(lambda _call, _error: iter(["x", "y"])))
    for name in "abc":
        face.pool.eject(name)
    items = await face.stream(3)
    assert await items.rest() == ["x", "y"]
    assert counted(face.stats()) == {SUCCESS: 1, FAILURE: 0, NEUTRAL: 0}
    assert face.in_flight() == 0


async def test_a_context_is_answered_by_its_value(face: Face) -> None:
    """What a block gets; leaving it closes nothing."""
    face.pool.register_middleware(Fallback("cached"))
    face.fail("a")
    async with face.session() as value:
        assert value == "cached"
    assert counted(face.stats()) == {SUCCESS: 1, FAILURE: 0, NEUTRAL: 0}
    assert face.in_flight() == 0


async def test_a_pinned_call_is_answered(face: Face) -> None:
    """Whether no member was picked, or one failed."""
    face.pool.register_middleware(Fallback("cached"))

    async def pinned() -> object:
        result = face.pool.pinned(face.method())
        return await result if face.kind == "tasks" else result

    face.fail("a")
    assert await pinned() == "cached"
    for name in "abc":
        await face.remove(name)
    assert await pinned() == "cached"
    assert face.stats().rejections == ((NoMembers.__name__, 1),)
    assert counted(face.stats()) == {SUCCESS: 2, FAILURE: 0, NEUTRAL: 0}


@pytest.mark.parametrize("errors", [[KeyError], "OSError", (KeyError, 5)])
def test_what_are_no_classes_of_errors_is_refused(errors: Any) -> None:
    """A list would be refused only when a call has failed, and in place of its error."""
    with pytest.raises(ValueError, match="errors must be a tuple of exception classes, not"):
        Fallback([], errors=errors)
