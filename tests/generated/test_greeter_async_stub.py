"""A wrapper of a `grpc.aio` stub against real servers: gRPC's own call objects, pooled."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio

from connpool_gen import GenerateRequest, generate
from connpool_runtime import DeadlineExceeded, deadline
from connpool_runtime.middleware import Deadline
from greeter import greeter_pb2 as pb
from greeter import greeter_pb2_grpc
from local_servers import FaultProxy, GreeterServer

pytestmark = pytest.mark.servers
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def wrapper_class(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The wrapper of the class that only type checkers know: `GreeterAsyncStub`."""
    folder = tmp_path_factory.mktemp("aio")
    output = folder / "greeter_aio_pool.py"
    request = GenerateRequest(
        client="greeter.greeter_pb2_grpc:GreeterAsyncStub",
        app_dirs=(EXAMPLES,),
        output=output,
        cache_dir=folder / "cache",
    )
    output.write_text(generate(request).text)
    spec = spec_from_file_location("greeter_aio_pool", output)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.GreeterAsyncStubPool


@asynccontextmanager
async def wrapped(wrapper_class: Any, servers: list[GreeterServer]) -> AsyncIterator[Any]:
    """A wrapper with one channel of its own to each server."""
    async with wrapper_class(max_fails=1, cooldown=60.0) as wrapper:
        for number, server in enumerate(servers):
            channel = aio.insecure_channel(
                server.address, options=[("grpc.use_local_subchannel_pool", 1)]
            )
            stub = greeter_pb2_grpc.GreeterStub(channel)
            wrapper.pool.add_client(stub, name=f"s{number}", close=channel.close)
        yield wrapper


def in_flight(wrapper: Any) -> int:
    """Calls running on all members."""
    return sum(member.in_flight for member in wrapper.pool.stats().members)


async def test_calls_are_grpcs_own_and_spread(
    wrapper_class: Any, greeter_servers: list[GreeterServer]
) -> None:
    """A unary call gives gRPC's call object; three calls reach three servers."""
    async with wrapped(wrapper_class, greeter_servers) as wrapper:
        calls = [wrapper.SayHello(pb.HelloRequest(name="x"), timeout=5) for _ in range(3)]
        assert all(isinstance(call, aio.Call) for call in calls)
        for call in calls:
            await call
            assert await call.code() is grpc.StatusCode.OK
        assert all(server.calls["SayHello"] for server in greeter_servers)
        assert in_flight(wrapper) == 0


async def test_a_stream_holds_its_member_until_it_ends(
    wrapper_class: Any, greeter_servers: list[GreeterServer]
) -> None:
    """Reading to the end, or cancelling, gives the member back."""
    async with wrapped(wrapper_class, greeter_servers) as wrapper:
        stream = wrapper.ListReplies(pb.HelloRequest(name="x"))
        assert in_flight(wrapper) == 1
        assert [reply async for reply in stream]
        assert in_flight(wrapper) == 0
        cancelled = wrapper.Chat()
        assert cancelled.cancel()
        await eventually_idle(wrapper)
        assert wrapper.pool.stats().members[1].failures == 0


async def say_hello(wrapper: Any, times: int) -> None:
    """Call one after the other."""
    for _ in range(times):
        await wrapper.SayHello(pb.HelloRequest(name="x"), timeout=5)


async def eventually_idle(wrapper: Any) -> None:
    """Let the loop run until no call is left."""
    for _ in range(500):
        if in_flight(wrapper) == 0:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("a call is still running")


async def test_a_failure_is_the_members_and_the_error_is_grpcs(
    wrapper_class: Any, greeter_servers: list[GreeterServer]
) -> None:
    """A server that is gone opens its breaker; the calls go on with the others."""
    async with wrapped(wrapper_class, greeter_servers) as wrapper:
        greeter_servers[0].kill()
        try:
            with pytest.raises(aio.AioRpcError):
                await say_hello(wrapper, times=3)
            await say_hello(wrapper, times=6)
        finally:
            greeter_servers[0].restart()
        assert [member.state.value for member in wrapper.pool.stats().members].count("open") == 1


async def test_every_callable_ends_at_the_deadline(
    wrapper_class: Any, greeter_servers: list[GreeterServer]
) -> None:
    """gRPC is told what is left to the caller, and that its time is over says nothing about the member."""
    with FaultProxy(greeter_servers[0].port) as proxy:
        async with aio.insecure_channel(proxy.address) as channel, wrapper_class() as wrapper:
            wrapper.pool.add_client(greeter_pb2_grpc.GreeterStub(channel), "a")
            await wrapper.SayHello(pb.HelloRequest(name="Ann"))
            proxy.black_hole()
            for start in (wrapper.SayHello, wrapper.ListReplies):
                with deadline(0.1):
                    call = start(pb.HelloRequest(name="Ann"), timeout=60)
                    assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            await asyncio.sleep(0)
            assert wrapper.pool.stats().members[0].failures == 0
            wrapper.pool.register_middleware(Deadline())
            with deadline(0.1), pytest.raises(DeadlineExceeded):
                await wrapper.SayHello(pb.HelloRequest(name="Ann"))
