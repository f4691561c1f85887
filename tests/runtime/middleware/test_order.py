"""The best order, by roles; and any other one, in which nothing leaks and calls are counted once."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import connpool_runtime.middleware as offered
from connpool_runtime import AsyncPool, Pool, PoolError
from connpool_runtime.middleware import (
    AdaptiveLimit,
    AdaptiveThrottle,
    Bulkhead,
    Coalesce,
    Deadline,
    ErrorLog,
    Fallback,
    Hedging,
    Logging,
    RateLimit,
    Retry,
    Role,
    Timeout,
    in_order,
)
from connpool_runtime.middleware.exemplars import Exemplars
from connpool_runtime.middleware.shared_rate_limit import SharedRateLimit
from connpool_runtime.middleware.tracing import AttemptTracing, Tracing
from tests.runtime.faces import Face, TaskFace, ThreadFace, counted

ANY_COLOUR: dict[str, Callable[[], Any]] = {
    "tracing": Tracing,
    "exemplars": Exemplars,
    "fallback": lambda: Fallback("instead"),
    "recover": lambda: ErrorLog(lambda _call, _error: None),
    "logging": Logging,
    "deadline": lambda: Deadline(30.0),
    "coalesce": Coalesce,
    "throttle": AdaptiveThrottle,
    "rate limit": lambda: RateLimit(1000.0, 4),
    "bulkhead": lambda: Bulkhead(2),
    "adaptive": lambda: AdaptiveLimit(2, least=1),
    "retry": lambda: Retry(base=0.0),
    "attempts": AttemptTracing,
}
TASKS_ONLY: dict[str, Callable[[], Any]] = {
    "hedging": lambda: Hedging(0.0),
    "timeout": lambda: Timeout(30.0),
}


def names(chain: list[Any]) -> list[str]:
    return [type(middleware).__name__ for middleware in chain]


def test_the_bundle_is_sorted_and_complete() -> None:
    """The basic middleware are there; what is given takes its place among them."""
    assert names(in_order()) == ["ErrorLog", "Logging", "Deadline", "Retry"]
    own = Retry(5)
    middleware = in_order(AttemptTracing(), Timeout(1.0), own, Bulkhead(9), Tracing())
    assert names(middleware) == [
        "Tracing",
        "ErrorLog",
        "Logging",
        "Deadline",
        "Bulkhead",
        "Retry",
        "Timeout",
        "AttemptTracing",
    ]
    assert own in middleware


def test_layers_of_ones_own_see_each_call_once() -> None:
    """Just outside Retry, in the order given; subclasses of ours stay where ours belong."""

    class Patient(Retry):
        """Tries often."""

    def one(call: Any, proceed: Any) -> Any:
        return proceed(call)

    def two(call: Any, proceed: Any) -> Any:
        return proceed(call)

    patient = Patient(9)
    middleware = in_order(one, patient, two, Bulkhead(1))
    assert middleware[-4:] == [middleware[3], one, two, patient]


def test_two_of_a_kind_are_refused() -> None:
    """Which one should be outside?"""
    with pytest.raises(ValueError, match=r"role Role\.RETRY, not two: .*Retry object"):
        in_order(Retry(1), Retry(2))


class Plain:
    """A middleware of a user's, of any role."""

    def __init__(self, role: object = None) -> None:
        if role is not None:
            self.role = role

    def around(self, call: Any, proceed: Any) -> Any:
        return proceed(call)


def test_a_role_puts_a_middleware_of_ones_own_in_its_place() -> None:
    """One that repeats calls in another way takes the place of `Retry`; an attempt's comes inside."""
    retry, attempt, call = Plain(Role.RETRY), Plain(Role.PER_ATTEMPT), Plain()
    middleware = in_order(attempt, Timeout(1.0), retry, call)
    assert names(middleware)[:3] == ["ErrorLog", "Logging", "Deadline"]
    assert middleware[3:6] == [call, retry, attempt]
    assert names(middleware)[6:] == ["Timeout"]
    with pytest.raises(ValueError, match=r"role Role\.RETRY, not two: .*Plain object"):
        in_order(Retry(1), retry)


def test_an_attribute_that_is_no_role_is_none() -> None:
    """A middleware may have an attribute `role` for reasons of its own, and several have no role."""
    one, two = Plain("admin"), Plain("admin")
    assert in_order(one, two)[3:5] == [one, two]


def test_every_middleware_has_a_role() -> None:
    """A class that the package offers states a role, each another one, and no role is without a class."""
    classes = [getattr(offered, name) for name in offered.__all__ if name[0].isupper()]
    classes += [Tracing, AttemptTracing, Exemplars, SharedRateLimit]
    roles = [one.role for one in classes if one not in (offered.RetryBudget, offered.Harm, Role)]
    assert sorted(roles, key=str) == sorted((role for role in Role if not role.may_repeat), key=str)


SCRIPTS = st.lists(
    st.sampled_from(["fine", ConnectionError, ValueError, asyncio.CancelledError]), max_size=8
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), script=SCRIPTS, idempotent=st.booleans(), streams=st.booleans())
@pytest.mark.parametrize("new_face", [ThreadFace, TaskFace], ids=lambda face: face.kind)
def test_any_order_works(
    new_face: type[Face],
    data: st.DataObject,
    script: list[Any],
    idempotent: bool,
    streams: bool,
) -> None:
    """Each call ends with an answer or an error of client or pool, is counted once, and leaves no
    member taken, no slot and no task.
    """
    kinds = ANY_COLOUR if new_face is ThreadFace else ANY_COLOUR | TASKS_ONLY
    chosen = data.draw(st.lists(st.sampled_from(sorted(kinds)), unique=True))
    middleware = [kinds[name]() for name in chosen]
    asyncio.run(drive(new_face, middleware, script, idempotent, streams))


async def drive(
    new_face: type[Face], middleware: list[Any], script: list[Any], idempotent: bool, streams: bool
) -> None:
    face = new_face("a", "b", "c")
    for one in middleware:
        face.pool.register_middleware(one)
    for client, step in zip([*face.clients.values()] * 3, script, strict=False):
        client.script.append(step if step == "fine" else step())
    asked = 6
    for _ in range(asked):
        try:
            if streams:
                items = await face.stream(2, face.method("items", idempotent=idempotent))
                await items.rest()
            else:
                await face.call(face.method(idempotent=idempotent))
        except (ConnectionError, ValueError, asyncio.CancelledError, PoolError):
            pass
    for _ in range(20):  # losers of a race end at the next turns of the loop
        await asyncio.sleep(0)
    stats = face.stats()
    assert sum(counted(stats).values()) == asked
    assert stats.in_flight == 0
    assert {task for task in asyncio.all_tasks() if task is not asyncio.current_task()} == set()
    inside = [one.value for one in stats.middleware if one.name.startswith("bulkhead")]
    assert set(inside) <= {0}


@pytest.mark.parametrize(
    ("kind", "make"),
    [(Pool, Retry), (AsyncPool, Retry), (AsyncPool, partial(Hedging, delay=1.0))],
)
def test_a_second_repeater_is_refused(kind: Any, make: Callable[[], object]) -> None:
    """Two `Retry` of three attempts would make nine; the second one is refused, and the first one goes on."""
    pool = kind("shops")
    pool.register_middleware(make())
    before = pool._state.middleware
    with pytest.raises(ValueError, match=r"pool 'shops' already has a .* attempts would multiply"):
        pool.register_middleware(make())
    assert pool._state.middleware == before
