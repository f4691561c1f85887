"""What a real Milvus says, and what its client makes of one that is gone."""

import logging
import socket
import time
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from connpool_runtime import AsyncPool, DeadlineExceeded, PoolError, deadline, method, remaining
from connpool_runtime.breaker.outcome import Outcome
from connpool_runtime.classifiers.registry import judge
from connpool_runtime.classifiers.verdict import MayRetry
from generated.milvus_client_pool import MilvusClientPool
from local_servers import FaultProxy, MilvusServer
from tests.runtime.classifiers.library import (
    ALL,
    assert_answer,
    assert_failure,
    library,
    raised,
)

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(
        ALL and find_spec("milvus_lite") is None,
        reason="NO TEST WITH A REAL MILVUS: the package milvus-lite is not installed here; `make test` has it",
    ),
]


LONG = 20.0  # seconds that no test waits


@pytest.fixture(scope="module")
def server() -> Iterator[MilvusServer]:
    """One Milvus."""
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
    with MilvusServer() as server:
        yield server


@pytest.fixture(scope="module")
def client(server: MilvusServer) -> Iterator[Any]:
    """A client with one collection."""
    client = library("pymilvus").MilvusClient(f"http://{server.address}", dedicated=True, timeout=5)
    client.create_collection("c", dimension=4)
    yield client
    client.close()


VECTOR = [0.1, 0.2, 0.3, 0.4]
CALLS = [
    lambda client: client.search("missing", data=[VECTOR]),
    lambda client: client.query("missing", filter="id > 0"),
    lambda client: client.get("missing", ids=[1]),
    lambda client: client.insert("missing", {"id": 1, "vector": VECTOR}),
    lambda client: client.delete("missing", ids=[1]),
    lambda client: client.describe_collection("missing"),
    lambda client: client.insert("c", {"id": 1}),
    lambda client: client.insert("c", {"id": "text", "vector": VECTOR}),
    lambda client: client.drop_partition("missing", "p"),
    lambda client: client.query("c", filter="no filter at all ("),
    lambda client: client.load_collection("missing"),
    lambda client: client.create_partition("missing", "p"),
]


@pytest.mark.parametrize("call", CALLS)
def test_mistakes_are_no_failures(client: Any, call: Any) -> None:
    """What a caller does wrong is an answer, noticed by the client, or unknown (a filter): never a failure."""
    verdict = judge(raised(lambda: call(client)))
    assert verdict is None or verdict.outcome is not Outcome.FAILURE
    assert verdict is None or verdict.retry is MayRetry.NO


def test_a_collection_that_is_missing_is_an_answer(client: Any) -> None:
    """The commonest mistake is answered by the server."""
    assert_answer(raised(lambda: client.describe_collection("missing")))


def test_a_server_that_dies_is_a_failure() -> None:
    """Every call to a server that was killed is a failure."""
    with MilvusServer() as server:
        client = library("pymilvus").MilvusClient(
            f"http://{server.address}", dedicated=True, timeout=2
        )
        client.list_collections()
        server.kill()
        assert_failure(raised(lambda: client.list_collections(timeout=1)))
        client.close()


@pytest.fixture
def stalled(server: MilvusServer, client: Any) -> Iterator[FaultProxy]:
    """The way to a server with a collection; it can be cut off so that nothing comes through any more."""
    client.has_collection("c")
    with FaultProxy(server.port) as proxy:
        yield proxy


LATE: list[Any] = [
    lambda wrapper: wrapper.search("c", data=[VECTOR]),
    lambda wrapper: wrapper.insert("c", {"id": 1, "vector": VECTOR}),
    # Whose timeout is known from no signature: a key of `**kwargs`.
    lambda wrapper: wrapper.list_collections(),
    lambda wrapper: wrapper.list_indexes("c"),
    lambda wrapper: wrapper.use_database("d"),
    lambda wrapper: wrapper.describe_database("d"),
    lambda wrapper: wrapper.drop_database("d"),
    lambda wrapper: wrapper.alter_database_properties("d", {}),
    lambda wrapper: wrapper.drop_database_properties("d", []),
]


def test_a_blocking_call_to_a_stalled_server_ends_at_the_deadline(stalled: FaultProxy) -> None:
    """The client is told by the wrapper; that its time is over is nobody's fault."""
    direct = library("pymilvus").MilvusClient(f"http://{stalled.address}", dedicated=True)
    with MilvusClientPool() as wrapper:
        wrapper.pool.add_client(direct, "a", close=direct.close)
        wrapper.search("c", data=[VECTOR])
        stalled.black_hole()
        for call in LATE:
            began = time.monotonic()
            with pytest.raises(DeadlineExceeded), deadline(0.2):
                call(wrapper)
            assert time.monotonic() - began < LONG
        assert wrapper.pool.stats().members[0].failures == 0


@method("search", deadline_parameter="timeout")
def asearch(client: Any, packed: Any) -> Any:
    name, data, timeout = packed
    return client.search(name, data=data, timeout=timeout)


async def test_tasks_too(stalled: FaultProxy) -> None:
    """Though the error of the asynchronous client says it in words only."""
    direct = library("pymilvus").AsyncMilvusClient(f"http://{stalled.address}")
    async with AsyncPool[Any]("milvus") as pool:
        pool.add_client(direct, "a", close=direct.close)
        await pool.call(asearch, ("c", [VECTOR], None))
        stalled.black_hole()
        with pytest.raises(DeadlineExceeded), deadline(0.2):
            await pool.call(asearch, ("c", [VECTOR], None))
        assert pool.stats().members[0].failures == 0


def test_opening_a_client_of_a_server_that_never_answers_ends_in_time() -> None:
    """A factory hands on what is left of the caller's time, since connecting is a call as well."""
    with socket.socket() as listening, MilvusClientPool() as wrapper:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        uri = f"http://127.0.0.1:{listening.getsockname()[1]}"
        wrapper.pool.add_endpoint(
            lambda: library("pymilvus").MilvusClient(
                uri, dedicated=True, timeout=min(LONG, remaining())
            )
        )
        began = time.monotonic()
        with pytest.raises(PoolError), deadline(0.3):
            wrapper.list_collections()
        assert time.monotonic() - began < LONG
