"""Endpoints from Consul's health API (extra `consul`), by blocking queries, so that changes arrive at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from connpool_runtime._extras import need
from connpool_runtime.connectors.config.errors import InvalidConfig
from connpool_runtime.connectors.config.fields import Choice, Duration, Flag, Secret, Text, Texts
from connpool_runtime.connectors.config.record import Section
from connpool_runtime.connectors.config.tls import TLS
from connpool_runtime.discovery.endpoint import Endpoint, fitting_weights
from connpool_runtime.discovery.errors import SourceFailed
from connpool_runtime.discovery.http_api import AsyncHttpApi, HttpApi
from connpool_runtime.discovery.metadata_keys import MetadataKeys, read_metadata
from connpool_runtime.discovery.source import AsyncSource, Source, refuse_other

__all__ = ["AsyncConsulSource", "ConsulSource", "ConsulSourceConfig"]

LONGEST_WAIT = 600.0  # seconds; Consul itself waits no longer


@dataclass(kw_only=True)
class ConsulSourceConfig(MetadataKeys):
    """Which service of which Consul. Zone, priority and weight of an instance may be in its metadata.

    Arguments:
        service: the name of the service.
        address: `host:port` of the agent.
        tags: which tags an instance must have, all of them.
        passing: whether an instance gets calls only if all of its checks pass; if not, those with a
            warning do, too, with the weight that they have for that.
        datacenter: which; None is the agent's own.
        near: sorts by the round trip from a node; `_agent` is the agent's own.
        namespace: which; of Consul Enterprise.
        token: of the access control.
        consistency: whether any server may answer (`stale`), the leader (`default`), or the leader after
            asking the others (`consistent`).
        wait: for how long Consul waits for a change before it answers the same again; up to 10 minutes.
        weight_key: name in the metadata of an instance for its weight; it goes before Consul's own.
        zone_key: name in the metadata of an instance, or of its node, for its zone.
        priority_key: name in the metadata of an instance for its priority.
        tls: TLS settings; None is plain HTTP.

    Raises:
        InvalidConfig: a value is not allowed.
    """

    service: Text = Text()
    address: Text = Text("127.0.0.1:8500")
    tags: Texts = Texts()
    passing: Flag = Flag(True)
    datacenter: Text = Text()
    near: Text = Text()
    namespace: Text = Text()
    token: Secret = Secret()
    consistency: Choice = Choice("default", "stale", "consistent")
    wait: Duration = Duration(30.0, reloadable=True)
    tls: Section[TLS] = Section(TLS)

    def __post_init__(self) -> None:
        if self.service is None:
            raise InvalidConfig("service", "None", "the name of a service")
        if "://" in str(self.address):
            allowed = "host:port; `tls` says whether it is HTTPS"
            raise InvalidConfig("address", repr(self.address), allowed)
        if not 0 < self.wait <= LONGEST_WAIT:
            raise InvalidConfig(
                "wait", f"{self.wait:g}", f"above 0, and {LONGEST_WAIT:g} s at most"
            )


def _instances(answer: object, config: ConsulSourceConfig, name: str) -> list[Endpoint]:
    """Return the endpoints in an answer of the health API.

    Raises:
        SourceFailed: it is no such answer.
        InvalidEndpoint: an instance is not as it must be.
    """
    if not isinstance(answer, list):
        raise SourceFailed(f"{name}: the answer is no list", reason="answer", source=name)
    found: list[tuple[dict[str, Any], int]] = []
    for entry in cast("list[object]", answer):
        try:
            instance = _instance(cast("Mapping[str, Any]", entry), config, name)
        except (KeyError, TypeError, AttributeError) as error:
            text = f"{name}: an instance in the answer lacks {error}"
            raise SourceFailed(text, reason="answer", source=name) from None
        if instance is not None:
            found.append(instance)
    weights = fitting_weights(weight for _, weight in found)
    return [
        Endpoint.of({"weight": weight, **fields})
        for (fields, _), weight in zip(found, weights, strict=True)
    ]


def _instance(
    entry: Mapping[str, Any], config: ConsulSourceConfig, name: str
) -> tuple[dict[str, Any], int] | None:
    """Return the fields of an endpoint and Consul's own weight; None if the instance must not get calls."""
    service, node = entry["Service"], entry["Node"]
    checks: list[Any] = entry.get("Checks") or []
    status = {str(check.get("Status")) for check in checks}
    if status - {"passing", "warning"}:
        return None
    own: Any = service.get("Weights") or {}
    weight: Any = own.get("Warning" if "warning" in status else "Passing", 1)
    if not weight:  # an operator has put it into maintenance
        return None
    known = f"{node['Node']}/{service['ID']}"
    host = service.get("Address") or node["Address"]
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    own_meta: Any = service.get("Meta") or {}
    node_meta: Any = node.get("Meta") or {}
    metadata = {str(key): str(value) for key, value in own_meta.items()}
    said = read_metadata(config, {**node_meta, **metadata}, known, name)
    return {
        "id": known,
        "address": f"{host}:{service['Port']}",
        "tags": service.get("Tags") or (),
        "metadata": metadata,
        **said,
    }, int(weight)


def _next_index(text: str | None, index: int) -> int:
    """Return the index to wait for a change of: 0, which does not wait, if the given one went back."""
    found = int(text) if text and text.isdigit() else 0
    return found if found >= index else 0


class AsyncConsulSource(AsyncSource):
    """Requests the healthy instances of a service from the agent. For the tasks of one event loop.

    The id of an endpoint is `node/service id`, as Consul's own ids are unique on a node only.

    Arguments:
        config: which service of which Consul.
    """

    interval = 0.0

    def __init__(self, config: ConsulSourceConfig) -> None:
        refuse_other(config, ConsulSourceConfig, 'service="web"')
        need("httpx", "consul")
        self._config = config
        self._api = AsyncHttpApi(self.name, config.tls, config.masked)
        self._index = 0

    @property
    def name(self) -> str:
        """The name of this source in errors, events and metrics."""
        return f"consul {self._config.address} {self._config.service}"

    @property
    def wait(self) -> float:  # type: ignore[override]  # read-only here: it follows from what is known
        """Seconds that Consul may wait for a change: up to a sixteenth longer, so that requests do not coincide."""
        return self._config.wait * (1 + 1 / 16) if self._index else 0.0

    async def fetch(self, timeout: float) -> Iterable[Endpoint]:
        """Wait for a change, and return the instances."""
        config = self._config
        index, self._index = self._index, 0  # after an error, ask without waiting
        scheme = "http" if config.tls is None else "https"
        answer = await self._api.ask(
            "GET",
            f"{scheme}://{config.address}/v1/health/service/{config.service}",
            params=self._params(index),
            headers={"X-Consul-Token": config.token} if config.token else None,
            timeout=timeout,
            patience=timeout + (config.wait * (1 + 1 / 16) if index else 0.0),
        )
        found = _instances(answer.content, config, self.name)
        self._index = _next_index(answer.headers.get("X-Consul-Index"), index)
        return found

    def _params(self, index: int) -> list[tuple[str, Any]]:
        config = self._config
        given = [
            ("passing", "true" if config.passing else None),
            ("dc", config.datacenter),
            ("near", config.near),
            ("ns", config.namespace),
            ("index", index or None),
            ("wait", f"{round(config.wait * 1000)}ms" if index else None),
            *(("tag", tag) for tag in config.tags),
        ]
        params = [(key, value) for key, value in given if value is not None]
        return params if config.consistency == "default" else [*params, (config.consistency, "")]

    async def close(self) -> None:
        """Close the connections to the agent."""
        await self._api.close()


# Made by tools/derive_sync.py from the definitions above; edit those.


class ConsulSource(Source):
    """Requests the healthy instances of a service from the agent. Safe for threads.

    The id of an endpoint is `node/service id`, as Consul's own ids are unique on a node only.

    Arguments:
        config: which service of which Consul.
    """

    interval = 0.0

    def __init__(self, config: ConsulSourceConfig) -> None:
        refuse_other(config, ConsulSourceConfig, 'service="web"')
        need("httpx", "consul")
        self._config = config
        self._api = HttpApi(self.name, config.tls, config.masked)
        self._index = 0

    @property
    def name(self) -> str:
        """The name of this source in errors, events and metrics."""
        return f"consul {self._config.address} {self._config.service}"

    @property
    def wait(self) -> float:  # type: ignore[override]  # read-only here: it follows from what is known
        """Seconds that Consul may wait for a change: up to a sixteenth longer, so that requests do not coincide."""
        return self._config.wait * (1 + 1 / 16) if self._index else 0.0

    def fetch(self, timeout: float) -> Iterable[Endpoint]:
        """Wait for a change, and return the instances."""
        config = self._config
        index, self._index = self._index, 0  # after an error, ask without waiting
        scheme = "http" if config.tls is None else "https"
        answer = self._api.ask(
            "GET",
            f"{scheme}://{config.address}/v1/health/service/{config.service}",
            params=self._params(index),
            headers={"X-Consul-Token": config.token} if config.token else None,
            timeout=timeout,
            patience=timeout + (config.wait * (1 + 1 / 16) if index else 0.0),
        )
        found = _instances(answer.content, config, self.name)
        self._index = _next_index(answer.headers.get("X-Consul-Index"), index)
        return found

    def _params(self, index: int) -> list[tuple[str, Any]]:
        config = self._config
        given = [
            ("passing", "true" if config.passing else None),
            ("dc", config.datacenter),
            ("near", config.near),
            ("ns", config.namespace),
            ("index", index or None),
            ("wait", f"{round(config.wait * 1000)}ms" if index else None),
            *(("tag", tag) for tag in config.tags),
        ]
        params = [(key, value) for key, value in given if value is not None]
        return params if config.consistency == "default" else [*params, (config.consistency, "")]

    def close(self) -> None:
        """Close the connections to the agent."""
        self._api.close()
