"""Endpoints from EndpointSlices, of an interface that answers as Kubernetes does."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connpool_runtime.connectors import InvalidConfig
from connpool_runtime.discovery import (
    AsyncKubernetesSource,
    KubernetesSource,
    KubernetesSourceConfig,
    SourceFailed,
)
from connpool_runtime.discovery import kubernetes as module
from connpool_runtime.discovery.kinds import source_of
from tests.runtime.discovery.asking import asking
from tests.runtime.discovery.interfaces import Answer, Interface, Request, json_answer

MODELS = json.loads((Path(__file__).parent / "recorded" / "kubernetes_models.json").read_text())
both = pytest.mark.parametrize("kind", [KubernetesSource, AsyncKubernetesSource])


def pod(name: str, address: str, **more: Any) -> dict[str, Any]:
    """An endpoint of a slice, as Kubernetes writes it."""
    conditions = {"ready": True, "serving": True, "terminating": False}
    conditions |= more.pop("conditions", {})
    target = {"kind": "Pod", "name": name, "namespace": "shop", "uid": f"uid-{name}"}
    return {
        "addresses": [address],
        "conditions": conditions,
        "nodeName": "node-1",
        "targetRef": target,
        **more,
    }


def slice_of(name: str, version: int, *pods: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An EndpointSlice."""
    return {
        "addressType": "IPv4",
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "resourceVersion": str(version),
            "labels": {"kubernetes.io/service-name": "web"},
        },
        "endpoints": list(pods),
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        **more,
    }


def config_for(interface: Interface, **more: Any) -> KubernetesSourceConfig:
    """Of the service web in the namespace shop."""
    server = f"http://{interface.address}"
    return KubernetesSourceConfig(
        service="web", namespace="shop", api_server=server, **{"wait": 1, **more}
    )


class Cluster:
    """What the API server has: a list, and what watches are told."""

    def __init__(self, *slices: dict[str, Any], version: int = 100) -> None:
        self.slices, self.version = list(slices), version
        self.lists = 0
        self.watches: list[Request] = []
        self.on_watch: Callable[[Callable[[bytes], None]], Answer | None] = lambda _write: None
        self.interface = Interface(self._answer)

    def _answer(self, request: Request, write: Callable[[bytes], None]) -> Answer | None:
        wanted = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
        selector = "kubernetes.io/service-name=web"
        if request.path != wanted or request.query.get("labelSelector") != selector:
            return json_answer({"kind": "Status", "code": 404}, 404)
        if request.query.get("watch") == "1":
            self.watches.append(request)
            return self.on_watch(write)
        self.lists += 1
        listed = {"metadata": {"resourceVersion": str(self.version)}, "items": self.slices}
        return json_answer({"kind": "EndpointSliceList", **listed})

    def config(self, **more: Any) -> KubernetesSourceConfig:
        return config_for(self.interface, **more)

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_error: object) -> None:
        self.interface.stop()


def event(kind: str, thing: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": thing}).encode() + b"\n"


@both
def test_a_pod_is_an_endpoint(kind: Any) -> None:
    """Its name and the port are the id; address, port, zone and node come from the slice."""
    slices = [
        slice_of("web-1", 1, pod("web-a", "10.1.0.1", zone="east"), pod("web-b", "10.1.0.2")),
        slice_of("web-2", 2, pod("web-a", "fd00::1"), addressType="IPv6"),
    ]
    with Cluster(*slices) as cluster, asking(kind(cluster.config())) as asker:
        found = asker.ask()
    assert {one.id: one.address for one in found.values()} == {
        "web-a:8080": "10.1.0.1:8080",
        "web-b:8080": "10.1.0.2:8080",
    }
    assert found["web-a:8080"].zone == "east"
    assert found["web-a:8080"].metadata == {"node": "node-1", "pod": "web-a"}
    with Cluster(*slices) as cluster, asking(kind(cluster.config(family="ipv6"))) as asker:
        assert [one.address for one in asker.ask().values()] == ["[fd00::1]:8080"]


@both
def test_slices_in_the_form_of_the_official_client(kind: Any) -> None:
    """A list as the models of the package `kubernetes` (37.0.1) write it, with all their fields, is understood."""
    with (
        Interface(lambda _request, _write: json_answer(MODELS)) as server,
        asking(kind(config_for(server, zone="eu-1b"))) as asker,
    ):
        found = asker.ask()
    assert {one.id: (one.address, one.zone) for one in found.values()} == {
        "web-7d4b9c-aaaaa:8080": ("10.244.1.5:8080", "eu-1b"),
        "web-7d4b9c-ccccc:8080": ("10.244.2.7:8080", "eu-1b"),
    }
    assert found["web-7d4b9c-ccccc:8080"].metadata == {
        "node": "node-2",
        "pod": "web-7d4b9c-ccccc",
    }


@both
def test_only_those_that_are_ready(kind: Any) -> None:
    """Who terminates or is not ready gets no calls, unless nobody else is left that serves."""
    going = {"ready": False, "serving": True, "terminating": True}
    broken = {"ready": False, "serving": False}
    pods = [
        pod("web-a", "10.1.0.1", conditions=going),
        pod("web-b", "10.1.0.2", conditions=broken),
        pod("web-c", "10.1.0.3", conditions={"ready": None}),
    ]
    with Cluster(slice_of("web-1", 1, *pods)) as cluster, asking(kind(cluster.config())) as asker:
        assert set(asker.ask()) == {"web-c:8080"}, "nothing said is ready"
    with (
        Cluster(slice_of("web-1", 1, *pods[:2])) as cluster,
        asking(kind(cluster.config())) as asker,
    ):
        assert set(asker.ask()) == {"web-a:8080"}


@both
def test_hints_tell_for_which_zone(kind: Any) -> None:
    """The own zone counts first among those that an endpoint is hinted for."""
    hints = {"hints": {"forZones": [{"name": "east"}, {"name": "west"}]}, "zone": "north"}
    one = slice_of("web-1", 1, pod("web-a", "10.1.0.1", **hints))
    for own, zone in (("west", "west"), (None, "east"), ("south", "east")):
        with Cluster(one) as cluster, asking(kind(cluster.config(zone=own))) as asker:
            assert asker.ask()["web-a:8080"].zone == zone


@both
def test_a_watch_tells_of_changes(kind: Any) -> None:
    """It goes on from the version of the list; additions, changes, deletions and bookmarks are followed."""
    first = slice_of("web-1", 1, pod("web-a", "10.1.0.1"))
    events = iter(
        [
            event("ADDED", slice_of("web-2", 101, pod("web-b", "10.1.0.2"))),
            event("BOOKMARK", slice_of("", 105))
            + event("MODIFIED", slice_of("web-1", 106, pod("web-a", "10.1.0.9"))),
            event("DELETED", slice_of("web-1", 107)),
        ]
    )
    with Cluster(first) as cluster, asking(kind(cluster.config())) as asker:
        cluster.on_watch = lambda write: write(next(events))
        asker.ask()
        assert set(asker.ask()) == {"web-a:8080", "web-b:8080"}
        assert asker.ask()["web-a:8080"].address == "10.1.0.9:8080"
        assert set(asker.ask()) == {"web-b:8080"}
        versions = [request.query["resourceVersion"] for request in cluster.watches]
        assert (versions, cluster.lists) == (["100", "101", "106"], 1)


@both
@pytest.mark.parametrize("how", ["status", "event"])
def test_a_version_that_is_too_old_is_listed_again(kind: Any, how: str) -> None:
    """410 comes as a status or as an event of the watch; either way the list tells what there is."""
    gone = {"kind": "Status", "code": 410, "reason": "Expired"}

    def expired(write: Callable[[bytes], None]) -> Answer | None:
        if how == "status":
            return json_answer(gone, 410)
        write(event("ERROR", gone))
        return None

    with (
        Cluster(slice_of("web-1", 1, pod("web-a", "10.1.0.1"))) as cluster,
        asking(kind(cluster.config())) as asker,
    ):
        asker.ask()
        cluster.on_watch = expired
        cluster.slices = [slice_of("web-1", 300, pod("web-b", "10.1.0.2"))]
        assert set(asker.ask()) == {"web-b:8080"}
        assert cluster.lists == 2


@both
def test_silence_is_not_believed(kind: Any) -> None:
    """A watch that says nothing for `wait` seconds, or ends, is followed by a list."""
    with (
        Cluster(slice_of("web-1", 1, pod("web-a", "10.1.0.1"))) as cluster,
        asking(kind(cluster.config())) as asker,
    ):
        asker.ask()
        go = threading.Event()

        def silent(write: Callable[[bytes], None]) -> None:
            write(b"\n")
            go.wait(20)

        cluster.on_watch = silent
        assert set(asker.ask()) == {"web-a:8080"}
        go.set()
        cluster.on_watch = lambda _write: None
        assert set(asker.ask()) == {"web-a:8080"}
        assert cluster.lists == 3


@both
def test_a_broken_watch_is_a_failure(kind: Any) -> None:
    """A server that fails is told; afterwards everything is listed again."""
    with (
        Cluster(slice_of("web-1", 1, pod("web-a", "10.1.0.1"))) as cluster,
        asking(kind(cluster.config())) as asker,
    ):
        asker.ask()
        cluster.on_watch = lambda _write: json_answer("overloaded", 503)
        with pytest.raises(SourceFailed, match="503"):
            asker.ask()
        assert set(asker.ask()) == {"web-a:8080"}


@both
def test_the_token_is_read_for_each_request(kind: Any, tmp_path: Path) -> None:
    """Kubernetes renews tokens in place; no error shows one."""
    token = tmp_path / "token"
    token.write_text("first\n")
    seen: list[str] = []

    def answer(request: Request, _write: Any) -> Answer:
        seen.append(request.headers.get("authorization", ""))
        if len(seen) == 2:
            return json_answer(f"not for you, {seen[-1]}", 401)
        return json_answer({"metadata": {"resourceVersion": "1"}, "items": []})

    with Interface(answer) as server:
        config = KubernetesSourceConfig(
            service="web", api_server=f"http://{server.address}", token_file=token
        )
        with asking(kind(config)) as asker:
            asker.ask()
            token.write_text("second")
            with pytest.raises(SourceFailed) as caught:
                asker.ask()
    assert seen == ["Bearer first", "Bearer second"]
    assert caught.value.reason == "credentials"
    assert "second" not in str(caught.value)


@both
def test_the_port_must_be_clear(kind: Any) -> None:
    """Of several ports one is named; an unknown name is refused with those that there are."""
    ports = [{"name": "http", "port": 8080}, {"name": "grpc", "port": 9090}]
    one = slice_of("web-1", 1, pod("web-a", "10.1.0.1"), ports=ports)
    with Cluster(one) as cluster:
        for port, ids in (("grpc", {"web-a:9090"}), ("8080", {"web-a:8080"})):
            with asking(kind(cluster.config(port=port))) as asker:
                assert set(asker.ask()) == ids
        for port in (None, "https"):
            with (
                asking(kind(cluster.config(port=port))) as asker,
                pytest.raises(SourceFailed, match=r"http \(8080\), grpc \(9090\)"),
            ):
                asker.ask()


def test_inside_of_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Address, namespace and token are those that Kubernetes gives to a pod."""
    monkeypatch.setattr(module, "ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    (tmp_path / "namespace").write_text("shop")
    (tmp_path / "token").write_text("abc")
    config = KubernetesSourceConfig(service="web")
    assert (config.server, config.space, config.bearer) == ("https://10.96.0.1:443", "shop", "abc")
    assert config.trusted is not None
    assert KubernetesSource(config).name == "kubernetes shop/web"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "service must be"),
        ({"service": "web"}, "api_server must be"),
        ({"service": "web", "api_server": "10.0.0.1"}, "api_server must be https"),
        ({"service": "web", "api_server": "https://a", "wait": 0.5}, "wait must be at least 1"),
    ],
)
def test_bad_settings_are_refused(
    fields: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the field, the value and what is allowed."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(InvalidConfig, match=said):
        KubernetesSourceConfig(**fields)


def test_a_url_names_namespace_and_service() -> None:
    """Settings follow as a query."""
    made = source_of("kubernetes://shop/web?api_server=https://10.0.0.1:6443")
    assert made.name == "kubernetes shop/web"
