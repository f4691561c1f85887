"""Deadlines: they nest, they belong to a task, and they only say how much time is left."""

import asyncio
import gc
import math
import threading
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from connpool_runtime import (
    DeadlineExceeded,
    Method,
    Outcome,
    PoolError,
    Rejected,
    deadline,
    remaining,
)
from connpool_runtime.calls.error_judge import ErrorJudge
from connpool_runtime.deadlines import DeadlineBlock, require_time
from tests.runtime.faces import FakeClock, inherits_context


def judge(error: BaseException) -> Outcome:
    return ErrorJudge()(Method("get", lambda client, args: None), error).outcome


def test_without_a_deadline_there_is_no_end() -> None:
    """Infinity, so that min() with a limit is the limit."""
    assert remaining() == math.inf
    assert require_time("p", "it began") == math.inf


def test_time_runs_down_to_zero_inside_the_block() -> None:
    """Never below, and outside the block there is no deadline."""
    clock = FakeClock()
    with deadline(5.0, clock=clock) as scope:
        assert remaining() == scope.remaining() == 5.0
        clock.sleep(3.0)
        assert remaining() == 2.0
        clock.sleep(3.0)
        assert remaining() == 0.0
    assert remaining() == math.inf


def test_the_earliest_deadline_holds() -> None:
    """An inner block shortens the time and gives it back; it cannot lengthen it."""
    clock = FakeClock()
    with deadline(5.0, clock=clock):
        with deadline(2.0, clock=clock):
            assert remaining() == 2.0
        with deadline(60.0, clock=clock):
            assert remaining() == 5.0
        assert remaining() == 5.0


def test_an_error_ends_the_block_too() -> None:
    """No deadline outlives its block."""
    with pytest.raises(KeyError), deadline(5.0):
        raise KeyError
    assert remaining() == math.inf


@contextmanager
def pages(seconds: float, clock: FakeClock) -> Iterator[Iterator[int]]:
    """A generator that holds a deadline while it is suspended."""

    def items() -> Iterator[int]:
        with deadline(seconds, clock=clock):
            yield 1
            yield 2

    generator = items()
    yield generator
    generator.close()  # type: ignore[attr-defined]  # a generator, seen as what it is used as


def test_blocks_may_end_in_another_order_than_they_began() -> None:
    """A block counts until it ends and not longer, whatever began or ended inside it."""
    clock = FakeClock()
    with deadline(60.0, clock=clock):
        first, second = deadline(1.0, clock=clock), deadline(5.0, clock=clock)
        first.__enter__()
        second.__enter__()
        assert remaining() == 1.0
        first.leave()
        assert (remaining(), second.remaining()) == (5.0, 5.0)
        second.leave()
        assert remaining() == 60.0
    assert remaining() == math.inf


def test_generators_may_take_turns() -> None:
    """Two that hold a deadline leave none behind, whichever is closed first."""
    clock = FakeClock()
    with pages(1.0, clock) as short:
        with pages(5.0, clock) as long:
            assert (next(short), next(long), remaining()) == (1, 1, 1.0)
            assert list(short) == [2]
            assert remaining() == 5.0
        assert remaining() == math.inf
    assert remaining() == math.inf


async def test_a_generator_left_by_break_leaves_no_deadline_behind() -> None:
    """The event loop closes it in another context; later calls and tasks have their time."""

    async def items() -> AsyncIterator[int]:
        with deadline(0.01):
            yield 1
            yield 2

    async for _ in items():
        break
    await asyncio.sleep(0.02)
    assert remaining() == math.inf
    assert await asyncio.create_task(remaining_in_task()) == math.inf


async def remaining_in_task() -> float:
    return remaining()


async def test_a_task_keeps_the_deadline_that_it_was_started_under() -> None:
    """Also when the block has ended meanwhile: the task is still work of that caller."""
    clock = FakeClock()
    with deadline(5.0, clock=clock):
        task = asyncio.create_task(remaining_in_task())
    assert await task == 5.0


async def test_abandoned_blocks_do_not_pile_up() -> None:
    """A block that ended is not kept by those that begin later, whoever closes it and when."""

    async def items() -> AsyncIterator[int]:
        with deadline(5.0) as scope:
            scopes.append(weakref.ref(scope._block))
            yield 1

    class Scope(DeadlineBlock):
        __slots__ = ("__weakref__",)

    scopes: list[weakref.ref[DeadlineBlock]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("connpool_runtime.deadlines.DeadlineBlock", Scope)
        for _ in range(20):
            async for _ in items():
                break
        await asyncio.sleep(0.01)
    gc.collect()
    assert sum(scope() is not None for scope in scopes) <= 1


async def test_each_task_has_its_own() -> None:
    """A task inherits the deadline it was started under, and its own hurts nobody else."""

    async def inner() -> tuple[float, float]:
        before = remaining()
        with deadline(1.0):
            await asyncio.sleep(0)
            return before, remaining()

    with deadline(60.0):
        task = asyncio.create_task(inner())
        before, during = await task
        assert 1.0 < before <= 60.0
        assert 0.0 < during <= 1.0
        assert remaining() > 1.0
        assert await asyncio.to_thread(remaining) <= 60.0


def test_a_new_thread_has_none() -> None:
    """Threads inherit nothing, since their work may outlive the caller's, unless the interpreter says that they do."""
    seen: list[float] = []
    with deadline(5.0):
        thread = threading.Thread(target=lambda: seen.append(remaining()))
        thread.start()
        thread.join()
    assert (seen[0] <= 5.0) == inherits_context()


def test_nothing_begins_when_the_time_is_over() -> None:
    """Zero seconds are no time; the error names the pool and what did not begin."""
    with deadline(0), pytest.raises(DeadlineExceeded, match="passed before it began") as caught:
        require_time("p", "it began")
    assert caught.value.pool == "p"


def test_the_error_is_a_neutral_timeout() -> None:
    """How patient a caller is says nothing about a member; it is no refusal of the pool either."""
    error = DeadlineExceeded("late")
    assert isinstance(error, PoolError)
    assert isinstance(error, TimeoutError)
    assert not isinstance(error, Rejected)
    assert judge(error) is Outcome.NEUTRAL
    assert judge(ConnectionError().with_traceback(None)) is Outcome.FAILURE
    wrapped = RuntimeError("client")
    wrapped.__cause__ = error
    assert judge(wrapped) is Outcome.NEUTRAL


def test_a_scope_is_for_one_block() -> None:
    """Entered again, it would mix up two blocks."""
    scope = deadline(5.0)
    with scope, pytest.raises(RuntimeError, match="can be entered only once"), scope:
        pass
    assert "deadline in" in repr(scope)


@pytest.mark.parametrize("seconds", [-1, math.inf, math.nan, None, True, "1"])
def test_its_number_is_validated(seconds: Any) -> None:
    """Bad values are refused by name."""
    with pytest.raises(ValueError, match=r"^seconds must be a finite number of seconds"):
        deadline(seconds)
