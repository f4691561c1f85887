"""The keys of Redis's commands: a real server says which they are, and calls find what was stored."""

import asyncio
import inspect
import re
import shutil
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
from redis import Redis

from connpool_runtime import Call, KeysApart, Method
from connpool_runtime.middleware import Retry
from generated import redis_pool
from generated.async_redis_pool import AsyncRedisPool
from generated.redis_pool import RedisPool
from local_servers import RedisServer
from tests.generated.redis_commands import WITHOUT_COMMAND, Noting, sample, words

pytestmark = pytest.mark.servers

# ------------------------------------------------------------ what the server says of its commands

# The server names no key there: a channel is none to it, and DEBUG is not described at all.
SEEN_BY_THE_TABLE_ONLY = {"debug_object", "publish", "spublish"}


def flat(keys: object) -> Iterator[object]:
    """Yield the keys that arguments hold."""
    if isinstance(keys, Iterable) and not isinstance(keys, (str, bytes)):
        for key in keys:
            yield from flat(key)
    elif keys is not None:
        yield keys


def keys_of(call: Call) -> list[object]:
    """List what the wrapper takes for the keys of a call."""
    if call.method.hash_keys is not None:
        return list(flat(call.method.hash_keys(call.args)))
    return [] if call.method.hash_key is None else [call.args[call.method.hash_key]]


def keys_by_server(client: Redis, command: Iterable[Any]) -> list[object] | None:
    """Ask a server for the keys of a command; None if it does not know the command."""
    try:
        found = client.execute_command("COMMAND GETKEYS", *words(command))  # type: ignore[no-untyped-call] # so in redis
    except redis.ResponseError as error:
        return [] if "no key" in str(error) else None
    return [str(key) for key in found]


@pytest.fixture(params=["of the wheel", "installed"])
def knowing(request: pytest.FixtureRequest) -> Iterator[Redis]:
    """A client of a server that is asked about commands: an old one, and a newer one if there is one."""
    binary = None
    if request.param == "installed":
        binary = shutil.which("redis-server", path="/usr/bin:/usr/local/bin")
        if binary is None:
            pytest.skip("no redis-server is installed (apt install redis-server)")
    with RedisServer(binary=binary) as server, Redis(port=server.port) as client:
        yield client


def compared(knowing: Redis) -> Iterator[tuple[str, list[object], list[object] | None]]:
    """Yield each method that is a command, with its keys as the wrapper and as the server see them."""
    client, calls = Noting(), list[Call]()

    def note(members: Any, call: Call) -> Any:
        calls.append(call)
        return members[0]

    with RedisPool(balancer=note, max_fails=0) as wrapper:
        wrapper.pool.add_client(client)
        for name, method in inspect.getmembers(RedisPool, inspect.isfunction):
            if name.startswith("_") or name in {"close", *WITHOUT_COMMAND}:
                continue
            client.command = None
            calls.clear()
            args, options = sample(name, inspect.signature(method))
            try:
                result = getattr(wrapper, name)(*args, **options)
                list(islice(result, 1)) if inspect.isgenerator(result) else None
            except Exception:
                pass
            if client.command is not None:
                yield name, keys_of(calls[0]), keys_by_server(knowing, client.command)


@pytest.mark.filterwarnings("ignore")  # deprecated and experimental commands are called too
def test_keys_are_what_the_server_says(knowing: Redis) -> None:
    """Each command's keys are those that `COMMAND GETKEYS` finds: all of them, and no others."""
    known = [(n, ours, theirs) for n, ours, theirs in compared(knowing) if theirs is not None]
    wrong = [(n, ours, theirs) for n, ours, theirs in known if set(ours) != set(theirs)]
    assert [one for one in wrong if one[0] not in SEEN_BY_THE_TABLE_ONLY] == []
    assert len([name for name, _, theirs in known if theirs]) > 150


# ------------------------------------------------------------ caches, each with keys of its own


@pytest.fixture
def cache(redis_servers: list[RedisServer]) -> Iterator[RedisPool]:
    """A wrapper made as anybody makes it, over three servers that know nothing of each other."""
    with RedisPool(max_fails=1) as cache:
        cache.pool.register_middleware(Retry(base=0.0))
        for name, server in zip("abc", redis_servers, strict=True):
            cache.pool.add_client(Redis(port=server.port, retry=None), name=name)
        yield cache


@pytest.fixture
async def async_cache(redis_servers: list[RedisServer]) -> AsyncIterator[AsyncRedisPool]:
    """The same for tasks."""
    async with AsyncRedisPool(max_fails=1) as cache:
        cache.pool.register_middleware(Retry(base=0.0))
        for name, server in zip("abc", redis_servers, strict=True):
            cache.pool.add_client(redis.asyncio.Redis(port=server.port), name=name)
        yield cache


def spread(cache: RedisPool) -> list[int]:
    """Count the keys on each server."""
    return [client.dbsize() for client in cache.pool.clients]


def test_what_was_set_is_found(cache: RedisPool) -> None:
    """Every key is on one server, `get` finds what `set` stored, and each server has its share."""
    for number in range(60):
        cache.set(f"user:{number}", number)
        cache.incr("counted")
    assert [cache.get(f"user:{n}") for n in range(60)] == [b"%d" % n for n in range(60)]
    assert cache.get("counted") == b"60"
    assert sum(spread(cache)) == 61
    assert min(spread(cache)) > 5


async def test_what_was_set_is_found_by_tasks(async_cache: AsyncRedisPool) -> None:
    """The same at once from many tasks: however busy a server is, its keys stay with it."""
    keys = [f"user:{number}" for number in range(60)]
    await asyncio.gather(*(async_cache.set(key, key) for key in keys))
    found = await asyncio.gather(*(async_cache.get(key) for key in keys))
    assert found == [key.encode() for key in keys]
    await asyncio.gather(*(async_cache.incr("counted") for _ in range(60)))
    assert await async_cache.get("counted") == b"60"
    with pytest.raises(KeysApart, match="mget"):
        await async_cache.mget(keys)


@pytest.mark.parametrize(
    "key", ["7", b"7", 7, memoryview(b"7")], ids=lambda key: type(key).__name__
)
def test_one_key_to_the_server_is_one_key_to_the_pool(
    cache: RedisPool, key: str | bytes | int | memoryview
) -> None:
    """Text, bytes, a number and a view that are sent alike meet the same member."""
    for member in cache.pool.clients:
        assert member.get("7") is None
    cache.set(key, "seven")  # type: ignore[arg-type] # the client takes numbers too
    assert [cache.get(one) for one in ("7", b"7", memoryview(b"7"))] == [b"seven"] * 3
    assert sum(spread(cache)) == 1


def test_keys_with_a_common_tag_are_together(cache: RedisPool) -> None:
    """What stands in braces decides, so commands with several keys work on keys that share it."""
    for number in range(20):
        one, other, sum_ = (f"{{u:{number}}}:{what}" for what in ("one", "other", "sum"))
        assert cache.mset({one: 1, other: 2}) is True
        assert cache.mget([one, other]) == [b"1", b"2"]
        assert cache.rename(one, sum_) is True
        assert cache.eval("return redis.call('GET', KEYS[1])", 1, sum_) == b"1"
        assert cache.delete(other, sum_) == 2
    assert spread(cache) == [0, 0, 0]


def test_keys_that_may_be_apart_are_refused(cache: RedisPool) -> None:
    """A command whose keys need not be on one server is refused before any server is asked."""
    refused: list[Any] = [
        lambda: cache.mget(["a", "b"]),
        lambda: cache.delete("a", "b"),
        lambda: cache.mset({"a": 1, "b": 2}),
        lambda: cache.rename("a", "b"),
        lambda: cache.eval("return 1", 2, "a", "b"),
        lambda: cache.sinterstore("a", ["b", "c"]),
        lambda: cache.zunionstore("a", {"b": 1, "c": 2}),
        lambda: cache.sort("a", store="b"),
    ]
    for call in refused:
        with pytest.raises(KeysApart, match="common tag"):
            call()
    stats = cache.pool.stats()
    assert [member.failures + member.successes for member in stats.members] == [0, 0, 0]


def test_one_key_needs_no_tag(cache: RedisPool) -> None:
    """Commands that could take several keys and get one, or none, are as any other."""
    cache.set("a", 1)
    assert cache.mget("a") == cache.mget(["a"]) == cache.mget({"a"}) == [b"1"]
    assert cache.eval("return 7", 0) == 7
    assert (cache.exists("a"), cache.delete("a")) == (1, 1)


def test_a_lock_and_a_lease_meet_the_member_of_their_key(cache: RedisPool) -> None:
    """A lock is where its name belongs; what has no key of its own is done in a lease by key."""
    with cache.lock("job"):
        assert cache.exists("job") == 1
    with cache.pool.lease(key="{cart:7}") as client:
        pipeline = client.pipeline()
        pipeline.set("{cart:7}:tea", 2)
        pipeline.set("{cart:7}:bread", 1)
        assert pipeline.execute() == [True, True]
    assert cache.mget("{cart:7}:tea", "{cart:7}:bread") == [b"2", b"1"]


def test_who_listens_hears_who_publishes(cache: RedisPool) -> None:
    """A channel has its member, so a lease by its name hears what is published through the pool."""
    for channel in ("news", "sports", "weather"):
        with cache.pool.lease(key=channel) as client, client.pubsub() as listener:
            listener.subscribe(channel)
            assert listener.get_message(timeout=5.0)["type"] == "subscribe"
            assert cache.publish(channel, "hello") == 1
            assert listener.get_message(timeout=5.0)["data"] == b"hello"


def test_keys_of_a_dead_member_are_missing_and_the_others_are_not(
    cache: RedisPool, redis_servers: list[RedisServer]
) -> None:
    """A dead server's keys move to others, where they are not found until they are stored again."""
    keys = [f"user:{number}" for number in range(60)]
    for key in keys:
        cache.set(key, "old")
    lost = {key.decode() for key in cache.pool.clients[1].scan_iter()}
    redis_servers[1].kill()
    assert {key for key in keys if cache.get(key) is None} == lost
    for key in lost:
        cache.set(key, "new")
    assert [cache.get(key) for key in keys] == [b"new" if key in lost else b"old" for key in keys]


def test_the_page_lists_the_commands_with_several_keys() -> None:
    """The table in docs/keys.md names each method of the wrapper that takes several keys, and no other."""
    page = (Path(__file__).parents[2] / "docs" / "keys.md").read_text()
    table = page.partition("### Commands with several keys")[2].partition("### ")[0]
    cells = [row.split("|")[2] for row in table.splitlines() if row.startswith("| ")]
    listed = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    methods = [value for value in vars(redis_pool).values() if isinstance(value, Method)]
    several = [method.name for method in methods if method.hash_keys is not None]
    assert sorted(set(listed) - {"by", "get"}) == sorted(several)
