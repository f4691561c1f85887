"""Middleware around a call, sync and async."""

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import pytest

from connpool_runtime import AsyncPool, Call, NoMembers, Outcome, Pool, Proceed
from connpool_runtime.middleware import Hedging, Retry
from tests.runtime.faces import Face, counted


async def test_layers_run_in_order_of_registration(face: Face) -> None:
    """The first registered is the outermost; each sees the way in and the way out."""
    seen = []

    def middleware(name: str) -> None:
        async def around(call: Call, proceed: Proceed) -> object:
            seen.append(f"{name} in")
            result = await proceed(call)
            seen.append(f"{name} out")
            return result

        face.register(around)

    middleware("first")
    middleware("second")
    assert await face.call() == "a"
    assert seen == ["first in", "second in", "second out", "first out"]


async def test_a_layer_sees_the_call(face: Face) -> None:
    """Pool, method and arguments before the pick; member and attempt after it (D1)."""
    seen = []

    async def around(call: Call, proceed: Proceed) -> object:
        seen.append((call.pool, call.method.name, call.args, call.member, call.attempt))
        result = await proceed(call)
        assert call.member is not None
        seen.append((call.member.name, call.attempt, call.outcome))
        return result

    face.register(around)
    await face.call()
    assert seen == [("test", "get", (), None, 0), ("a", 1, Outcome.SUCCESS)]


async def test_a_layer_may_answer_itself(face: Face) -> None:
    """Without proceed() nobody is picked; the call succeeds with the middleware's answer."""

    async def around(call: Call, proceed: Proceed) -> object:
        return "cached"

    face.register(around)
    assert await face.call() == "cached"
    assert sum(client.calls for client in face.clients.values()) == 0
    assert counted(face.stats())[Outcome.SUCCESS] == 1


async def test_each_proceed_is_an_attempt_on_a_member_picked_anew(face: Face) -> None:
    """Middleware are outside the pick: they can change member, and members are judged per attempt (B8)."""
    face.fail("a")

    async def around(call: Call, proceed: Proceed) -> object:
        try:
            return await proceed(call)
        except ConnectionError:
            return await proceed(call)

    face.register(around)
    assert await face.call() == "b"
    stats = face.stats()
    assert counted(stats) == {Outcome.SUCCESS: 1, Outcome.FAILURE: 0, Outcome.NEUTRAL: 0}
    assert [(member.successes, member.failures) for member in stats.members] == [
        (0, 1),
        (1, 0),
        (0, 0),
    ]


async def test_an_error_of_a_layer_is_the_calls_not_the_members(face: Face) -> None:
    """A middleware that fails after a good answer does not spoil the member's record."""

    async def around(call: Call, proceed: Proceed) -> object:
        await proceed(call)
        raise RuntimeError("the middleware's own")

    face.register(around)
    with pytest.raises(RuntimeError, match="the middleware's own"):
        await face.call()
    assert counted(face.stats())[Outcome.FAILURE] == 1
    assert face.stats().members[0].successes == 1


async def test_layers_see_refusals(face: Face) -> None:
    """A pool without members refuses inside the middleware, so that they can answer instead."""
    for name in "abc":
        await face.remove(name)
    seen = []

    async def around(call: Call, proceed: Proceed) -> object:
        try:
            return await proceed(call)
        except NoMembers as error:
            seen.append(error)
            return "fallback"

    face.register(around)
    assert await face.call() == "fallback"
    assert len(seen) == 1


async def test_layers_run_around_the_opening_of_streams_and_contexts(face: Face) -> None:
    """What goes on longer than its opening is opened through the middleware, and execute is too."""
    seen = []

    async def around(call: Call, proceed: Proceed) -> object:
        seen.append(call.method.name)
        return await proceed(call)

    face.register(around)
    items = await face.stream(2)
    assert seen == ["items"]
    assert await items.rest() == ["a", "a"]
    async with face.session() as value:
        assert value == "b"
    await face.execute()
    assert seen == ["items", "session", "execute"]
    assert face.in_flight() == 0


@pytest.mark.parametrize("limit", [None, 1])
@pytest.mark.parametrize(
    "balancer", ["round_robin", "weighted_round_robin", "consistent_hash", "least_request"]
)
async def test_a_middleware_may_exclude_members(
    new_face: Callable[..., Face], balancer: str, limit: int | None
) -> None:
    """Whatever the balancer; a call for which no other member is left gets the middleware's error."""
    face = new_face("a", "b", "c", balancer=balancer, max_concurrency=limit)
    closed = {"a"}

    class Maintenance:
        def begin(self, call: Call) -> None:
            members = [one for one in face.pool.members if one.name in closed]
            call.exclude(self, lambda: members, lambda: LookupError("all are in maintenance"))

        def around(self, call: Call, proceed: Proceed) -> object:
            self.begin(call)
            return proceed(call)

        async def around_async(self, call: Call, proceed: Proceed) -> object:
            self.begin(call)
            return await proceed(call)

    face.pool.register_middleware(Maintenance())
    assert "a" not in await face.calls(9)
    closed.add("c")
    assert set(await face.calls(6)) == {"b"}
    closed.add("b")
    with pytest.raises(LookupError, match="maintenance"):
        await face.call()
    assert face.in_flight() == 0


async def test_a_layer_that_was_registered_later_sees_later_calls(face: Face) -> None:
    """Registering is allowed at any time."""
    seen = []

    async def around(call: Call, proceed: Proceed) -> object:
        seen.append(call)
        return await proceed(call)

    await face.call()
    face.register(around)
    await face.call()
    assert len(seen) == 1


class BothColours:
    """A middleware as an object."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def around(self, call: Call, proceed: Proceed) -> object:
        self.seen.append("threads")
        return proceed(call)

    async def around_async(self, call: Call, proceed: Proceed) -> object:
        self.seen.append("tasks")
        return await proceed(call)


async def test_an_object_brings_a_method_for_each_kind_of_pool(face: Face) -> None:
    """One class serves both pools."""
    middleware = BothColours()
    face.pool.register_middleware(middleware)
    await face.call()
    assert middleware.seen == [face.kind]


def test_a_middleware_for_the_other_kind_of_pool_is_refused() -> None:
    """Also when it could be called: a sync middleware in an AsyncPool would do nothing good."""

    class OnlySync:
        around = BothColours.around

    class OnlyAsync:
        around_async = BothColours.around_async

        def __call__(self) -> None: ...

    with pytest.raises(TypeError, match=r"a method around\(call, proceed\)"):
        Pool[object]().register_middleware(OnlyAsync())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"a method around_async\(call, proceed\)"):
        AsyncPool[object]().register_middleware(OnlySync())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="5 is neither"):
        Pool[object]().register_middleware(5)  # type: ignore[arg-type]


async def test_a_class_is_refused(face: Face) -> None:
    """Parentheses are easily forgotten; the first call is too late to say so."""
    with pytest.raises(TypeError, match=r"Retry is a class: .* such as Retry\(\)"):
        face.pool.register_middleware(Retry)
    with pytest.raises(TypeError, match="int is a class"):
        face.pool.register_middleware(int)


async def test_a_class_whose_methods_need_no_instance_is_a_middleware(face: Face) -> None:
    """Its class methods can be called as they are."""

    class Whole:
        @classmethod
        def around(cls, call: Call, proceed: Proceed) -> object:
            return proceed(call)

        around_async = around

    face.pool.register_middleware(Whole)
    assert await face.call() == "a"


def test_the_kind_of_pool_that_a_middleware_is_for_is_said() -> None:
    """Not that it is no middleware."""
    with pytest.raises(TypeError, match=r"^Hedging is for an AsyncPool: a Pool needs a method"):
        Pool[object]().register_middleware(Hedging())  # type: ignore[arg-type]  # refused


@pytest.mark.parametrize(
    "function", [lambda: None, lambda call: None, lambda call, proceed, more: None, len]
)
async def test_a_function_of_other_parameters_is_refused(face: Face, function: Any) -> None:
    """Its first call would fail, long after it was registered."""
    with pytest.raises(TypeError, match=r"a function of \(call, proceed\)"):
        face.pool.register_middleware(function)


async def test_a_function_may_have_parameters_of_its_own(face: Face) -> None:
    """With defaults, or bound before; and a builtin that does not tell its parameters is believed."""

    def around(extra: object, call: Call, proceed: Proceed, more: object = None) -> object:
        return proceed(call)

    face.pool.register_middleware(partial(around, "extra"))
    assert await face.call() == "a"
    face.pool.register_middleware(max)


async def test_a_function_whose_signature_cannot_be_read_is_believed(face: Face) -> None:
    """Reading it evaluates annotations in new Pythons, which may name what only type checkers import."""

    class Unreadable:
        @property
        def __signature__(self) -> object:
            raise NameError("Span")

        def __call__(self, call: Call, proceed: Proceed) -> object:
            return proceed(call)

    face.pool.register_middleware(Unreadable())
    assert await face.call() == "a"


async def test_a_generator_function_is_refused(face: Face) -> None:
    """A middleware is no context manager: its answer is what it returns, not what it yields."""

    def around(call: Call, proceed: Proceed) -> Iterator[object]:
        yield proceed(call)

    async def around_async(call: Call, proceed: Proceed) -> AsyncIterator[object]:
        yield await proceed(call)

    for function in (around, around_async):
        with pytest.raises(TypeError, match="generator function"):
            face.pool.register_middleware(function)


def test_an_object_that_is_called_like_a_coroutine_function_is_none_for_threads() -> None:
    """A `Pool` would return coroutines that nobody awaits."""

    class Around:
        async def __call__(self, call: Call, proceed: Proceed) -> object:
            return proceed(call)

    with pytest.raises(TypeError, match="coroutine function"):
        Pool[object]().register_middleware(Around())


def test_coroutine_functions_are_no_layers_for_threads() -> None:
    """A coroutine function registered with a `Pool` would return coroutines nobody awaits."""

    async def around(call: Call, proceed: Proceed) -> object:
        return proceed(call)

    with pytest.raises(TypeError, match="coroutine function"):
        Pool[object]().register_middleware(around)
