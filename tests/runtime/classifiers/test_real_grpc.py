"""What a real gRPC server says, sync and aio, and what the client makes of one that is gone or hangs."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from connpool_runtime.breaker.outcome import Outcome
from connpool_runtime.classifiers.status import GRPC_CODES
from connpool_runtime.classifiers.verdict import MayRetry
from local_servers import free_port
from tests.runtime.classifiers.library import (
    assert_answer,
    assert_failure,
    library,
    raised,
    raised_by,
    retry_of,
    verdict_of,
)

grpc = library("grpc")

pytestmark = pytest.mark.servers

METHOD = "/test.Service/Do"


def handler(request: bytes, context: Any) -> bytes:
    """Fail with the code that the request names, and the metadata behind it."""
    name, _, pushback = request.decode().partition(" ")
    if name == "RAISE":
        raise RuntimeError("a slip of the server")
    if pushback:
        context.set_trailing_metadata((("grpc-retry-pushback-ms", pushback),))
    if name == "PASSED_ON":
        context.abort(grpc.StatusCode.UNAVAILABLE, "failed to connect to all addresses; of another")
    if name != "OK":
        context.abort(grpc.StatusCode[name], "details")
    return b"x" * int(pushback or 0)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of a server that fails as asked."""
    server = grpc.server(ThreadPoolExecutor(4))
    method = grpc.unary_unary_rpc_method_handler(handler)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("test.Service", {"Do": method}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


class Asking:
    """One call on a channel of its own, in one of the two ways."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    async def error(
        self, address: str, request: str, seconds: float = 5, path: str = METHOD
    ) -> BaseException:
        """Return the error of a call."""
        if self.kind == "sync":
            with grpc.insecure_channel(address) as channel:
                call = channel.unary_unary(path)
                return raised(lambda: call(request.encode(), timeout=seconds))
        async with grpc.aio.insecure_channel(address) as channel:
            return await raised_by(channel.unary_unary(path)(request.encode(), timeout=seconds))


@pytest.fixture(params=["sync", "aio"])
def asking(request: pytest.FixtureRequest) -> Asking:
    """Each of the two ways to call."""
    return Asking(request.param)


@pytest.mark.parametrize("name", sorted(GRPC_CODES))
async def test_codes(asking: Asking, address: str, name: str) -> None:
    """The code that a server ends a call with decides, and is the reason."""
    assert verdict_of(await asking.error(address, name)) == GRPC_CODES[name]


async def test_a_method_that_is_not_there_is_an_answer(asking: Asking, address: str) -> None:
    """UNIMPLEMENTED comes from a healthy server."""
    assert_answer(await asking.error(address, "", path="/test.Service/Missing"))


async def test_a_slip_of_the_server_is_a_failure(asking: Asking, address: str) -> None:
    """An exception in the server's code reaches the client as UNKNOWN."""
    assert_failure(await asking.error(address, "RAISE"))


@pytest.mark.parametrize(
    ("request_", "outcome", "retry", "wait"),
    [
        ("UNAVAILABLE 250", Outcome.FAILURE, MayRetry.PUSHED_BACK, 0.25),
        ("UNAVAILABLE -1", Outcome.FAILURE, MayRetry.NO, None),
        ("RESOURCE_EXHAUSTED 0", Outcome.NEUTRAL, MayRetry.PUSHED_BACK, 0.0),
    ],
)
async def test_push_back(
    asking: Asking,
    address: str,
    request_: str,
    outcome: Outcome,
    retry: MayRetry,
    wait: float | None,
) -> None:
    """The server's push-back in the trailing metadata is obeyed."""
    verdict = verdict_of(await asking.error(address, request_))
    assert (verdict.outcome, verdict.retry, verdict.retry_after) == (outcome, retry, wait)


async def test_a_server_that_is_gone_is_a_failure(asking: Asking) -> None:
    """With nobody at the port the call fails; an idempotent one may be tried again."""
    error = await asking.error(f"127.0.0.1:{free_port()}", "OK")
    assert_failure(error)
    assert retry_of(error) is MayRetry.YES


async def test_a_name_that_is_not_found_is_a_failure(asking: Asking) -> None:
    """A name without an address is a failure."""
    assert_failure(await asking.error("no-such-host.invalid:1", "OK"))


async def test_words_that_a_server_passes_on_are_its_own(asking: Asking, address: str) -> None:
    """A server that could not reach one behind it was reached itself: the call may have been carried out."""
    assert retry_of(await asking.error(address, "PASSED_ON")) is MayRetry.YES


async def test_a_server_that_hangs_may_have_been_sent(asking: Asking) -> None:
    """A port that accepts and says nothing leaves it open whether the call was carried out."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = await asking.error(f"127.0.0.1:{silent.getsockname()[1]}", "OK", seconds=0.2)
    assert_failure(error)


async def test_a_message_that_is_too_large_is_an_answer(asking: Asking, address: str) -> None:
    """The client's size limit is RESOURCE_EXHAUSTED too, but no overload."""
    assert_answer(await asking.error(address, f"OK {5 * 1024 * 1024}"))
