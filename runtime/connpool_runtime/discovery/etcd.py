"""Endpoints from the keys under a prefix in etcd, through its HTTP gateway (extra `etcd-discovery`).

Who serves puts its key with a lease, so that it goes when the server does.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from contextlib import aclosing, closing
from dataclasses import dataclass
from typing import Any, cast

from connpool_runtime._extras import need
from connpool_runtime.connectors.config.addresses import Endpoints
from connpool_runtime.connectors.config.errors import InvalidConfig
from connpool_runtime.connectors.config.fields import Duration, Secret, Text
from connpool_runtime.connectors.config.record import Record, Section
from connpool_runtime.connectors.config.tls import TLS
from connpool_runtime.discovery.endpoint import Endpoint
from connpool_runtime.discovery.errors import InvalidEndpoint, SourceFailed
from connpool_runtime.discovery.http_api import AsyncHttpApi, HttpApi
from connpool_runtime.discovery.source import AsyncSource, Source, refuse_other

__all__ = ["AsyncEtcdSource", "EtcdSource", "EtcdSourceConfig"]


@dataclass(kw_only=True)
class EtcdSourceConfig(Record):
    """Which keys of which etcd. The value of each is an address, or the fields of an `Endpoint` as JSON.

    Arguments:
        prefix: what the keys begin with, such as `/services/web/`; the rest of a key is the endpoint's id.
        endpoints: `host:port` of the members of etcd; when one fails the next is asked.
        username: for authentication; together with `password`.
        password: for authentication.
        wait: for how long a change is waited for before all keys are read again: a watch that is silent
            may be one that has died.
        tls: TLS settings; None is plain HTTP.

    Raises:
        InvalidConfig: a value is not allowed.
    """

    prefix: Text = Text()
    endpoints: Endpoints = Endpoints()
    username: Text = Text()
    password: Secret = Secret()
    wait: Duration = Duration(30.0, reloadable=True)
    tls: Section[TLS] = Section(TLS)

    def __post_init__(self) -> None:
        if self.prefix is None:
            raise InvalidConfig("prefix", "None", "what the keys begin with")
        if not self.endpoints:
            raise InvalidConfig("endpoints", "()", "at least one address")
        if (self.username is None) != (self.password is None):
            missing, given = ("password", "username") if self.username else ("username", "password")
            raise InvalidConfig(missing, "None", f"given together with {given}")


def _end_of(prefix: bytes) -> bytes:
    """Return the first key after all keys that begin with a prefix."""
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes([kept[-1] + 1]) if kept else b"\0"


def _text(value: bytes) -> str:
    return b64encode(value).decode()


def _endpoints_in(answer: Mapping[str, Any], prefix: str, name: str) -> list[Endpoint]:
    """Return the endpoints in an answer.

    Raises:
        InvalidEndpoint: one is not as it must be.
    """
    found: list[Endpoint] = []
    for pair in answer.get("kvs") or ():
        key = b64decode(pair["key"]).decode(errors="replace")
        known = key.removeprefix(prefix).strip("/") or key
        value = b64decode(pair.get("value") or "").decode(errors="replace").strip()
        try:
            fields: object = json.loads(value) if value.startswith("{") else {"address": value}
        except ValueError:
            raise InvalidEndpoint(
                "the value", repr(value), "an address, or JSON", endpoint=known, source=name
            ) from None
        try:
            found.append(Endpoint.of({"id": known, **cast("dict[str, Any]", fields)}))
        except InvalidEndpoint as error:
            raise error.told_by(name, known) from None
    return found


class AsyncEtcdSource(AsyncSource):
    """Reads the keys under a prefix, and watches them. For the tasks of one event loop.

    All keys are read again after each change, after a compaction, after `wait` seconds of silence, and
    whenever the watch ends: an event of the watch only means that it is time to read them.

    Arguments:
        config: which keys of which etcd.
    """

    interval = 0.0

    def __init__(self, config: EtcdSourceConfig) -> None:
        refuse_other(config, EtcdSourceConfig, 'prefix="/web/", endpoints="etcd-1:2379"')
        need("httpx", "etcd-discovery")
        self._config = config
        self._api = AsyncHttpApi(self.name, config.tls, config.masked)
        self._turn = 0  # index of the member of the etcd cluster that is asked
        self._revision = 0  # last revision read; 0: do not wait for a change
        self._token: str | None = None
        prefix = cast("str", config.prefix).encode()
        self._range = {"key": _text(prefix), "range_end": _text(_end_of(prefix))}

    @property
    def name(self) -> str:
        """The name of this source in errors, events and metrics."""
        return f"etcd {self._config.prefix}"

    @property
    def wait(self) -> float:  # type: ignore[override]  # read-only here: it follows from what is known
        """Seconds that the source waits for a change."""
        return self._config.wait if self._revision else 0.0

    async def fetch(self, timeout: float) -> Iterable[Endpoint]:
        """Wait for a change, and read all keys."""
        share = timeout / (len(self._config.endpoints) + 1)
        revision, self._revision = self._revision, 0
        if revision:
            try:
                await self._change_after(revision, share)
            except SourceFailed:
                self._turn += 1  # the next request will show whether the cluster fails
        failure: SourceFailed | None = None
        for _ in self._config.endpoints:
            try:
                answer = await self._post("kv/range", self._range, share)
            except SourceFailed as error:
                failure = error
                self._turn += 1
                self._token = None
                continue
            found = _endpoints_in(answer, cast("str", self._config.prefix), self.name)
            self._revision = int(answer["header"]["revision"])
            return found
        assert failure is not None
        raise failure

    async def _change_after(self, revision: int, timeout: float) -> None:
        """Return when a change after a revision is reported, after a silence, or when the watch ends."""
        request = {"create_request": {**self._range, "start_revision": str(revision + 1)}}
        lines = self._api.lines(
            "POST",
            self._url("watch"),
            # A member without a leader then ends the watch instead of keeping silent.
            headers={**await self._credentials(timeout), "Grpc-Metadata-hasleader": "true"},
            body=request,
            timeout=timeout,
            patience=self._config.wait,
        )
        async with aclosing(lines):
            async for line in lines:
                result: Any = line.get("result") or {}
                if result.get("events") or result.get("canceled") or "error" in line:
                    return

    async def _post(self, path: str, body: Mapping[str, Any], timeout: float) -> Mapping[str, Any]:
        answer = await self._api.ask(
            "POST",
            self._url(path),
            headers=await self._credentials(timeout),
            body=body,
            timeout=timeout,
            patience=timeout,
        )
        found: Any = answer.content
        if not isinstance(found, dict) or "header" not in found:
            raise SourceFailed(
                f"{self.name}: {self._url(path)} is no etcd", reason="answer", source=self.name
            )
        return cast("Mapping[str, Any]", found)

    async def _credentials(self, timeout: float) -> dict[str, str]:
        """Return the header with a token, after logging in if there is none."""
        config = self._config
        if config.username is None:
            return {}
        if self._token is None:
            answer = await self._api.ask(
                "POST",
                self._url("auth/authenticate"),
                body={"name": config.username, "password": config.password},
                timeout=timeout,
                patience=timeout,
            )
            self._token = str(answer.content["token"])
        return {"Authorization": self._token}

    def _url(self, path: str) -> str:
        endpoints = self._config.endpoints
        scheme = "http" if self._config.tls is None else "https"
        return f"{scheme}://{endpoints[self._turn % len(endpoints)]}/v3/{path}"

    async def close(self) -> None:
        """Close the connections to etcd."""
        await self._api.close()


# Made by tools/derive_sync.py from the definitions above; edit those.


class EtcdSource(Source):
    """Reads the keys under a prefix, and watches them. Safe for threads.

    All keys are read again after each change, after a compaction, after `wait` seconds of silence, and
    whenever the watch ends: an event of the watch only means that it is time to read them.

    Arguments:
        config: which keys of which etcd.
    """

    interval = 0.0

    def __init__(self, config: EtcdSourceConfig) -> None:
        refuse_other(config, EtcdSourceConfig, 'prefix="/web/", endpoints="etcd-1:2379"')
        need("httpx", "etcd-discovery")
        self._config = config
        self._api = HttpApi(self.name, config.tls, config.masked)
        self._turn = 0  # index of the member of the etcd cluster that is asked
        self._revision = 0  # last revision read; 0: do not wait for a change
        self._token: str | None = None
        prefix = cast("str", config.prefix).encode()
        self._range = {"key": _text(prefix), "range_end": _text(_end_of(prefix))}

    @property
    def name(self) -> str:
        """The name of this source in errors, events and metrics."""
        return f"etcd {self._config.prefix}"

    @property
    def wait(self) -> float:  # type: ignore[override]  # read-only here: it follows from what is known
        """Seconds that the source waits for a change."""
        return self._config.wait if self._revision else 0.0

    def fetch(self, timeout: float) -> Iterable[Endpoint]:
        """Wait for a change, and read all keys."""
        share = timeout / (len(self._config.endpoints) + 1)
        revision, self._revision = self._revision, 0
        if revision:
            try:
                self._change_after(revision, share)
            except SourceFailed:
                self._turn += 1  # the next request will show whether the cluster fails
        failure: SourceFailed | None = None
        for _ in self._config.endpoints:
            try:
                answer = self._post("kv/range", self._range, share)
            except SourceFailed as error:
                failure = error
                self._turn += 1
                self._token = None
                continue
            found = _endpoints_in(answer, cast("str", self._config.prefix), self.name)
            self._revision = int(answer["header"]["revision"])
            return found
        assert failure is not None
        raise failure

    def _change_after(self, revision: int, timeout: float) -> None:
        """Return when a change after a revision is reported, after a silence, or when the watch ends."""
        request = {"create_request": {**self._range, "start_revision": str(revision + 1)}}
        lines = self._api.lines(
            "POST",
            self._url("watch"),
            # A member without a leader then ends the watch instead of keeping silent.
            headers={**self._credentials(timeout), "Grpc-Metadata-hasleader": "true"},
            body=request,
            timeout=timeout,
            patience=self._config.wait,
        )
        with closing(lines):
            for line in lines:
                result: Any = line.get("result") or {}
                if result.get("events") or result.get("canceled") or "error" in line:
                    return

    def _post(self, path: str, body: Mapping[str, Any], timeout: float) -> Mapping[str, Any]:
        answer = self._api.ask(
            "POST",
            self._url(path),
            headers=self._credentials(timeout),
            body=body,
            timeout=timeout,
            patience=timeout,
        )
        found: Any = answer.content
        if not isinstance(found, dict) or "header" not in found:
            raise SourceFailed(
                f"{self.name}: {self._url(path)} is no etcd", reason="answer", source=self.name
            )
        return cast("Mapping[str, Any]", found)

    def _credentials(self, timeout: float) -> dict[str, str]:
        """Return the header with a token, after logging in if there is none."""
        config = self._config
        if config.username is None:
            return {}
        if self._token is None:
            answer = self._api.ask(
                "POST",
                self._url("auth/authenticate"),
                body={"name": config.username, "password": config.password},
                timeout=timeout,
                patience=timeout,
            )
            self._token = str(answer.content["token"])
        return {"Authorization": self._token}

    def _url(self, path: str) -> str:
        endpoints = self._config.endpoints
        scheme = "http" if self._config.tls is None else "https"
        return f"{scheme}://{endpoints[self._turn % len(endpoints)]}/v3/{path}"

    def close(self) -> None:
        """Close the connections to etcd."""
        self._api.close()
