"""Resources by name, for threads and for tasks."""

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from connpool_runtime import (
    AcquireTimeout,
    AlreadyExists,
    AsyncPool,
    ConfigConflict,
    DrainTimeout,
    NoMembers,
    NotFound,
    Pool,
    PoolClosed,
    PoolError,
)
from connpool_runtime.registry import Registry
from connpool_runtime.registry.async_registry import AsyncRegistry
from connpool_runtime.sharing.shared_clients import SharedClients
from generated.redis_pool import RedisPool
from tests.runtime.faces import PATIENCE, Client, until
from tests.runtime.sharing.faces import ThreadConnector, World, config_of


class Thing:
    """Something that can be closed and has a health."""

    def __init__(self, close_error: Exception | None = None) -> None:
        self.closed = 0
        self.healthy = True
        self.close_error = close_error

    def health_check(self) -> None:
        if not self.healthy:
            raise ConnectionError("unwell")

    def close(self) -> None:
        self.closed += 1
        if self.close_error is not None:
            raise self.close_error


class Factory:
    """Makes resources when it is let."""

    def __init__(self) -> None:
        self.calls = 0
        self.error: BaseException | None = None
        self.made: list[Thing] = []
        self.started = threading.Event()
        self._go = threading.Event()
        self._go.set()

    def hold(self) -> None:
        self._go.clear()

    def release(self) -> None:
        self._go.set()

    def __call__(self) -> Thing:
        self.calls += 1
        self.started.set()
        assert self._go.wait(PATIENCE), "nobody let this go on"
        if self.error is not None:
            raise self.error
        self.made.append(Thing())
        return self.made[-1]


class ThreadFace:
    kind = "threads"

    def __init__(self, **options: Any) -> None:
        self.registry: Any = Registry("resources", **options)

    async def create(self, name: str, factory: Callable[[], Any], **options: Any) -> Any:
        return await asyncio.to_thread(self.registry.get_or_create, name, factory, **options)

    async def do(self, verb: str, *args: Any) -> Any:
        return await asyncio.to_thread(getattr(self.registry, verb), *args)

    def pool(self) -> Any:
        return Pool[Client]("pool", close=lambda client: client.close())

    def call(self, pool: Any) -> Awaitable[Any]:
        return asyncio.to_thread(pool.execute, lambda client: client.get())


class TaskFace:
    kind = "tasks"

    def __init__(self, **options: Any) -> None:
        self.registry: Any = AsyncRegistry("resources", **options)

    async def create(self, name: str, factory: Callable[[], Any], **options: Any) -> Any:
        return await self.registry.get_or_create(
            name, lambda: asyncio.to_thread(factory), **options
        )

    async def do(self, verb: str, *args: Any) -> Any:
        return await getattr(self.registry, verb)(*args)

    def pool(self) -> Any:
        return AsyncPool[Client]("pool", close=lambda client: client.aclose())

    def call(self, pool: Any) -> Awaitable[Any]:
        return asyncio.ensure_future(pool.execute(lambda client: client.aget()))


@pytest.fixture(params=[ThreadFace, TaskFace], ids=lambda face: face.kind)
def new_face(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def face(new_face: Callable[..., Any]) -> Any:
    return new_face()


async def test_names(face: Any) -> None:
    """What is added is found under its name; names come sorted; what is removed is closed and gone."""
    a, b = Thing(), Thing()
    face.registry.add("b", b)
    face.registry.add("a", a)
    assert face.registry.get("a") is a
    assert face.registry.list() == ["a", "b"]
    assert face.registry.has("a")
    assert not face.registry.has("c")
    assert repr(face.registry).endswith("'resources' ['a', 'b']>")
    await face.do("remove", "a")
    assert (a.closed, b.closed) == (1, 0)
    assert face.registry.list() == ["b"]


async def test_errors_are_types(face: Any) -> None:
    """A name that is taken or missing is an error of a type of its own, under the root of all."""
    face.registry.add("a", Thing())
    with pytest.raises(AlreadyExists, match="already has 'a'") as taken:
        face.registry.add("a", Thing())
    with pytest.raises(NotFound, match="no 'b'; it has 'a'") as missing:
        face.registry.get("b")
    with pytest.raises(NotFound):
        await face.do("remove", "b")
    assert isinstance(taken.value, PoolError)
    assert isinstance(missing.value, LookupError)


@pytest.mark.parametrize("name", ["", None, 3])
async def test_names_are_texts(face: Any, name: Any) -> None:
    """An empty name, or what is no text, is refused before anything is made."""
    factory = Factory()
    with pytest.raises(ValueError, match="name must be"):
        face.registry.add(name, Thing())
    with pytest.raises(ValueError, match="name must be"):
        await face.create(name, factory)
    assert factory.calls == 0


async def test_one_is_made(face: Any) -> None:
    """Callers who come while it is being made wait and get the same resource; it is made once (B22)."""
    factory = Factory()
    factory.hold()
    asking = [asyncio.ensure_future(face.create("a", factory)) for _ in range(4)]
    await until(factory.started.is_set)
    assert not face.registry.has("a")
    with pytest.raises(NotFound):
        face.registry.get("a")
    with pytest.raises(AlreadyExists):
        face.registry.add("a", Thing())
    factory.release()
    resources = await asyncio.gather(*asking)
    assert factory.calls == 1
    assert set(map(id, resources)) == {id(factory.made[0])}
    assert await face.create("a", factory) is factory.made[0]


async def test_making_one_stops_nothing_else(face: Any) -> None:
    """While one resource takes its time, all others are found, made, listed and removed (B16)."""
    slow, quick = Factory(), Factory()
    slow.hold()
    face.registry.add("there", Thing())
    asking = asyncio.ensure_future(face.create("slow", slow))
    await until(slow.started.is_set)
    assert face.registry.has("there")
    await face.create("quick", quick)
    await face.do("remove", "there")
    assert face.registry.list() == ["quick"]
    assert face.registry.health() == {"quick": True}
    slow.release()
    await asking


async def test_a_failure_is_everybodys_and_leaves_nothing(face: Any) -> None:
    """A failed making is raised to all who waited; then the name is free (B21)."""
    factory = Factory()
    factory.error = ConnectionError("refused")
    factory.hold()
    asking = [asyncio.ensure_future(face.create("a", factory)) for _ in range(3)]
    await until(factory.started.is_set)
    await asyncio.sleep(0.01)
    factory.release()
    errors = await asyncio.gather(*asking, return_exceptions=True)
    assert {id(error) for error in errors} <= {id(factory.error)}
    assert face.registry.list() == []
    factory.error = None
    assert await face.create("a", factory) is factory.made[0]


async def test_another_config_is_an_error(face: Any) -> None:
    """A name is not given to who wants another config; the same config, or none, is well (B22)."""
    factory = Factory()
    resource = await face.create("a", factory, config=config_of("a"))
    assert await face.create("a", factory, config=config_of("a")) is resource
    assert await face.create("a", factory) is resource
    with pytest.raises(ConfigConflict, match="another config"):
        await face.create("a", factory, config=config_of("b"))
    assert factory.calls == 1
    face.registry.add("b", Thing(), config=("host", 1))
    with pytest.raises(ConfigConflict):
        await face.create("b", factory, config=("host", 2))


async def test_who_waits_too_long_learns_so(new_face: Callable[..., Any]) -> None:
    """Waiting for another's making ends after `create_timeout`; the making goes on."""
    face = new_face(create_timeout=0.0)
    factory = Factory()
    factory.hold()
    asking = asyncio.ensure_future(face.create("a", factory))
    await until(factory.started.is_set)
    with pytest.raises(AcquireTimeout, match="still making 'a'"):
        await face.create("a", factory)
    factory.release()
    resource = await asking
    assert face.registry.get("a") is resource


async def test_removing_drains(face: Any) -> None:
    """A pool that is removed is found no more at once; its calls end before its clients are closed (B18)."""
    pool, client = face.pool(), Client()
    pool.add_client(client)
    face.registry.add("a", pool)
    client.hold()
    call = face.call(pool)
    running = asyncio.ensure_future(call)
    await until(lambda: pool.stats().in_flight == 1)
    removing = asyncio.ensure_future(face.do("remove", "a"))
    await until(lambda: not face.registry.has("a"))
    assert client.closed == 0
    client.release()
    assert await running == "client"
    await removing
    assert client.closed == 1


async def test_removing_is_final_even_if_closing_fails(face: Any) -> None:
    """What cannot be closed is out all the same, and its error comes through."""
    resource = Thing(OSError("stuck"))
    face.registry.add("a", resource)
    with pytest.raises(OSError, match="stuck"):
        await face.do("remove", "a")
    assert not face.registry.has("a")
    face.registry.add("a", Thing())


async def test_close(face: Any) -> None:
    """Closing closes everything, tells all that went wrong, is for ever and can be done again (B19)."""
    resources = [Thing(), Thing(OSError("one")), Thing(OSError("two"))]
    for index, resource in enumerate(resources):
        face.registry.add(str(index), resource)
    with pytest.raises(ExceptionGroup) as caught:
        await face.do("close")
    assert sorted(map(str, caught.value.exceptions)) == ["one", "two"]
    await face.do("close")
    assert [resource.closed for resource in resources] == [1, 1, 1]
    assert face.registry.closed
    assert face.registry.list() == []
    factory = Factory()
    with pytest.raises(PoolClosed):
        await face.create("a", factory)
    with pytest.raises(PoolClosed):
        face.registry.add("a", Thing())
    with pytest.raises(PoolClosed):
        face.registry.get("0")
    assert factory.calls == 0


async def test_what_comes_after_the_end_is_closed(face: Any) -> None:
    """A resource that is finished after the registry was closed is closed, and its maker told (B19)."""
    factory = Factory()
    factory.hold()
    asking = [asyncio.ensure_future(face.create("a", factory)) for _ in range(2)]
    await until(factory.started.is_set)
    await face.do("close")
    factory.release()
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(result) for result in results] == [PoolClosed, PoolClosed]
    assert factory.made[0].closed == 1


async def test_closing_is_not_one_after_the_other(face: Any) -> None:
    """All pools stop taking calls at once; a busy one does not use up the time of the others."""
    busy, idle = face.pool(), face.pool()
    client, other = Client(), Client()
    busy.add_client(client)
    idle.add_client(other)
    face.registry.add("a", busy)
    face.registry.add("b", idle)
    client.hold()
    running = asyncio.ensure_future(face.call(busy))
    await until(lambda: busy.stats().in_flight == 1)
    closing = asyncio.ensure_future(face.do("close"))
    await until(lambda: other.closed == 1)
    client.release()
    await running
    await closing


async def test_drain_timeout(face: Any) -> None:
    """A pool that does not drain in time is an error that says so; the last call closes its client."""
    pool, client = face.pool(), Client()
    pool.add_client(client)
    face.registry.add("a", pool)
    client.hold()
    running = asyncio.ensure_future(face.call(pool))
    await until(lambda: pool.stats().in_flight == 1)
    with pytest.raises(ExceptionGroup) as caught:
        await face.do("remove", "a", 0.0)
    assert caught.group_contains(DrainTimeout)
    client.release()
    await running
    await until(lambda: client.closed == 1)


async def test_health_of_all(face: Any) -> None:
    """Health is what is known: of a pool whether it has a member to call, of a connector its last check."""
    well, unwell, pool, empty = Thing(), Thing(), face.pool(), face.pool()
    unwell.healthy = False
    pool.add_client(Client(), "m")
    for name, resource in {"well": well, "unwell": unwell, "pool": pool, "empty": empty}.items():
        face.registry.add(name, resource)
    expected = {"empty": False, "pool": True, "unwell": False, "well": True}
    assert face.registry.health() == expected
    assert list(face.registry.health()) == sorted(expected)
    errors = await face.do("health_check")
    kinds = {name: type(error) for name, error in errors.items() if error is not None}
    assert kinds == {"empty": NoMembers, "unwell": ConnectionError}
    pool.eject("m")
    assert not face.registry.health()["pool"]
    await face.do("close")


async def test_what_cannot_be_closed_is_refused(new_face: Callable[..., Any]) -> None:
    """A resource without a method close needs a function that closes it."""
    face = new_face()
    with pytest.raises(TypeError, match="object has no method close"):
        face.registry.add("a", object())
    with pytest.raises(TypeError, match="close="):
        await face.create("a", object)
    assert not face.registry.has("a")
    closed: list[object] = []
    told = new_face(close=closed.append)
    resource = object()
    told.registry.add("a", resource)
    await told.do("close")
    assert closed == [resource]


@pytest.mark.parametrize("name", ["create_timeout", "drain_timeout"])
def test_settings_are_checked(new_face: Callable[..., Any], name: str) -> None:
    """A number of seconds that is not allowed is refused by its name."""
    with pytest.raises(ValueError, match=rf"{name} must be a finite number"):
        new_face(**{name: -1.0})


def test_wrappers_and_shared_clients_are_held_too() -> None:
    """Generated wrappers are drained through their pool, shared clients through their handles."""
    world = World()
    wrapper = RedisPool()
    shared = SharedClients(lambda config: ThreadConnector(world, config))
    with Registry[Any]() as registry:
        registry.add("wrapper", wrapper)
        registry.add("shared", shared)
        shared.acquire(config_of()).release()
        assert registry.health() == {"shared": True, "wrapper": False}
        assert registry.health_check()["shared"] is None
    assert wrapper.pool.closed
    assert shared.closed
    assert world.open_clients == 0


def test_who_merely_holds_a_pool_closes_itself() -> None:
    """An object of the user's is closed by its own `close`, whatever it holds; its pool is its own."""

    class Service:
        def __init__(self) -> None:
            self.pool = Pool[Client]("pool")
            self.order: list[str] = []

        def close(self) -> None:
            self.order.append("flushed" if not self.pool.closed else "too late")
            self.pool.close()

    service = Service()
    with Registry[Service]() as registry:
        registry.add("service", service)
        assert registry.health() == {"service": True}  # the pool without members is not asked
    assert service.order == ["flushed"]
    assert service.pool.closed


def test_a_wrapper_says_where_its_pool_is() -> None:
    """The pool of a wrapper is drained whatever its attribute is called, and its own `close` is not."""

    class Wrapper:
        __connpool__ = "_members"

        def __init__(self) -> None:
            self._members = Pool[Client]("pool")

        def close(self) -> None:
            raise AssertionError("a method of the client, that a pool must not be closed by")

    wrapper = Wrapper()
    with Registry[Wrapper]() as registry:
        registry.add("wrapper", wrapper)
        assert registry.health() == {"wrapper": False}
    assert wrapper._members.closed


async def test_a_cancelled_maker_lets_others_try() -> None:
    """When the task that makes it is cancelled, one of those who wait makes it instead."""
    calls = 0

    async def factory() -> Thing:
        nonlocal calls
        calls += 1
        if calls == 1:
            await asyncio.sleep(PATIENCE)
        return Thing()

    async with AsyncRegistry[Thing]() as registry:
        maker = asyncio.ensure_future(registry.get_or_create("a", factory))
        await until(lambda: calls == 1)
        waiter = asyncio.ensure_future(registry.get_or_create("a", factory))
        await asyncio.sleep(0)
        maker.cancel()
        assert await waiter is registry.get("a")
        assert maker.cancelled()
        assert await registry.get_or_create("b", Thing) is registry.get("b")


@pytest.mark.parametrize("kind", [Registry, AsyncRegistry])
def test_both_kinds_offer_the_same(kind: Any) -> None:
    """The two registries have the same methods with the same parameters."""
    verbs = ["get", "get_or_create", "add", "remove", "has", "list", "close", "health"]
    for verb in [*verbs, "health_check"]:
        mine, other = (inspect.signature(getattr(one, verb)) for one in (kind, Registry))
        assert list(mine.parameters) == list(other.parameters)
