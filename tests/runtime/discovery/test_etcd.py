"""Endpoints from a real etcd: leases, compaction, members that hang, and a leader that is killed."""

import json
import threading
import time
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from connpool_runtime import Pool
from connpool_runtime.connectors import InvalidConfig
from connpool_runtime.discovery import (
    AsyncEtcdSource,
    EtcdSource,
    EtcdSourceConfig,
    InvalidEndpoint,
    SourceFailed,
)
from connpool_runtime.discovery.etcd import _end_of
from connpool_runtime.discovery.kinds import source_of
from local_servers import EtcdCluster, EtcdServer
from tests.runtime.discovery.asking import asking
from tests.runtime.discovery.interfaces import Answer, Interface, Request, json_answer
from tests.runtime.faces import Client
from tests.waiting import eventually

pytestmark = pytest.mark.servers
both = pytest.mark.parametrize("kind", [EtcdSource, AsyncEtcdSource])


@pytest.fixture(scope="module")
def etcd() -> Iterator[EtcdServer]:
    """One etcd for the tests that do not end it; each has a prefix of its own."""
    with EtcdCluster(1) as cluster:
        yield cluster.servers[0]


def post(address: str, path: str, **body: Any) -> Any:
    request = urllib.request.Request(f"http://{address}/v3/{path}", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def text(value: str) -> str:
    return b64encode(value.encode()).decode()


def put(address: str, key: str, value: object, **more: Any) -> int:
    """Write a key; return the revision."""
    said = value if isinstance(value, str) else json.dumps(value)
    return int(
        post(address, "kv/put", key=text(key), value=text(said), **more)["header"]["revision"]
    )


def delete(address: str, key: str) -> None:
    post(address, "kv/deleterange", key=text(key))


def config(address: str, prefix: str, **more: Any) -> EtcdSourceConfig:
    return EtcdSourceConfig(prefix=prefix, endpoints=address, **more)


@both
def test_a_key_is_an_endpoint(etcd: EtcdServer, kind: Any) -> None:
    """Its value is an address, or the fields as JSON; the rest of the key is the id; others' keys are not read."""
    prefix = f"/keys/{kind.__name__}/"
    put(etcd.address, prefix + "a", "127.0.0.1:1")
    put(etcd.address, prefix + "b", {"address": "127.0.0.1:2", "weight": 3, "zone": "z"})
    put(etcd.address, f"/keys/{kind.__name__}0", "127.0.0.1:9")
    with asking(kind(config(etcd.address, prefix))) as asker:
        found = asker.ask()
    assert {one.id: (one.address, one.weight, one.zone) for one in found.values()} == {
        "a": ("127.0.0.1:1", 1, None),
        "b": ("127.0.0.1:2", 3, "z"),
    }


@both
def test_a_change_is_known_at_once(etcd: EtcdServer, kind: Any) -> None:
    """A key that comes, goes, or whose lease has ended, ends the wait; and so does what came between two questions."""
    prefix = f"/changes/{kind.__name__}/"
    put(etcd.address, prefix + "a", "127.0.0.1:1")
    with asking(kind(config(etcd.address, prefix, wait=60))) as asker:
        asker.ask()
        put(etcd.address, prefix + "b", "127.0.0.1:2")  # nobody watches now
        started = time.monotonic()
        assert set(asker.ask()) == {"a", "b"}
        threading.Timer(0.1, delete, (etcd.address, prefix + "a")).start()
        assert set(asker.ask()) == {"b"}
        lease = post(etcd.address, "lease/grant", TTL=1)["ID"]
        put(etcd.address, prefix + "c", "127.0.0.1:3", lease=lease)
        assert set(asker.ask()) == {"b", "c"}
        assert set(asker.ask()) == {"b"}  # its lease was not kept alive
        assert time.monotonic() - started < 30


@both
def test_after_a_compaction_everything_is_read(etcd: EtcdServer, kind: Any) -> None:
    """A watch from a revision that is gone ends at once, and the keys are listed again."""
    prefix = f"/compaction/{kind.__name__}/"
    put(etcd.address, prefix + "a", "127.0.0.1:1")
    with asking(kind(config(etcd.address, prefix, wait=60))) as asker:
        asker.ask()
        asker.source._revision = 1  # as after a long pause
        latest = put(etcd.address, prefix + "b", "127.0.0.1:2")
        post(etcd.address, "kv/compaction", revision=str(latest))
        started = time.monotonic()
        assert set(asker.ask()) == {"a", "b"}
        assert time.monotonic() - started < 30


@both
def test_silence_is_not_believed(etcd: EtcdServer, kind: Any) -> None:
    """A watch that says nothing for `wait` seconds is given up, and the keys are read again."""
    prefix = f"/silence/{kind.__name__}/"
    put(etcd.address, prefix + "a", "127.0.0.1:1")
    with asking(kind(config(etcd.address, prefix, wait=0.1))) as asker:
        assert [set(asker.ask()) for _ in range(3)] == [{"a"}] * 3


@both
def test_bad_values_are_told(etcd: EtcdServer, kind: Any) -> None:
    """The error names the source, the key and the value."""
    prefix = f"/bad/{kind.__name__}/"
    for value, said in (("{", "JSON"), ("nowhere", "host:port"), ({"weight": 1}, "left out")):
        put(etcd.address, prefix + "a", value)
        with (
            asking(kind(config(etcd.address, prefix))) as asker,
            pytest.raises(InvalidEndpoint, match=said) as caught,
        ):
            asker.ask()
        assert caught.value.source == f"etcd {prefix}"
        assert caught.value.endpoint == "a"


@both
def test_a_member_that_hangs_or_is_gone_is_passed_over(etcd: EtcdServer, kind: Any) -> None:
    """Another one is asked; if all are gone the last error is told."""
    prefix = f"/gone/{kind.__name__}/"
    put(etcd.address, prefix + "a", "127.0.0.1:1")
    go = threading.Event()

    def hang(_request: Request, _write: Any) -> Answer:
        go.wait(20)
        return json_answer({})

    with Interface(hang) as hanging:
        places = f"127.0.0.1:1,{hanging.address},{etcd.address}"
        with asking(kind(config(places, prefix))) as asker:
            assert set(asker.ask(0.8)) == {"a"}
        go.set()
    with (
        asking(kind(config("127.0.0.1:1", prefix))) as asker,
        pytest.raises(SourceFailed) as caught,
    ):
        asker.ask()
    assert caught.value.reason == "unreachable"


@both
def test_what_is_no_etcd_is_told(kind: Any) -> None:
    """Another server at the address is not taken for one."""
    with (
        Interface(lambda _request, _write: json_answer({"hello": 1})) as other,
        asking(kind(config(other.address, "/x"))) as asker,
        pytest.raises(SourceFailed, match="is no etcd"),
    ):
        asker.ask()


@both
def test_logging_in(kind: Any) -> None:
    """With authentication on, a token is got and renewed; a wrong password is told, and shown nowhere."""
    with EtcdCluster(1) as cluster:
        address = cluster.endpoints[0]
        put(address, "/web/a", "127.0.0.1:1")
        post(address, "auth/user/add", name="root", password="hidden")
        post(address, "auth/role/add", name="root")
        post(address, "auth/user/grant", user="root", role="root")
        post(address, "auth/enable")
        right = config(address, "/web/", username="root", password="hidden", wait=0.1)
        with asking(kind(right)) as asker:
            assert set(asker.ask()) == {"a"}
            asker.source._token = "forgotten"
            with pytest.raises(SourceFailed):
                asker.ask()
            assert set(asker.ask()) == {"a"}, "it has logged in again"
        wrong = config(address, "/web/", username="root", password="notthis")
        with asking(kind(wrong)) as asker, pytest.raises(SourceFailed) as caught:
            asker.ask()
        assert "notthis" not in str(caught.value) + repr(wrong)


def leader_of(cluster: EtcdCluster) -> EtcdServer:
    for server in cluster.servers:
        found = post(server.address, "maintenance/status")
        if found["leader"] == found["header"]["member_id"]:
            return server
    raise AssertionError("no leader")


def test_a_pool_goes_on_when_the_leader_is_killed() -> None:
    """During load no call is lost, and what changes afterwards arrives through the members that are left."""
    with EtcdCluster(3) as cluster:
        put(cluster.endpoints[0], "/web/a", "127.0.0.1:1")
        put(cluster.endpoints[0], "/web/b", "127.0.0.1:2")
        leader = leader_of(cluster)
        pool: Pool[Client] = Pool("web")
        places = [leader.address, *(set(cluster.endpoints) - {leader.address})]
        source = EtcdSource(EtcdSourceConfig(prefix="/web/", endpoints=places))
        options = {"retry_backoff": 0.05, "retry_backoff_max": 0.2, "fetch_timeout": 4.0}
        discovery = pool.discover(source, lambda one: Client(one.address), **options)
        discovery.wait_ready(2, 10)
        failed: list[BaseException] = []
        done = threading.Event()

        def call() -> None:
            while not done.is_set():
                try:
                    pool.execute(lambda client: client.name)
                except BaseException as error:
                    failed.append(error)

        threads = [threading.Thread(target=call) for _ in range(4)]
        for thread in threads:
            thread.start()
        leader.kill()
        alive = next(server for server in cluster.servers if server is not leader)
        assert eventually(alive.leads)
        delete(alive.address, "/web/a")
        put(alive.address, "/web/c", "127.0.0.1:3")
        assert eventually(lambda: {member.name for member in pool.members} == {"b", "c"})
        assert eventually(lambda: discovery.stats().stale == 0)
        done.set()
        for thread in threads:
            thread.join()
        pool.close()
    assert failed == []


def test_the_end_of_a_prefix() -> None:
    """It is the first key that none of the prefix comes after."""
    assert _end_of(b"/a/") == b"/a0"
    assert _end_of(b"a\xff\xff") == b"b"
    assert _end_of(b"\xff") == b"\0"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"endpoints": "a:1"}, "prefix must be"),
        ({"prefix": "/x"}, "endpoints must be"),
        ({"prefix": "/x", "endpoints": "a:1", "username": "root"}, "password must be"),
    ],
)
def test_bad_settings_are_refused(fields: dict[str, Any], said: str) -> None:
    """The error names the field, the value and what is allowed."""
    with pytest.raises(InvalidConfig, match=said):
        EtcdSourceConfig(**fields)


def test_a_url_names_members_and_prefix() -> None:
    """The path is the prefix, with its slashes."""
    assert source_of("etcd://a:2379,b:2379/services/web/").name == "etcd /services/web/"
