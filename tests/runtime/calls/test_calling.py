"""`calling`: what callers say of single calls reaches the pool, and costs the others nothing."""

import asyncio
import threading
from typing import Any

import pytest

from connpool_runtime import (
    InvalidCallOption,
    MemberUnavailable,
    Method,
    Pool,
    RetryPolicy,
    UnknownMember,
    calling,
)
from connpool_runtime.calls.calling import current_options
from connpool_runtime.checkout.call_options import QUIET
from connpool_runtime.middleware import Retry, Timeout
from tests.runtime.faces import Face, inherits_context

GET: Method[Any, Any] = Method("get", lambda client, args: client())


def looks(pool: Any) -> bool:
    """Whether calls of a pool look for blocks."""
    found: bool = pool._state.looks_for_blocks
    return found


@pytest.mark.parametrize(
    "options",
    [{}, {"balancer": "consistent_hash"}, {"max_concurrency": 2}, {"balancer": "peak_ewma"}],
)
async def test_a_named_member_gets_all_calls(new_face: Any, options: dict[str, Any]) -> None:
    """By whatever path the calls of the pool go, and after the block they are balanced as before."""
    face = new_face("a", "b", "c", **options)
    await face.call()
    with calling(member="b"):
        assert {await face.call() for _ in range(6)} == {"b"}
    if options.get("balancer") is None:
        assert {await face.call() for _ in range(6)} == {"a", "b", "c"}


async def test_it_holds_inside_middleware_of_every_kind(face: Face) -> None:
    """Where middleware only act on failures, and where a function is run around each call."""
    face.pool.register_middleware(Retry())
    with calling(member="c"):
        assert {await face.call() for _ in range(3)} == {"c"}

    async def around(call: Any, proceed: Any) -> Any:
        return await proceed(call)

    face.register(around)
    with calling(member="a"):
        assert {await face.call() for _ in range(3)} == {"a"}


async def test_leases_streams_and_functions_go_by_it_too(face: Face) -> None:
    """Whatever takes a member inside the block takes the one that was named."""
    with calling(member="b"):
        async with face.lease() as (client, _):
            assert client.name == "b"
        assert await (await face.stream(1)).rest() == ["b"]
        assert await face.execute() == "b"


async def test_the_same_key_meets_the_same_member(new_face: Any) -> None:
    """Methods without a key of their own have the caller's."""
    face = new_face("a", "b", "c", balancer="consistent_hash")
    met = set()
    for key in range(20):
        with calling(key=key):
            found = {await face.call() for _ in range(3)}
        assert len(found) == 1
        met |= found
    assert met == {"a", "b", "c"}


async def test_a_balancer_that_ignores_keys_is_named(face: Face) -> None:
    """A key that changes nothing would be a slip that nobody notices."""
    with (
        calling(key="x"),
        pytest.raises(InvalidCallOption, match=r"'round_robin'.*consistent_hash"),
    ):
        await face.call()
    assert face.in_flight() == 0


async def test_an_unknown_member_is_refused_with_those_there_are(face: Face) -> None:
    """The error names the pool's members."""
    with (
        calling(member="z"),
        pytest.raises(UnknownMember, match="no member 'z'; it has 'a', 'b', 'c'"),
    ):
        await face.call()


async def test_no_other_member_is_called_instead(face: Face) -> None:
    """One that is cut off gives an error that says when it may be tried again."""
    await face.trip("a")
    with calling(member="a"), pytest.raises(MemberUnavailable, match="is ejected") as caught:
        await face.call()
    assert caught.value.retry_after == 10.0
    assert isinstance(caught.value.cause, ConnectionError)


async def test_a_busy_member_is_not_waited_for(new_face: Any) -> None:
    """The queue is one for all members, so a call for one of them cannot stand in it."""
    face = new_face("a", "b", max_concurrency=1)
    async with face.lease() as (client, _):
        with calling(member=client.name), pytest.raises(MemberUnavailable, match="is busy"):
            await face.call()


async def test_retries_are_the_callers_to_say(face: Face) -> None:
    """Never, more often, or for a method that its policy does not call idempotent."""
    face.pool.register_middleware(Retry(2, base=0.0))
    face.fail("a", 9)
    with calling(retry=False, member="a"), pytest.raises(ConnectionError):
        await face.call(face.method(idempotent=True))
    assert face.clients["a"].calls == 1
    face.pool.uneject("a")
    policy = RetryPolicy(attempts=3, base=0.0)
    with calling(retry=policy, member="a", idempotent=True), pytest.raises(ConnectionError):
        await face.call()
    assert face.clients["a"].calls == 4


async def test_retries_need_a_retry(face: Face) -> None:
    """A pool that has none says so instead of not retrying."""
    with (
        calling(retry=RetryPolicy(attempts=2)),
        pytest.raises(InvalidCallOption, match="needs a Retry"),
    ):
        await face.call()
    with calling(retry=False):
        assert await face.call() in {"a", "b", "c"}


async def test_a_time_that_nobody_can_see_to_is_refused(face: Face) -> None:
    """The method has no parameter for it, and a thread cannot be interrupted."""
    with calling(timeout=1.0), pytest.raises(InvalidCallOption, match="has no parameter"):
        await face.call()


async def test_an_attempt_is_cancelled_after_the_callers_time(new_face: Any) -> None:
    """`Timeout` goes by what the caller says, and not by the method's policy."""
    face = new_face("a")
    if face.kind == "threads":
        return
    face.pool.register_middleware(Timeout(60.0))
    face.clients["a"].hold()
    with calling(timeout=0.01), pytest.raises(TimeoutError, match=r"longer than 0.01 s"):
        await face.call()
    face.clients["a"].release()


def test_blocks_nest_and_add_up() -> None:
    """What the inner one does not say, the outer one does; leaving one brings the other back."""
    with calling(key="k", retry=False):
        with calling(member="a", key="inner"):
            inner = current_options()
            assert inner is not None
            assert (inner.key, inner.member, inner.retry) == ("inner", "a", False)
        outer = current_options()
        assert outer is not None
        assert (outer.key, outer.member) == ("k", None)
    assert current_options() is None


async def test_it_belongs_to_a_thread_and_to_a_task() -> None:
    """New threads begin without, as the interpreter has it; a task that is started inside has it until the block ends."""
    seen: list[Any] = []
    ended = asyncio.Event()

    async def look() -> None:
        seen.append(current_options())
        await ended.wait()
        seen.append(current_options())

    with calling(member="a"):
        thread = threading.Thread(target=lambda: seen.append(current_options()))
        thread.start()
        thread.join()
        task = asyncio.create_task(look())
        await asyncio.sleep(0)
    assert current_options() is None
    ended.set()
    await task
    of_thread = "a" if inherits_context() else None
    assert [None if one is None else one.member for one in seen] == [of_thread, "a", None]


def test_a_generator_that_is_closed_late_changes_nothing() -> None:
    """Its block ends after one that began later, which goes on."""

    def items() -> Any:
        with calling(member="a"):
            yield

    suspended = items()
    next(suspended)
    with calling(member="b"):
        suspended.close()
        options = current_options()
        assert options is not None
        assert options.member == "b"
    assert current_options() is None


def test_pools_look_for_blocks_only_while_there_are_any() -> None:
    """A pool that is made inside looks at once, and stops when calls were outside for long."""
    before = Pool[Any]("before")
    before.add_client(lambda: "m", "m")
    before.call(GET)
    assert not looks(before)
    with calling(retry=False):
        inside = Pool[Any]("inside")
        assert looks(before)
        assert looks(inside)
        before.call(GET)
    for _ in range(QUIET):
        assert looks(before)
        before.call(GET)
    assert not looks(before)
    with calling(member="nobody"), pytest.raises(UnknownMember):
        before.call(GET)


@pytest.mark.parametrize(
    ("said", "error"),
    [({}, TypeError), ({"timeout": -1}, ValueError), ({"timeout": "1"}, ValueError)],
)
def test_what_says_nothing_is_refused(said: dict[str, Any], error: type[Exception]) -> None:
    """An empty block, and numbers that are none."""
    with pytest.raises(error):
        calling(**said)
    block = calling(member="a")
    with block, pytest.raises(RuntimeError, match="can be entered only once"):
        block.__enter__()
