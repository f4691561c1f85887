"""Endpoints from Consul: a real agent where there is one, and what was recorded of it everywhere."""

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from connpool_runtime import Pool
from connpool_runtime.connectors import InvalidConfig
from connpool_runtime.discovery import (
    AsyncConsulSource,
    ConsulSource,
    ConsulSourceConfig,
    DiscoveryTimeout,
    InvalidEndpoint,
    SourceFailed,
)
from connpool_runtime.discovery.kinds import source_of
from local_servers import ConsulServer, consul_program
from tests.runtime.discovery.asking import asking
from tests.runtime.discovery.interfaces import Answer, Interface, Request, json_answer
from tests.runtime.faces import Client
from tests.waiting import eventually

RECORDED = json.loads((Path(__file__).parent / "recorded" / "consul_health.json").read_text())

both = pytest.mark.parametrize("kind", [ConsulSource, AsyncConsulSource])
real = [
    pytest.mark.servers,
    pytest.mark.skipif(
        consul_program() is None,
        reason="THERE IS NO CONSUL HERE: .ci/consul brings one where apt can; tested by recorded answers only",
    ),
]


def recorded(index: Callable[[], str] = lambda: "7") -> Interface:
    def answer(request: Request, _write: Any) -> Answer:
        found = RECORDED
        if request.query.get("passing") == "true":
            found = [one for one in found if all(c["Status"] == "passing" for c in one["Checks"])]
        return json_answer(found, **{"X-Consul-Index": index()})

    return Interface(answer)


# What was recorded


@both
def test_an_instance_is_an_endpoint(kind: Any) -> None:
    """Address, tags, metadata, zone and weight are the instance's; the id tells its node, too."""
    with (
        recorded() as consul,
        asking(kind(ConsulSourceConfig(service="web", address=consul.address))) as asker,
    ):
        (one,) = asker.ask().values()
    assert (one.id, one.address, one.weight) == ("node/web-1", "127.0.0.1:8001", 10)
    assert (one.tags, one.zone, one.priority) == (("blue", "v1"), "east", 0)
    assert one.metadata == {"zone": "east", "priority": "0"}


@both
def test_a_warning_may_be_good_enough(kind: Any) -> None:
    """Without `passing` an instance with a warning gets calls by its weight for that; a critical one none."""
    with recorded() as consul:
        config = ConsulSourceConfig(service="web", address=consul.address, passing=False)
        with asking(kind(config)) as asker:
            weights = {one.id: one.weight for one in asker.ask().values()}
    assert weights == {"node/web-1": 10, "node/web-2": 2}


@both
def test_what_is_asked(kind: Any) -> None:
    """All settings are in the query, the token in its header, and what waits says for how long."""
    fields: dict[str, Any] = {
        "tags": "v1,blue",
        "datacenter": "dc2",
        "near": "_agent",
        "token": "hidden",
        "consistency": "stale",
        "wait": "20s",
    }
    with recorded() as consul:
        config = ConsulSourceConfig(service="web", address=consul.address, **fields)
        with asking(kind(config)) as asker:
            asker.ask()
            asker.ask()
        first, second = consul.requests
    pairs = {("passing", "true"), ("dc", "dc2"), ("near", "_agent"), ("stale", "")}
    pairs |= {("tag", "v1"), ("tag", "blue")}
    assert set(first.pairs) == pairs
    assert set(second.pairs) == {*pairs, ("index", "7"), ("wait", "20000ms")}
    assert first.headers["x-consul-token"] == "hidden"


@both
def test_an_index_that_goes_back_is_a_reset(kind: Any) -> None:
    """Then, and after a failure, it is asked without waiting; an index of zero is none."""
    indexes = iter(["50", "60", "10", "0", "5"])
    with recorded(lambda: next(indexes, "5")) as consul:
        with asking(kind(ConsulSourceConfig(service="web", address=consul.address))) as asker:
            for _ in range(6):
                asker.ask()
        assert [request.query.get("index") for request in consul.requests] == [
            *(None, "50", "60"),  # went back
            *(None, None, "5"),
        ]


@both
@pytest.mark.parametrize(
    ("answer", "reason", "said"),
    [
        (json_answer("rpc error: ACL not found for hidden", 403), "credentials", "403 .*token"),
        (json_answer("oops", 500), "answer", "500"),
        ((200, {}, b"<html>"), "answer", "no JSON"),
        (json_answer({"a": 1}), "answer", "no list"),
        (json_answer([{"Node": {}}]), "answer", "lacks 'Service'"),
    ],
)
def test_bad_answers_are_told(kind: Any, answer: Answer, reason: str, said: str) -> None:
    """The error names source, status and reason, and never the token."""
    with Interface(lambda _request, _write: answer) as consul:
        config = ConsulSourceConfig(service="web", address=consul.address, token="hidden")
        with asking(kind(config)) as asker, pytest.raises(SourceFailed, match=said) as caught:
            asker.ask()
    assert caught.value.reason == reason
    assert "hidden" not in str(caught.value)
    assert "hidden" not in repr(config)
    assert str(caught.value).startswith(f"consul {consul.address} web: ")


@both
def test_a_bad_instance_is_told(kind: Any) -> None:
    """A port that is none, and a number in the metadata that is none, are named with the instance."""
    for change, field in (
        ({"Port": 0}, "address"),
        ({"Meta": {"weight": "heavy"}}, "weight"),
    ):
        bad = [{**RECORDED[0], "Service": {**RECORDED[0]["Service"], **change}}]
        with Interface(lambda _request, _write, bad=bad: json_answer(bad)) as consul:  # type: ignore[misc]
            config = ConsulSourceConfig(service="web", address=consul.address)
            with (
                asking(kind(config)) as asker,
                pytest.raises(InvalidEndpoint, match="web-1") as caught,
            ):
                asker.ask()
        assert field in caught.value.field


@both
def test_one_that_hangs_is_given_up(kind: Any) -> None:
    """The time-out of reading is that of the answer, beyond what Consul may wait for a change."""
    go = threading.Event()

    def hang(_request: Request, _write: Any) -> Answer:
        go.wait(20)
        return json_answer([])

    with Interface(hang) as consul:
        config = ConsulSourceConfig(service="web", address=consul.address)
        with asking(kind(config)) as asker, pytest.raises(SourceFailed) as caught:
            asker.ask(0.1)
        go.set()
    assert caught.value.reason == "timeout"


@both
def test_certificates_are_verified(kind: Any, tmp_path: Path) -> None:
    """With its authority HTTPS works; with another one it fails, and says why."""
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    files = {name: tmp_path / f"{name}.pem" for name in ("right", "wrong")}
    authority.cert_pem.write_to_path(str(files["right"]))
    trustme.CA().cert_pem.write_to_path(str(files["wrong"]))
    with Interface(lambda _request, _write: json_answer(RECORDED[:1]), tls=context) as consul:
        for name, file in files.items():
            tls = {"ca_file": str(file)}
            config = ConsulSourceConfig(service="web", address=consul.address, tls=tls)
            with asking(kind(config)) as asker:
                if name == "right":
                    assert len(asker.ask()) == 1
                    continue
                with pytest.raises(SourceFailed, match="CERTIFICATE_VERIFY_FAILED") as caught:
                    asker.ask()
                assert caught.value.reason == "certificate"


def test_the_start_tells_why(tmp_path: Path) -> None:
    """A pool whose Consul does not answer, or refuses the token, says so when its time is over."""
    pool: Pool[Client] = Pool("web")
    with Interface(lambda _request, _write: json_answer("no", 403)) as consul:
        config = ConsulSourceConfig(service="web", address=consul.address, token="hidden")
        with pytest.raises(DiscoveryTimeout, match=r"answers 403.*look at the token"):
            pool.discover(ConsulSource(config), Client, start_timeout=0.2)
    with pytest.raises(DiscoveryTimeout, match="refused"):
        pool.discover(ConsulSource(config), Client, start_timeout=0.2)
    pool.close()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "service must be"),
        ({"service": "web", "address": "http://x:1"}, "address must be host:port"),
        ({"service": "web", "wait": "1h"}, "wait must be"),
        ({"service": "web", "wait": 0}, "wait must be"),
        ({"service": "web", "tls": {"ca_file": "/nowhere"}}, r"tls.ca_file must be"),
        ({"service": "web", "consistency": "some"}, "consistency must be"),
    ],
)
def test_bad_settings_are_refused(fields: dict[str, Any], said: str) -> None:
    """The error names the field, the value and what is allowed."""
    with pytest.raises(InvalidConfig, match=said):
        ConsulSourceConfig(**fields)


def test_a_url_names_agent_and_service() -> None:
    """Settings follow as a query; an unknown one is refused with the nearest name."""
    assert source_of("consul://10.0.0.1:8500/web?wait=5s").wait == 0.0
    assert source_of("consul://10.0.0.1:8500/web").name == "consul 10.0.0.1:8500 web"
    with pytest.raises(InvalidConfig, match="'datacenter'"):
        source_of("consul://10.0.0.1:8500/web?datacentre=x")
    with pytest.raises(InvalidConfig, match="'consul'"):
        source_of("consull://10.0.0.1:8500/web")


# The real agent


@pytest.fixture(scope="module")
def agent() -> Iterator[ConsulServer]:
    """One agent for the tests that do not end it."""
    with ConsulServer() as server:
        yield server


class TestRealAgent:
    pytestmark = real

    @both
    def test_a_change_is_known_at_once(self, agent: ConsulServer, kind: Any) -> None:
        """A blocking query ends when a check fails, and when an instance comes; and after `wait` without a change."""
        service = f"s{kind.__name__.lower()}"
        check = {"CheckID": service, "TTL": "600s", "Status": "passing"}
        agent.register(f"{service}-1", "127.0.0.1:8001", service, Check=check)
        config = ConsulSourceConfig(service=service, address=agent.address, wait=60)
        with asking(kind(config)) as asker:
            asker.ask_until(lambda found: len(found) == 1)
            threading.Timer(0.1, agent.set_check, (service, "fail")).start()
            started = time.monotonic()
            asker.ask_until(lambda found: not found)
            agent.set_check(service, "pass")
            asker.ask_until(lambda found: len(found) == 1)
            more = {"Weights": {"Passing": 3, "Warning": 1}, "Tags": ["x"]}
            agent.register(f"{service}-2", "127.0.0.1:8002", service, **more)
            found = asker.ask_until(lambda found: len(found) == 2)
            assert time.monotonic() - started < 30
            assert found[f"node/{service}-2"].weight == 3
        short = ConsulSourceConfig(service=service, address=agent.address, wait=0.1, tags="x")
        with asking(kind(short)) as asker:
            assert [set(asker.ask()) for _ in range(2)] == [{f"node/{service}-2"}] * 2

    def test_a_pool_goes_on_without_its_agent(self) -> None:
        """The agent is killed during load: no call is lost, the age is told; when it is back changes arrive again."""
        with ConsulServer() as consul:
            consul.register("one", "127.0.0.1:8001")
            consul.register("two", "127.0.0.1:8002")
            pool: Pool[Client] = Pool("web")
            config = ConsulSourceConfig(service="web", address=consul.address)
            options = {"retry_backoff": 0.05, "retry_backoff_max": 0.2}
            discovery = pool.discover(
                ConsulSource(config), lambda one: Client(one.address), **options
            )
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
            consul.kill()
            assert eventually(lambda: discovery.stats().stale > 0.2)
            assert len(pool.members) == 2
            consul.restart()  # a development agent forgets everything, and its index begins anew
            consul.register("two", "127.0.0.1:8002")
            consul.register("three", "127.0.0.1:8003")
            failed_before = sum(number for _, number in discovery.stats().errors)
            names = {"node/two", "node/three"}
            assert eventually(lambda: {member.name for member in pool.members} == names)
            assert eventually(lambda: discovery.stats().stale == 0)
            failed_after = sum(number for _, number in discovery.stats().errors)
            assert failed_after <= failed_before + 1, "the question that it was away for"
            done.set()
            for thread in threads:
                thread.join()
            pool.close()
        assert failed == []

    def test_a_token_that_is_refused(self) -> None:
        """With access control a wrong token is told as such; the right one is enough."""
        acl = {
            "enabled": True,
            "default_policy": "deny",
            "tokens": {"master": "00000000-0000-0000-0000-000000000001"},
        }
        with ConsulServer({"acl": acl, "primary_datacenter": "dc1"}) as consul:
            right = "00000000-0000-0000-0000-000000000001"
            body = {"ID": "one", "Name": "web", "Address": "127.0.0.1", "Port": 8001}

            def registers() -> bool:
                try:
                    consul.ask("PUT", "/v1/agent/service/register", body, token=right)
                except RuntimeError:  # the policies are not there yet
                    return False
                return True

            assert eventually(registers)
            config = ConsulSourceConfig(service="web", address=consul.address, token=right)
            with asking(ConsulSource(config)) as asker:
                asker.ask_until(lambda found: len(found) == 1)
            wrong = ConsulSourceConfig(
                service="web", address=consul.address, token="00000000-0000-0000-0000-00000000bad0"
            )
            with asking(ConsulSource(wrong)) as asker, pytest.raises(SourceFailed) as caught:
                asker.ask()
        assert caught.value.reason == "credentials"
        assert "bad0" not in str(caught.value)
