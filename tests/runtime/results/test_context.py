"""Context managers of clients, in both kinds."""

import gc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from connpool_runtime import AllMembersOpen, AsyncPool, Method, Outcome, PoolClosed
from tests.runtime.faces import Face, counted

SUCCESS, FAILURE, NEUTRAL = Outcome.SUCCESS, Outcome.FAILURE, Outcome.NEUTRAL


async def test_the_member_is_held_for_the_block(face: Face) -> None:
    """Entered on one member, in flight until left, and counted only then (B26)."""
    async with face.session() as value:
        assert value == "a"
        assert face.in_flight() == 1
        assert sum(counted(face.stats()).values()) == 0
    assert face.in_flight() == 0
    assert counted(face.stats()) == {SUCCESS: 1, FAILURE: 0, NEUTRAL: 0}


async def test_nothing_happens_before_it_is_entered(face: Face) -> None:
    """Asking for the context picks nobody."""
    face.pool.context(face.method("session"))
    assert face.in_flight() == 0
    assert await face.call() == "a"


@pytest.mark.parametrize(
    ("error", "outcome"), [(OSError("x"), FAILURE), (PoolClosed("x"), NEUTRAL)]
)
async def test_an_error_that_leaves_the_block_is_judged(
    face: Face, error: Exception, outcome: Outcome
) -> None:
    """By the same rules as an error of a call, and it leaves unchanged."""
    with pytest.raises(type(error)) as caught:
        async with face.session():
            raise error
    assert caught.value is error
    assert counted(face.stats())[outcome] == 1
    assert face.in_flight() == 0


async def test_entering_may_fail(face: Face) -> None:
    """Then the member is given back at once and the failure counts."""
    face.fail("a")
    with pytest.raises(ConnectionError):
        async with face.session():
            pytest.fail("the block must not run")
    assert face.in_flight() == 0
    assert counted(face.stats())[FAILURE] == 1


async def test_a_context_of_a_refusing_pool_is_refused(face: Face) -> None:
    """Entering raises what a call would raise."""
    for name in "abc":
        face.pool.eject(name)
    with pytest.raises(AllMembersOpen):
        async with face.session():
            pytest.fail("the block must not run")


class Suppressing:
    """A context manager of both kinds that swallows errors, or raises its own."""

    def __init__(self, answer: bool | Exception) -> None:
        self.answer = answer

    def __enter__(self) -> str:
        return "in"

    def __exit__(self, *_error: object) -> bool:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def __aenter__(self) -> str:
        return "in"

    async def __aexit__(self, *error: object) -> bool:
        return self.__exit__(*error)


def method_of(answer: bool | Exception) -> Method[object, Suppressing]:
    return Method("session", lambda client, args: Suppressing(answer))


async def test_what_the_client_suppresses_is_suppressed(face: Face) -> None:
    """The client's context manager decides, as without the pool."""
    async with face.session(method_of(True)):
        raise OSError
    assert face.in_flight() == 0


async def test_what_leaving_raises_is_the_outcome(face: Face) -> None:
    """An error of the client's own `__exit__` counts and arrives."""
    with pytest.raises(ConnectionError, match="on the way out"):
        async with face.session(method_of(ConnectionError("on the way out"))):
            pass
    assert counted(face.stats())[FAILURE] == 1
    assert face.in_flight() == 0


async def test_a_context_is_for_one_use(face: Face) -> None:
    """Entering it again is an error; nothing is taken twice, and the first use goes on."""
    context = face.pool.context(method_of(False))
    enter = getattr(context, "__aenter__", None)
    if enter is not None:
        async with context:
            with pytest.raises(RuntimeError, match="used only once"):
                await enter()
    else:
        with context, pytest.raises(RuntimeError, match="used only once"):
            context.__enter__()
    assert face.in_flight() == 0
    assert counted(face.stats()) == {SUCCESS: 1, FAILURE: 0, NEUTRAL: 0}


async def test_its_duration_begins_when_it_is_entered(face: Face) -> None:
    """How long it lay about before says nothing."""
    context = face.session()
    face.clock.sleep(100)
    async with context:
        face.clock.sleep(1)
    assert face.stats().methods[0].latency.total == pytest.approx(1)


async def test_a_dropped_context_gives_its_member_back(new_face: Callable[..., Face]) -> None:
    """Garbage collection ends what nobody can leave any more, without evidence."""
    face = new_face("a")
    context = face.pool.context(method_of(False))
    if hasattr(context, "__aenter__"):
        await context.__aenter__()
    else:
        context.__enter__()
    assert face.in_flight() == 1
    del context
    gc.collect()
    assert face.in_flight() == 0
    assert counted(face.stats()) == {SUCCESS: 0, FAILURE: 0, NEUTRAL: 1}


async def test_a_plain_manager_of_an_asynchronous_client() -> None:
    """It holds its member for the block, and takes none before."""

    class Client:
        @contextmanager
        def block(self) -> Iterator[str]:
            yield "value"

    block: Method[Client, AbstractContextManager[str]] = Method(
        "block", lambda client, _: client.block()
    )
    async with AsyncPool[Client]() as pool:
        pool.add_client(Client())
        manager = pool.context_sync(block)
        assert pool.stats().members[0].in_flight == 0
        with manager as value:
            assert value == "value"
            assert pool.stats().members[0].in_flight == 1
        with pytest.raises(ConnectionError, match="x"), pool.context_sync(block):
            raise ConnectionResetError("x")
        (member,) = pool.stats().members
        assert (member.in_flight, member.successes, member.failures) == (0, 1, 1)
