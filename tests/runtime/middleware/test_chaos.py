"""Chaos: harm that is done on purpose, by rate and per method, and only where it is switched on."""

import asyncio
import random
import warnings
from typing import Any

import pytest

from connpool_runtime import BreakerState, Outcome
from connpool_runtime.middleware import Chaos, Harm, Retry, Timeout
from connpool_runtime.testing import set_testing
from tests.runtime.faces import Face, TaskFace


def chaos(*args: Any, **options: Any) -> Chaos:
    return Chaos(*args, **{"switched_on": True, "random": random.Random(1).random, **options})


@pytest.mark.parametrize("setting", [None, "0", "true", ""])
def test_it_refuses_to_exist_where_nobody_has_switched_it_on(
    monkeypatch: pytest.MonkeyPatch, setting: str | None
) -> None:
    """The environment says "1", or an argument says so; the error says how."""
    monkeypatch.delenv("CONNPOOL_CHAOS", raising=False)
    if setting is not None:
        monkeypatch.setenv("CONNPOOL_CHAOS", setting)
    with pytest.raises(RuntimeError, match=r"set CONNPOOL_CHAOS=1 .* switched_on=True"):
        Chaos(Harm(fault_rate=1.0))
    monkeypatch.setenv("CONNPOOL_CHAOS", "1")
    Chaos(Harm(fault_rate=1.0))
    with pytest.raises(RuntimeError):
        Chaos(Harm(fault_rate=1.0), switched_on=False)


async def test_faults_come_by_their_rate_and_count_against_the_member(new_face: Any) -> None:
    """A breaker sees them as it would see those of a server; the server is not asked."""
    face = new_face("a", max_fails=0)
    face.pool.register_middleware(chaos(Harm(fault_rate=0.3)))
    answers = await face.calls(1000)
    faults = [answer for answer in answers if isinstance(answer, ConnectionResetError)]
    assert 250 < len(faults) < 350
    assert face.clients["a"].calls == 1000 - len(faults)
    assert face.stats().members[0].failures == len(faults)
    assert [(one.name, one.value, one.labels) for one in face.stats().middleware] == [
        ("chaos", len(faults), (("harm", "fault"),))
    ]


async def test_a_breaker_opens_for_faults(face: Face) -> None:
    """As it does when a server is down."""
    face.pool.register_middleware(chaos(Harm(fault_rate=1.0)))
    await face.calls(9)
    assert {member.breaker.state for member in face.pool.members} == {BreakerState.OPEN}


async def test_a_retry_goes_to_another_member(face: Face) -> None:
    """Wherever it is registered, each attempt is harmed by itself, once."""
    dice = iter([0.0, 1.0])
    face.pool.register_middleware(chaos(Harm(fault_rate=0.5), random=lambda: next(dice)))
    face.pool.register_middleware(Retry(base=0.0))
    assert await face.call(face.method(idempotent=True)) == "b"
    assert [client.calls for client in face.clients.values()] == [0, 1, 0]


@pytest.mark.parametrize("fault", [TimeoutError("late"), lambda: TimeoutError("late")])
async def test_each_attempt_gets_a_fault_of_its_own(face: Face, fault: Any) -> None:
    """An error, a class or a function; no error is raised twice."""
    face.pool.register_middleware(chaos(Harm(fault_rate=1.0, fault=fault)))
    one, other = await face.calls(2)
    assert repr(one) == repr(other) == "TimeoutError('late')"
    assert one is not other


async def test_delays_take_their_time(face: Face) -> None:
    """The wait is before the call."""
    waits: list[float] = []

    async def asleep(seconds: float) -> None:
        waits.append(seconds)

    sleep: Any = asleep if isinstance(face, TaskFace) else waits.append
    face.pool.register_middleware(chaos(Harm(delay_rate=1.0, delay=2.5), sleep=sleep))
    assert await face.call() == "a"
    assert waits == [2.5]


async def test_a_delay_and_a_fault_may_meet(face: Face) -> None:
    """A server that is slow and then fails."""
    waits: list[float] = []

    async def asleep(seconds: float) -> None:
        waits.append(seconds)

    sleep: Any = asleep if isinstance(face, TaskFace) else waits.append
    harm = Harm(delay_rate=1.0, delay=0.5, fault_rate=1.0)
    face.pool.register_middleware(chaos(harm, sleep=sleep))
    assert isinstance(await face.outcome(face.call()), ConnectionResetError)
    assert waits == [0.5]


async def test_a_timeout_bounds_a_delay() -> None:
    """The attempt is cancelled in the middle of it, and nothing is left unawaited."""
    face = TaskFace("a")
    face.pool.register_middleware(chaos(Harm(delay_rate=1.0, delay=60.0)))
    face.pool.register_middleware(Timeout(0.01))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(TimeoutError):
            await face.call()
    assert face.stats().members[0].failures == 1
    assert face.in_flight() == 0
    assert face.clients["a"].calls == 0


async def test_wrong_answers_are_made_of_the_right_ones(face: Face) -> None:
    """The server is asked; a judge looks at the wrong answer as at a right one."""
    harm = Harm(wrong_rate=1.0, wrong=lambda answer: f"not {answer}")
    face.pool.register_middleware(chaos(harm))
    assert await face.call() == "not a"
    judged = face.method(judge=lambda value: Outcome.FAILURE if value == "not b" else None)
    assert await face.call(judged) == "not b"
    assert face.member("b").failed == 1


async def test_methods_have_harm_of_their_own(face: Face) -> None:
    """One that is not named gets the common harm, or none."""
    face.pool.register_middleware(chaos(methods={"get": Harm(fault_rate=1.0)}))
    assert isinstance(await face.outcome(face.call()), ConnectionResetError)
    assert len(await (await face.stream(2)).rest()) == 2


async def test_the_opening_of_a_stream_is_harmed(face: Face) -> None:
    """A fault there, and never a wrong answer in the place of the iterator."""
    middleware = chaos(Harm(fault_rate=1.0, wrong_rate=1.0))
    face.pool.register_middleware(middleware)
    with pytest.raises(ConnectionResetError):
        await (await face.stream(2)).rest()
    middleware.on = False
    assert len(await (await face.stream(2)).rest()) == 2
    assert face.in_flight() == 0


async def test_a_stream_has_no_wrong_answer(face: Face) -> None:
    """Its items are the server's."""
    face.pool.register_middleware(chaos(Harm(wrong_rate=1.0)))
    assert len(await (await face.stream(2)).rest()) == 2


async def test_it_can_be_switched_off_while_it_is_there(face: Face) -> None:
    """And on again."""
    middleware = chaos(Harm(fault_rate=1.0))
    face.pool.register_middleware(middleware)
    middleware.on = False
    assert await face.call() == "a"
    middleware.on = True
    assert isinstance(await face.outcome(face.call()), ConnectionResetError)
    middleware.on = False
    assert await face.call() == "c"


async def test_tests_do_not_wait_for_delays(face: Face) -> None:
    """`set_testing` leaves them out."""
    face.pool.register_middleware(chaos(Harm(delay_rate=1.0, delay=3600.0)))
    with set_testing():
        assert await asyncio.wait_for(asyncio.ensure_future(face.call()), 5.0) == "a"


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (Harm(fault_rate=1.5), "fault_rate of get must be a number from 0 to 1"),
        (Harm(delay_rate=-0.1), "delay_rate of get"),
        (Harm(delay=-1.0), "delay of get"),
        (Harm(fault="down"), "fault of get must be an error or make one, not 'down'"),  # type: ignore[arg-type]  # that is the mistake
        (Harm(wrong=3), "wrong of get must be a function of the answer, not 3"),  # type: ignore[arg-type]  # likewise
        ({"fault_rate": 1.0}, "what is done to get must be a Harm"),
    ],
)
def test_mistakes_are_named(harm: Any, words: str) -> None:
    """The number, the method and the rule."""
    with pytest.raises((ValueError, TypeError), match=words):
        chaos(methods={"get": harm})
