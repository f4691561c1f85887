"""What a real Milvus says, and what its client makes of one that is gone."""

import logging
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from connpool_runtime.breaker.outcome import Outcome
from connpool_runtime.classifiers.registry import judge
from connpool_runtime.classifiers.verdict import MayRetry
from local_servers import MilvusServer
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
