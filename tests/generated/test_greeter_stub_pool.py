"""The committed wrapper of a gRPC stub, over three real servers."""

from collections.abc import Iterator
from contextlib import ExitStack

import grpc
import pytest

from connpool_runtime import BreakerState, DeadlineExceeded, calling, deadline
from connpool_runtime.middleware.retry import Retry
from generated.greeter_stub_pool import GreeterStubPool
from greeter.greeter_pb2 import HelloRequest
from greeter.greeter_pb2_grpc import GreeterStub
from local_servers import FaultProxy, GreeterServer
from tests.generated.load import Load
from tests.waiting import eventually

pytestmark = pytest.mark.servers

ANN, BOB = HelloRequest(name="Ann"), HelloRequest(name="Bob")
# Without it gRPC shares one TCP connection between channels to the same target.
OPTIONS = [("grpc.use_local_subchannel_pool", 1)]


@pytest.fixture
def wrapper(greeter_servers: list[GreeterServer]) -> Iterator[GreeterStubPool]:
    """A pool of three stubs, each over a channel of its own, named like their servers."""
    with ExitStack() as stack:
        wrapper = stack.enter_context(GreeterStubPool(max_fails=3, cooldown=0.3))
        for server in greeter_servers:
            channel = stack.enter_context(grpc.insecure_channel(server.address, OPTIONS))
            wrapper.pool.add_client(GreeterStub(channel), name=server.name, close=channel.close)
        yield wrapper


def idle(wrapper: GreeterStubPool) -> bool:
    return all(member.in_flight == 0 for member in wrapper.pool.members)


def test_unary_calls_spread(wrapper: GreeterStubPool, greeter_servers: list[GreeterServer]) -> None:
    """Each server answers a third of the calls, with its own name in the reply."""
    replies = {wrapper.SayHello(ANN).message for _ in range(9)}
    assert replies == {f"Hello, Ann, from {name}" for name in "abc"}
    assert [server.calls["SayHello"] for server in greeter_servers] == [3, 3, 3]


def test_one_connection_per_member(
    wrapper: GreeterStubPool, greeter_servers: list[GreeterServer]
) -> None:
    """However many calls there are, each server sees one TCP connection, and no two the same."""
    for _ in range(12):
        wrapper.SayHello(ANN)
        list(wrapper.ListReplies(ANN))
    peers = [server.peers for server in greeter_servers]
    assert [len(found) for found in peers] == [1, 1, 1]
    assert len(set.union(*peers)) == 3


def test_two_members_at_one_server_have_a_connection_each(
    greeter_servers: list[GreeterServer],
) -> None:
    """Two members with the same address do not share a connection."""
    server = greeter_servers[0]
    with ExitStack() as stack:
        wrapper = stack.enter_context(GreeterStubPool())
        for _ in range(2):
            channel = stack.enter_context(grpc.insecure_channel(server.address, OPTIONS))
            wrapper.pool.add_client(GreeterStub(channel))
        for _ in range(6):
            wrapper.SayHello(ANN)
    assert len(server.peers) == 2


def test_arguments_of_a_call(wrapper: GreeterStubPool) -> None:
    """Time-out, metadata, `with_call` and `future` are the stub's own."""
    reply, call = wrapper.SayHello.with_call(ANN, timeout=10, metadata=(("key", "value"),))
    assert reply.message.startswith("Hello, Ann")
    assert call.code() is grpc.StatusCode.OK
    future = wrapper.SayHello.future(BOB, timeout=10)
    assert future.result().message.startswith("Hello, Bob")
    assert eventually(lambda: idle(wrapper))


def test_errors_come_back_as_they_are(
    wrapper: GreeterStubPool, greeter_servers: list[GreeterServer]
) -> None:
    """A call to a server that is away raises gRPC's own error, with its code."""
    for server in greeter_servers:
        server.kill()
    with pytest.raises(grpc.RpcError) as caught:
        wrapper.SayHello(ANN, timeout=10)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert idle(wrapper)


def test_a_stream_of_replies_holds_its_member(wrapper: GreeterStubPool) -> None:
    """All replies of a call come from one server, which is busy until the last one."""
    replies = wrapper.ListReplies(ANN)
    first = next(replies)
    assert sum(member.in_flight for member in wrapper.pool.members) == 1
    assert {reply.message for reply in replies} == {first.message}
    assert idle(wrapper)


def test_a_stream_that_is_cancelled_gives_its_member_back(wrapper: GreeterStubPool) -> None:
    """Cancelling a stream before its end frees the member and blames nobody."""
    for _ in range(6):
        replies = wrapper.ListReplies(ANN)
        next(replies)
        replies.cancel()
        assert eventually(lambda: idle(wrapper))
    assert all(m.breaker.state is BreakerState.CLOSED for m in wrapper.pool.members)


def test_a_stream_of_requests_goes_to_one_server(wrapper: GreeterStubPool) -> None:
    """A client stream is one call on one member; its reply holds all names."""
    message = wrapper.RecordNames(iter([ANN, BOB])).message
    assert message.startswith("Hello, Ann and Bob, from ")
    assert idle(wrapper)


def test_a_chat_stays_with_one_server(wrapper: GreeterStubPool) -> None:
    """Both directions of a chat belong to one member until both have ended."""
    replies = [reply.message for reply in wrapper.Chat(iter([ANN, BOB]))]
    assert [text.split(", ")[1] for text in replies] == ["Ann", "Bob"]
    assert len({text.rpartition(" ")[2] for text in replies}) == 1
    assert idle(wrapper)


@pytest.mark.stress
def test_a_killed_server_costs_no_call_and_comes_back(
    wrapper: GreeterStubPool, greeter_servers: list[GreeterServer]
) -> None:
    """With retry on, no idempotent call of 16 threads fails while a server is killed and restarted."""
    wrapper.pool.register_middleware(Retry(attempts=3, base=0.0))
    member = wrapper.pool.members[0]
    with Load(lambda: wrapper.SayHello(ANN, timeout=10)) as load:
        assert eventually(lambda: load.calls > 200)
        greeter_servers[0].kill()
        assert eventually(lambda: member.breaker.state is BreakerState.OPEN)
        greeter_servers[0].restart()
        served = greeter_servers[0].calls["SayHello"]
        assert eventually(lambda: greeter_servers[0].calls["SayHello"] > served)
        assert eventually(lambda: member.breaker.state is BreakerState.CLOSED)
    assert load.failed == []


@pytest.fixture
def stalled(greeter_servers: list[GreeterServer]) -> Iterator[GreeterStubPool]:
    """A pool of one stub, whose server takes the request and never answers."""
    with ExitStack() as stack:
        proxy = stack.enter_context(FaultProxy(greeter_servers[0].port))
        channel = stack.enter_context(grpc.insecure_channel(proxy.address, OPTIONS))
        wrapper = stack.enter_context(GreeterStubPool())
        wrapper.pool.add_client(GreeterStub(channel), name="a")
        wrapper.SayHello(ANN)
        proxy.black_hole()
        yield wrapper


def test_every_callable_ends_at_the_deadline(stalled: GreeterStubPool) -> None:
    """gRPC is told what is left to the caller, also for streams and futures, and it is nobody's fault."""
    with deadline(0.1), pytest.raises(DeadlineExceeded) as caught:
        stalled.SayHello(ANN, timeout=60)
    assert isinstance(caught.value.cause, grpc.RpcError)
    with deadline(0.1), pytest.raises(DeadlineExceeded):
        stalled.SayHello.with_call(ANN, 60)
    with deadline(0.1), pytest.raises(DeadlineExceeded):
        stalled.RecordNames(iter([ANN, BOB]))
    with deadline(0.1), pytest.raises(DeadlineExceeded) as caught:
        list(stalled.ListReplies(ANN))
    assert isinstance(caught.value.cause, grpc.RpcError)
    with deadline(0.1):
        replies = stalled.Chat(iter([ANN, BOB]))
    with pytest.raises(DeadlineExceeded):  # of the deadline under which it was opened
        list(replies)
    with deadline(0.1):
        future = stalled.SayHello.future(ANN)
    with pytest.raises(grpc.RpcError, match="DEADLINE_EXCEEDED"):
        future.result()
    assert eventually(lambda: idle(stalled))
    assert stalled.pool.stats().members[0].failures == 0
    with deadline(60), pytest.raises(grpc.RpcError, match="DEADLINE_EXCEEDED"):
        list(stalled.ListReplies(ANN, timeout=0.05))
    assert stalled.pool.stats().members[0].failures == 1
    with calling(timeout=0.05), pytest.raises(grpc.RpcError, match="DEADLINE_EXCEEDED"):
        stalled.SayHello(ANN)
