"""The proxy that other tests break connections with."""

import threading
import time

import pytest
import redis

from local_servers import FaultProxy, RedisServer
from tests.servers.clients import plain_redis

pytestmark = pytest.mark.servers


def test_a_good_proxy_changes_nothing(redis_server: RedisServer, fault_proxy: FaultProxy) -> None:
    """Without a fault, calls through the proxy reach the server behind it, large ones too."""
    with plain_redis(fault_proxy.port) as client:
        client.set("key", b"x" * 1_000_000)
        assert client.get("key") == b"x" * 1_000_000
        assert client.info("server")["process_id"] == redis_server.pid


def test_delay(fault_proxy: FaultProxy) -> None:
    """With a delay a call takes at least that long, until the proxy passes through again."""
    with plain_redis(fault_proxy.port) as client:
        fault_proxy.delay(0.05)
        started = time.monotonic()
        client.ping()
        assert time.monotonic() - started >= 0.05
        fault_proxy.delay(60.0)
        fault_proxy.pass_through()
        client.ping()


def test_black_hole(fault_proxy: FaultProxy) -> None:
    """A black hole accepts a connection and never answers."""
    with plain_redis(fault_proxy.port, timeout=0.05) as client:
        fault_proxy.black_hole()
        with pytest.raises(redis.TimeoutError):
            client.ping()
    fault_proxy.pass_through()
    with plain_redis(fault_proxy.port) as client:
        assert client.ping()


def test_what_a_black_hole_held_comes_through(fault_proxy: FaultProxy) -> None:
    """When it ends, what was sent into it arrives whole and in order, as TCP would send it again."""
    with plain_redis(fault_proxy.port) as client:
        client.ping()
        fault_proxy.black_hole()
        started = time.monotonic()
        threading.Timer(0.05, fault_proxy.pass_through).start()
        assert client.echo("x" * 100_000) == b"x" * 100_000
        assert time.monotonic() - started >= 0.05


def test_reset(fault_proxy: FaultProxy) -> None:
    """A reset breaks a connection that waits for an answer; the next one works."""
    with plain_redis(fault_proxy.port) as client:
        client.ping()
        threading.Timer(0.02, fault_proxy.reset).start()
        with pytest.raises(redis.ConnectionError):
            client.blpop(["nothing"], timeout=4)
        assert client.ping()


def test_refuse(fault_proxy: FaultProxy) -> None:
    """A refusing proxy breaks open connections and lets nobody in until it passes through again."""
    with plain_redis(fault_proxy.port) as client:
        client.ping()
        fault_proxy.refuse()
        with pytest.raises(redis.ConnectionError, match="refused"):
            client.ping()
        fault_proxy.pass_through()
        assert client.ping()


def test_a_dead_server_looks_dead(redis_server: RedisServer, fault_proxy: FaultProxy) -> None:
    """When the server behind the proxy is killed, clients of the proxy get a connection error."""
    with plain_redis(fault_proxy.port) as client:
        client.ping()
        redis_server.kill()
        with pytest.raises(redis.ConnectionError):
            client.ping()


def test_stop_leaves_nothing(redis_server: RedisServer) -> None:
    """After `stop` the proxy's thread has ended and its port is closed; stopping again does nothing."""
    proxy = FaultProxy(redis_server.port)
    with plain_redis(proxy.port) as client:
        client.ping()
        proxy.stop()
        proxy.stop()
        assert "fault-proxy" not in [thread.name for thread in threading.enumerate()]
        with pytest.raises(redis.ConnectionError):
            client.ping()


def test_drip(fault_proxy: FaultProxy) -> None:
    """Each byte of an answer comes alone: one of `n` bytes takes `n - 1` pauses, though no wait is longer."""
    with plain_redis(fault_proxy.port, timeout=0.05) as client:
        client.set("key", b"x" * 20)
        fault_proxy.drip(0.01)
        started = time.monotonic()
        assert client.get("key") == b"x" * 20
        assert time.monotonic() - started >= 20 * 0.01
        fault_proxy.pass_through()
        assert client.get("key") == b"x" * 20


def test_answers_are_lost(redis_server: RedisServer, fault_proxy: FaultProxy) -> None:
    """What a client sends arrives, but nothing comes back."""
    impatient = plain_redis(fault_proxy.port, timeout=0.05)
    with impatient as client, plain_redis(redis_server.port) as near:
        client.ping()
        fault_proxy.lose_answers()
        with pytest.raises(redis.TimeoutError):
            client.incr("arrived")
        assert near.get("arrived") == b"1"
    fault_proxy.pass_through()
    with plain_redis(fault_proxy.port) as client:
        assert client.incr("arrived") == 2


def test_half_open(redis_server: RedisServer, fault_proxy: FaultProxy) -> None:
    """The connections of that moment carry nothing in either direction, not even later; new ones work."""
    impatient = plain_redis(fault_proxy.port, timeout=0.05)
    with impatient as client, plain_redis(redis_server.port) as near:
        client.ping()
        fault_proxy.half_open()
        fault_proxy.pass_through()
        with pytest.raises(redis.TimeoutError):
            client.incr("arrived")
        assert near.get("arrived") is None
        assert client.incr("arrived") == 1  # on a new connection


def test_resets_without_end(fault_proxy: FaultProxy) -> None:
    """Connections can be had, but each is broken with an RST when it is used, until the proxy is good again."""
    with plain_redis(fault_proxy.port) as client:
        client.ping()
        fault_proxy.reset_always()
        for _ in range(3):
            with pytest.raises(redis.ConnectionError, match="reset"):
                client.ping()
        fault_proxy.pass_through()
        assert client.ping()
