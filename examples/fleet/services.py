"""The three services: how each is called, through which wrapper, and what its servers are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from connpool_runtime import Pool
from connpool_runtime.connectors.grpc import GrpcConfig, GrpcConnector
from connpool_runtime.connectors.http import HttpConfig, HttpConnector
from connpool_runtime.connectors.redis import RedisConfig, RedisConnector
from connpool_runtime.discovery import DISCOVERED, DiscoveryOptions, Source
from connpool_runtime.middleware import Deadline, Retry
from generated.greeter_stub_pool import GreeterStubPool
from generated.httpx_client_pool import HttpxClientPool
from generated.redis_pool import RedisPool
from greeter.greeter_pb2 import HelloRequest
from greeter.greeter_pb2_grpc import GreeterStub
from local_servers import GreeterProcess, HttpProcess, ProcessServer, RedisServer

LIMIT = 5.0  # seconds for one call, all of its attempts together
OPTIONS: Any = {"max_fails": 3, "cooldown": 0.5}
# A name that is taken over by another server is no flapping here: servers keep their names in a restart.
FOLLOWING: DiscoveryOptions = {"flap_delay": 0.0, "start_timeout": 30.0}


@dataclass(frozen=True)
class Service:
    """A pool that follows a registry, and one call of it that a user would make.

    Args:
        name: of the service.
        pool: of its servers.
        call: makes a call, about a number.
    """

    name: str
    pool: Pool[Any]
    call: Callable[[int], object]


def greeter(source: Source) -> Service:
    """Follow gRPC servers."""
    connector = GrpcConnector(GrpcConfig(endpoints=DISCOVERED), GreeterStub)
    stubs = GreeterStubPool.from_discovery(source, connector, FOLLOWING, name="greeter", **OPTIONS)
    _protect(stubs.pool)
    return Service("greeter", stubs.pool, lambda n: stubs.SayHello(HelloRequest(name=f"{n}")))


def cache(source: Source) -> Service:
    """Follow Redis servers; each key has its server."""
    connector = RedisConnector(RedisConfig(endpoints=DISCOVERED))
    redis = RedisPool.from_discovery(source, connector, FOLLOWING, name="cache", **OPTIONS)
    _protect(redis.pool)
    return Service("cache", redis.pool, lambda n: redis.get(f"page:{n}"))


def pages(source: Source) -> Service:
    """Follow HTTP servers; of two drawn ones the one with fewer calls in flight is asked."""
    connector = HttpConnector(HttpConfig(endpoints=f"http://{DISCOVERED}"))
    http = HttpxClientPool.from_discovery(
        source, connector, FOLLOWING, name="pages", balancer="least_request", **OPTIONS
    )
    _protect(http.pool)
    return Service("pages", http.pool, lambda n: http.get(f"/pages/{n}").raise_for_status())


def _protect(pool: Pool[Any]) -> None:
    """Bound each call in time, and make those that failed again on another member, if they may be repeated."""
    pool.register_middleware(Deadline(LIMIT))
    pool.register_middleware(Retry(unsent=True))


SERVICES: dict[str, Callable[[Source], Service]] = {
    "greeter": greeter,
    "cache": cache,
    "pages": pages,
}
SERVERS: dict[str, Callable[[str], ProcessServer]] = {
    "greeter": GreeterProcess,
    "cache": lambda _name: RedisServer(),
    "pages": HttpProcess,
}
