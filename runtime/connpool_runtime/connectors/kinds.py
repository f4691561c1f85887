"""The kinds of connectors by name, for configs from files; each is imported when it is needed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

from connpool_runtime.connectors.config.base import ConnectorConfig
from connpool_runtime.connectors.config.errors import InvalidConfig
from connpool_runtime.connectors.protocols import AsyncConnector, Connector

__all__ = ["CUSTOM", "KINDS", "async_connector_of", "config_class", "config_of", "connector_of"]

# The prefix of a kind's classes; its module has the name of the kind.
KINDS: Mapping[str, str] = {
    "etcd": "Etcd",
    "grpc": "Grpc",
    "http": "Http",
    "milvus": "Milvus",
    "redis": "Redis",
}

# The kind of a client without a connector here: its config has the common fields, and a program creates its
# connector.
CUSTOM = "custom"


def config_of(values: Mapping[str, Any]) -> ConnectorConfig:
    """Make a config from plain data, whose key `kind` says what it connects to.

    Raises:
        InvalidConfig: no such kind, or a field is not as it must be.
    """
    rest = dict(values)
    kind = rest.pop("kind", None)
    return config_class(kind).from_mapping(rest)


def config_class(kind: object) -> type[ConnectorConfig]:
    """Return the class of configs of a kind.

    Raises:
        InvalidConfig: there is no such kind; the message has the nearest.
    """
    if kind == CUSTOM:
        return ConnectorConfig
    return cast("type[ConnectorConfig]", _class_of(kind, "{}Config"))


def connector_of(config: ConnectorConfig, *, name: str | None = None) -> Connector[Any]:
    """Return the connector for a config of one of the kinds.

    Raises:
        InvalidConfig: the config is of a class of your own: make its connector yourself.
    """
    return cast("Connector[Any]", _class_of(config.kind, "{}Connector")(config, name=name))


def async_connector_of(config: ConnectorConfig, *, name: str | None = None) -> AsyncConnector[Any]:
    """Return the asynchronous connector for a config of one of the kinds.

    Raises:
        InvalidConfig: the config is of a class of your own: make its connector yourself.
    """
    return cast(
        "AsyncConnector[Any]", _class_of(config.kind, "Async{}Connector")(config, name=name)
    )


def _class_of(kind: object, form: str) -> Any:
    if kind == CUSTOM:
        own = ", ".join(KINDS)
        raise InvalidConfig(
            "kind", repr(kind), f"one of {own}: create the connector of a {CUSTOM} service yourself"
        )
    if not isinstance(kind, str) or kind not in KINDS:
        near = difflib.get_close_matches(str(kind), [*KINDS, CUSTOM], n=1)
        allowed = near[0] if near else "one of " + ", ".join([*KINDS, CUSTOM])
        raise InvalidConfig("kind", repr(kind), allowed)
    return getattr(import_module(f"connpool_runtime.connectors.{kind}"), form.format(KINDS[kind]))
