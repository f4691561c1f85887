"""The base of every connector's config: endpoints, timeouts, health checks, reconnecting; and how it is loaded."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self, cast

from connpool_runtime.connectors.config import files, url_fields
from connpool_runtime.connectors.config.addresses import Endpoints
from connpool_runtime.connectors.config.errors import InvalidConfig, several
from connpool_runtime.connectors.config.fields import Count, Duration, Flag
from connpool_runtime.connectors.config.labels import (
    LabelsByEndpoint,
    endpoints_named,
    for_endpoints,
    of_endpoint,
)
from connpool_runtime.connectors.config.record import Record, from_environment

__all__ = ["ConnectorConfig"]


@dataclass(kw_only=True)
class ConnectorConfig(Record):
    """Where the servers are, and how long to wait for them. One subclass for each kind of server.

    None stands for the default, zero for zero. Durations are seconds, or texts such as "500ms".
    Equal are configs that mean the same: the order and repetition of endpoints does not matter.

    Arguments:
        endpoints: `host:port` of each server, as a list or as one text with commas; or URLs, whose other
            parts say other fields; or `env:NAME`, `file:PATH` for where that is kept.
        connect_timeout: for opening and verifying a client, all endpoints included. gRPC's 20 s is
            too long for a waiting caller.
        health_timeout: for one health check.
        health_interval: between the checks of an idle or ejected member, give or take a fifth; 0 is
            never.
        reconnect: whether a client that stays broken is replaced by a new one.
        reconnect_interval: before the first attempt to replace it; each wait is 1.6 times the last,
            give or take a fifth.
        reconnect_max_interval: what the waits grow to.
        reconnect_attempts: attempts after which we give up.
        labels: of the members: {"role": "replica"} for all endpoints, {"host:port": {"role": "primary"}} for
            one, which goes before those of all.

    Raises:
        InvalidConfig: a value is not allowed.
    """

    kind: ClassVar[str] = "custom"
    # Usual environment variables, with the key paths that they set.
    variables: ClassVar[Mapping[str, str]] = {}

    endpoints: Endpoints = Endpoints()
    connect_timeout: Duration = Duration(5.0)
    health_timeout: Duration = Duration(2.0, reloadable=True)
    health_interval: Duration = Duration(10.0, reloadable=True)
    reconnect: Flag = Flag(True, reloadable=True)
    reconnect_interval: Duration = Duration(1.0, reloadable=True)
    reconnect_max_interval: Duration = Duration(120.0, reloadable=True)
    reconnect_attempts: Count = Count(math.inf, unlimited=True, reloadable=True)
    labels: LabelsByEndpoint = LabelsByEndpoint()

    def __post_init__(self) -> None:
        wrong = [*self._missing(), *self.conflicts()]
        if wrong:
            raise several(wrong)
        self.check()

    def labels_of(self, endpoint: str) -> dict[str, str]:
        """Return the labels of an endpoint's member."""
        return of_endpoint(self.labels, endpoint)

    def check(self) -> None:
        """Refuse values that conflict; for subclasses."""

    def conflicts(self) -> Iterator[InvalidConfig]:
        """Yield an error for each value that conflicts with others."""
        yield from ()

    def _missing(self) -> Iterator[InvalidConfig]:
        if not self.endpoints:
            found = [
                name
                for name, path in self.variables.items()
                if path == "endpoints" and name in os.environ
            ]
            hint = f'; {found[0]} is set: endpoints = "env:{found[0]}" takes it' if found else ""
            yield InvalidConfig("endpoints", "()", f"at least one address{hint}")
        for name in ("connect_timeout", "health_timeout"):
            if getattr(self, name) == 0:
                yield InvalidConfig(name, "0", "more than 0, because no server answers in no time")
        for named in endpoints_named(self.labels):
            if self.endpoints and named not in self.endpoints:
                known = " or ".join(map(repr, self.endpoints))
                allowed = f"labels by name, or by endpoint, which is {known}"
                yield InvalidConfig("labels", repr(named), allowed)

    @classmethod
    def prepared(
        cls, given: Mapping[str, Any], environ: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        """Return the given fields, completed by what URLs among the endpoints say.

        Args:
            given: fields by name.
            environ: the variables that a reference is looked for in; None is `os.environ`.

        Raises:
            InvalidConfig: a URL is not as it must be, or says other things than the fields beside it.
        """
        return url_fields.expanded(cls, given, os.environ if environ is None else environ)

    @classmethod
    def from_url(cls, url: str, **fields: Any) -> Self:
        """Make a config from a URL, or from several separated by commas.

        Args:
            url: such as `rediss://ann:secret@cache:6380/2`; user and password percent-encoded.
            fields: others, by name.

        Raises:
            InvalidConfig: a part of the URL, or a field, is not allowed.
        """
        given: dict[str, Any] = {"endpoints": url, **fields}
        return cls(**given)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **fields: Any) -> Self:
        """Make a config from the environment variables usual for this kind of server, such as `REDIS_URL`.

        Args:
            environ: the variables; None is `os.environ`.
            fields: others, by name; they go before the variables.

        Raises:
            InvalidConfig: none of the variables is set, or one says what is not allowed.
        """
        found = os.environ if environ is None else environ
        values = merged(url_fields.of_variables(cls, found), fields)
        if not values.get("endpoints"):
            known = [name for name, path in cls.variables.items() if path == "endpoints"]
            allowed = f"set: {' or '.join(known)}" if known else "given: there is no usual variable"
            raise InvalidConfig("endpoints", "left out", allowed)
        return cls(**url_fields.with_sources(cls, cls.prepared(values, found), found))

    def key(self) -> str:
        """Return a short text that is equal for equal configs, and only for these.

        Every field is in it. The key of a config with secrets differs from process to process.
        """
        meaning = json.dumps([type(self).__qualname__, self.canonical()], sort_keys=True)
        return f"{self.kind}:{hashlib.sha256(meaning.encode()).hexdigest()}"

    def at(self, *endpoints: str) -> Self:
        """Return this config for other endpoints.

        Raises:
            InvalidConfig: there is no endpoint, or one of them is not a valid address.
        """
        there = type(self).fields["endpoints"].checked(endpoints)
        return replace(self, endpoints=there, labels=for_endpoints(self.labels, there))

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        *,
        section: str | Iterable[str] = (),
        env: str = "",
        environ: Mapping[str, str] | None = None,
        **given: Any,
    ) -> Self:
        """Load a config: a file, overridden by the environment, overridden by the arguments.

        Args:
            path: a `.json`, `.toml`, `.yaml` or `.yml` file (YAML needs PyYAML, extra `yaml`).
            section: where in the file: `"services.users"`, or the keys one by one.
            env: what the variables begin with: with `"USERS_"`, `USERS_CONNECT_TIMEOUT` and
                `USERS_TLS_CA_FILE`. Every variable with this prefix must be a field, except for those that
                Kubernetes sets in every container.
            environ: the variables; None is `os.environ`.
            given: fields by name; None does not count as given.

        Raises:
            InvalidConfig: a key is unknown, or a value is not allowed.
            OSError: the file cannot be read.
        """
        variables = os.environ if environ is None else environ
        values = files.read(path, section) if path is not None else {}
        chosen = {name: value for name, value in given.items() if value is not None}
        found: dict[str, Any] = {}
        for layer in (values, from_environment(cls, env, variables) if env else {}, chosen):
            # One layer at a time, because what a URL gives counts as set where the URL is.
            found = merged(found, cls.prepared(layer, variables))
        return cls.from_mapping(url_fields.with_sources(cls, found, variables))


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return two mappings merged group by group, the second overriding the first."""
    both = dict(below)
    for name, value in above.items():
        under: object = both.get(name)
        if isinstance(value, Mapping) and isinstance(under, Mapping):
            both[name] = merged(cast("Mapping[str, Any]", under), cast("Mapping[str, Any]", value))
        else:
            both[name] = value
    return both
