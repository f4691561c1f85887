"""Endpoints from the EndpointSlices of a Kubernetes service: listed, then watched (extra `kubernetes`)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import aclosing, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from connpool_runtime._extras import need
from connpool_runtime.connectors.config.errors import InvalidConfig
from connpool_runtime.connectors.config.fields import Choice, Duration, File, Secret, Text
from connpool_runtime.connectors.config.record import Record, Section
from connpool_runtime.connectors.config.tls import TLS
from connpool_runtime.discovery.endpoint import Endpoint
from connpool_runtime.discovery.errors import InvalidEndpoint, SourceFailed
from connpool_runtime.discovery.http_api import AsyncHttpApi, HttpApi
from connpool_runtime.discovery.kubeconfig import Cluster, Trust, read_kubeconfig
from connpool_runtime.discovery.source import AsyncSource, Source, refuse_other

__all__ = ["AsyncKubernetesSource", "KubernetesSource", "KubernetesSourceConfig"]

GONE = 410  # status code of a watch whose resource version is too old
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_FAMILIES = {"any": ("IPv4", "IPv6", "FQDN"), "ipv4": ("IPv4",), "ipv6": ("IPv6",)}


@dataclass(kw_only=True)
class KubernetesSourceConfig(Record):
    """Which service of which cluster; inside a pod the name of the service is enough.

    Arguments:
        service: the name of the service.
        namespace: where it is; None is the pod's own.
        port: name or number of the port; None is the only one that there is.
        zone: where this process is; of the zones that an endpoint is hinted for, this one counts first.
        family: whether IPv4 or IPv6 addresses count; `any` takes IPv4 where an endpoint has both.
        kubeconfig: a file that names cluster, user and namespace; other arguments have precedence over it.
        context: the one of the kubeconfig; None is its current one.
        api_server: `https://host:port` of the cluster; None is what the kubeconfig says, or Kubernetes tells a
            pod.
        token: of an account that may list and watch EndpointSlices; None is the kubeconfig's or the pod's own.
        token_file: a file that holds the token, read for each request, as tokens are renewed.
        wait: for how long a change is waited for before everything is listed again.
        tls: TLS settings; None is what the kubeconfig says, or the cluster's authority
            inside of a pod.

    Raises:
        InvalidConfig: a value is not allowed, or this is no pod and nothing says where the cluster is.
    """

    service: Text = Text()
    namespace: Text = Text()
    port: Text = Text()
    zone: Text = Text()
    family: Choice = Choice("any", "ipv4", "ipv6")
    kubeconfig: File = File()
    context: Text = Text()
    api_server: Text = Text()
    token: Secret = Secret()
    token_file: File = File()
    wait: Duration = Duration(60.0, reloadable=True)
    tls: Section[TLS] = Section(TLS)

    def __post_init__(self) -> None:
        if self.service is None:
            raise InvalidConfig("service", "None", "the name of a service")
        if self.wait < 1:
            raise InvalidConfig("wait", f"{self.wait:g}", "at least 1")
        if self.context is not None and self.kubeconfig is None:
            raise InvalidConfig("context", repr(self.context), "given together with kubeconfig")
        told = self.api_server is not None or self.cluster is not None
        if not told and "KUBERNETES_SERVICE_HOST" not in os.environ:
            allowed = "https://host:port, or kubeconfig given, where this process is no pod"
            raise InvalidConfig("api_server", "None", allowed)
        if self.api_server is not None and "://" not in self.api_server:
            raise InvalidConfig("api_server", repr(self.api_server), "https://host:port")
        if self.token is not None and self.token_file is not None:
            raise InvalidConfig("token", "'***'", "left out when token_file is given")

    @property
    def cluster(self) -> Cluster | None:
        """The content of the kubeconfig as it is now; None without one."""
        return None if self.kubeconfig is None else read_kubeconfig(self.kubeconfig, self.context)

    @property
    def server(self) -> str:
        """The URL of the cluster."""
        if self.api_server is not None:
            return self.api_server.rstrip("/")
        if self.cluster is not None:
            return self.cluster.server
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"

    @property
    def space(self) -> str:
        """The namespace."""
        told = None if self.cluster is None else self.cluster.namespace
        pod = None if self.cluster is not None else _read(ACCOUNT / "namespace")
        return self.namespace or told or pod or "default"

    @property
    def trusted(self) -> TLS | Trust | None:
        """The SSL context for the API server; None for plain HTTP."""
        if self.tls is not None or self.server.startswith("http://"):
            return self.tls
        if self.cluster is not None:
            return self.cluster.trust
        authority = ACCOUNT / "ca.crt"
        return TLS(ca_file=authority) if authority.is_file() else TLS()

    @property
    def bearer(self) -> str | None:
        """The current token."""
        if self.token is None and self.token_file is None and self.cluster is not None:
            return self.cluster.token
        return self.token or _read(Path(self.token_file or ACCOUNT / "token"))


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def _endpoints_in(
    slices: Iterable[Mapping[str, Any]], config: KubernetesSourceConfig, name: str
) -> list[Endpoint]:
    """Return the ready endpoints in slices; if none is ready, those that still serve.

    Raises:
        SourceFailed: there are several ports, and nothing says which; or none of that name.
        InvalidEndpoint: one is not as it must be.
    """
    ready: dict[str, Endpoint] = {}
    serving: dict[str, Endpoint] = {}
    families = _FAMILIES[config.family]
    known = [one for one in slices if one.get("addressType") in families]
    for one in sorted(known, key=lambda one: str(one["addressType"])):
        if not one.get("endpoints"):
            continue
        port = _port_of(one, config, name)
        for entry in one["endpoints"]:
            conditions: Any = entry.get("conditions") or {}
            endpoint = _endpoint(entry, port, config)
            if conditions.get("ready") is not False:  # Kubernetes: a missing condition means ready
                ready.setdefault(endpoint.id, endpoint)
            elif conditions.get("serving"):
                serving.setdefault(endpoint.id, endpoint)
    return list((ready or serving).values())


def _port_of(one: Mapping[str, Any], config: KubernetesSourceConfig, name: str) -> int:
    ports: list[Any] = one.get("ports") or []
    wanted = config.port
    found: list[Any] = [
        port
        for port in ports
        if wanted is None or wanted in (port.get("name"), str(port.get("port")))
    ]
    if len(found) == 1 and found[0].get("port"):
        return int(found[0]["port"])
    there = ", ".join(f"{port.get('name') or '-'} ({port.get('port')})" for port in ports) or "none"
    allowed = "one of" if found or wanted is not None else "given; there are"
    text = f"{name}: port must be {allowed} {there}, not {wanted!r}"
    raise SourceFailed(text, reason="answer", source=name)


def _endpoint(entry: Mapping[str, Any], port: int, config: KubernetesSourceConfig) -> Endpoint:
    host = str(entry["addresses"][0])
    target: Any = entry.get("targetRef") or {}
    hinted: Any = entry.get("hints") or {}
    zones: list[Any] = hinted.get("forZones") or []
    hints = [str(hint["name"]) for hint in zones]
    zone = entry.get("zone")
    if hints:
        zone = config.zone if config.zone in hints else hints[0]
    metadata: dict[str, Any] = {"node": entry.get("nodeName"), "pod": target.get("name")}
    return Endpoint(
        f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        id=f"{target['name']}:{port}" if target.get("name") else "",
        zone=zone or None,
        metadata={key: str(text) for key, text in metadata.items() if text},
    )


class AsyncKubernetesSource(AsyncSource):
    """Lists the EndpointSlices of a service, and watches them. For the tasks of one event loop.

    Everything is listed again when the watch is too old to go on (status 410), and after `wait` seconds
    of silence. The id of an endpoint is the name of its pod and the port.

    Arguments:
        config: which service of which cluster.
    """

    interval = 0.0

    def __init__(self, config: KubernetesSourceConfig) -> None:
        refuse_other(config, KubernetesSourceConfig, 'service="web"')
        need("httpx", "kubernetes")
        self._config = config
        space = config.space
        self._name = f"kubernetes {space}/{config.service}"
        self._url = f"{config.server}/apis/discovery.k8s.io/v1/namespaces/{space}/endpointslices"
        self._api = AsyncHttpApi(self._name, config.trusted, self._masked)
        self._slices: dict[str, Mapping[str, Any]] = {}
        self._version = ""  # resource version that is known; "": list again

    @property
    def name(self) -> str:
        """The name of this source in errors, events and metrics."""
        return self._name

    @property
    def wait(self) -> float:  # type: ignore[override]  # read-only here: it follows from what is known
        """Seconds that the source waits for a change."""
        return self._config.wait if self._version else 0.0

    async def fetch(self, timeout: float) -> Iterable[Endpoint]:
        """Wait for a change, and return the endpoints."""
        version, self._version = self._version, ""
        changed = bool(version) and await self._watch(version, timeout)
        if not changed:
            await self._list(timeout)
        try:
            return _endpoints_in(self._slices.values(), self._config, self._name)
        except InvalidEndpoint as error:
            raise error.told_by(self._name) from None

    async def _list(self, timeout: float) -> None:
        answer = await self._api.ask(
            "GET",
            self._url,
            params=self._params(),
            headers=self._headers(),
            timeout=timeout,
            patience=timeout,
        )
        try:
            items: list[Any] = answer.content["items"] or []
            self._slices = {item["metadata"]["name"]: item for item in items}
            self._version = str(answer.content["metadata"]["resourceVersion"])
        except (KeyError, TypeError) as error:
            text = f"{self._name}: {self._url} answers without {error}"
            raise SourceFailed(text, reason="answer", source=self._name) from None

    async def _watch(self, version: str, timeout: float) -> bool:
        """Follow the first change after a version; return False after a silence or a gap."""
        more = {"watch": "1", "resourceVersion": version, "allowWatchBookmarks": "true"}
        seconds = {"timeoutSeconds": str(round(self._config.wait))}
        lines = self._api.lines(
            "GET",
            self._url,
            params={**self._params(), **more, **seconds},
            headers=self._headers(),
            timeout=timeout,
            patience=self._config.wait,
        )
        try:
            async with aclosing(lines):
                async for event in lines:
                    if event.get("type") == "ERROR":
                        return False
                    if self._follow(event):
                        return True
        except SourceFailed as error:
            if error.status != GONE:
                raise
        return False

    def _follow(self, event: Mapping[str, Any]) -> bool:
        """Apply a change; return whether it is one."""
        item = cast("Mapping[str, Any]", event["object"])
        self._version = str(item["metadata"]["resourceVersion"])
        if event["type"] == "BOOKMARK":
            return False
        if event["type"] == "DELETED":
            self._slices.pop(item["metadata"]["name"], None)
        else:
            self._slices[item["metadata"]["name"]] = item
        return True

    def _params(self) -> dict[str, str]:
        return {"labelSelector": f"kubernetes.io/service-name={self._config.service}"}

    def _headers(self) -> dict[str, str]:
        token = self._config.bearer
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _masked(self, text: str) -> str:
        token = self._config.bearer
        return self._config.masked(text).replace(token, "***") if token else text

    async def close(self) -> None:
        """Close the connections to the cluster."""
        await self._api.close()


# Made by tools/derive_sync.py from the definitions above; edit those.


class KubernetesSource(Source):
    """Lists the EndpointSlices of a service, and watches them. Safe for threads.

    Everything is listed again when the watch is too old to go on (status 410), and after `wait` seconds
    of silence. The id of an endpoint is the name of its pod and the port.

    Arguments:
        config: which service of which cluster.
    """

    interval = 0.0

    def __init__(self, config: KubernetesSourceConfig) -> None:
        refuse_other(config, KubernetesSourceConfig, 'service="web"')
        need("httpx", "kubernetes")
        self._config = config
        space = config.space
        self._name = f"kubernetes {space}/{config.service}"
        self._url = f"{config.server}/apis/discovery.k8s.io/v1/namespaces/{space}/endpointslices"
        self._api = HttpApi(self._name, config.trusted, self._masked)
        self._slices: dict[str, Mapping[str, Any]] = {}
        self._version = ""  # resource version that is known; "": list again

    @property
    def name(self) -> str:
        """The name of this source in errors, events and metrics."""
        return self._name

    @property
    def wait(self) -> float:  # type: ignore[override]  # read-only here: it follows from what is known
        """Seconds that the source waits for a change."""
        return self._config.wait if self._version else 0.0

    def fetch(self, timeout: float) -> Iterable[Endpoint]:
        """Wait for a change, and return the endpoints."""
        version, self._version = self._version, ""
        changed = bool(version) and self._watch(version, timeout)
        if not changed:
            self._list(timeout)
        try:
            return _endpoints_in(self._slices.values(), self._config, self._name)
        except InvalidEndpoint as error:
            raise error.told_by(self._name) from None

    def _list(self, timeout: float) -> None:
        answer = self._api.ask(
            "GET",
            self._url,
            params=self._params(),
            headers=self._headers(),
            timeout=timeout,
            patience=timeout,
        )
        try:
            items: list[Any] = answer.content["items"] or []
            self._slices = {item["metadata"]["name"]: item for item in items}
            self._version = str(answer.content["metadata"]["resourceVersion"])
        except (KeyError, TypeError) as error:
            text = f"{self._name}: {self._url} answers without {error}"
            raise SourceFailed(text, reason="answer", source=self._name) from None

    def _watch(self, version: str, timeout: float) -> bool:
        """Follow the first change after a version; return False after a silence or a gap."""
        more = {"watch": "1", "resourceVersion": version, "allowWatchBookmarks": "true"}
        seconds = {"timeoutSeconds": str(round(self._config.wait))}
        lines = self._api.lines(
            "GET",
            self._url,
            params={**self._params(), **more, **seconds},
            headers=self._headers(),
            timeout=timeout,
            patience=self._config.wait,
        )
        try:
            with closing(lines):
                for event in lines:
                    if event.get("type") == "ERROR":
                        return False
                    if self._follow(event):
                        return True
        except SourceFailed as error:
            if error.status != GONE:
                raise
        return False

    def _follow(self, event: Mapping[str, Any]) -> bool:
        """Apply a change; return whether it is one."""
        item = cast("Mapping[str, Any]", event["object"])
        self._version = str(item["metadata"]["resourceVersion"])
        if event["type"] == "BOOKMARK":
            return False
        if event["type"] == "DELETED":
            self._slices.pop(item["metadata"]["name"], None)
        else:
            self._slices[item["metadata"]["name"]] = item
        return True

    def _params(self) -> dict[str, str]:
        return {"labelSelector": f"kubernetes.io/service-name={self._config.service}"}

    def _headers(self) -> dict[str, str]:
        token = self._config.bearer
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _masked(self, text: str) -> str:
        token = self._config.bearer
        return self._config.masked(text).replace(token, "***") if token else text

    def close(self) -> None:
        """Close the connections to the cluster."""
        self._api.close()
