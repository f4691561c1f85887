"""What a manager knows of each service: where its servers are, and how its pool is to be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self, cast

from connpool_runtime._validation import nearest
from connpool_runtime.connectors.config import files
from connpool_runtime.connectors.config.base import ConnectorConfig
from connpool_runtime.connectors.config.errors import InvalidConfig, UnknownField
from connpool_runtime.connectors.kinds import (
    KINDS,
    async_connector_of,
    config_class,
    config_of,
    connector_of,
)
from connpool_runtime.discovery.connector_endpoint import DISCOVERED
from connpool_runtime.discovery.kinds import DiscoveryConfig, discovery_schema
from connpool_runtime.options.plain import read
from connpool_runtime.options.schema import Schema, schema_of
from connpool_runtime.options.stated import options_of
from connpool_runtime.pool.async_pool import AsyncPool
from connpool_runtime.pool.pool import Pool
from connpool_runtime.settings import PoolOptions, PoolSettings

__all__ = ["ServiceConfig", "open_async_pool", "open_pool", "read_services", "services_schema"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceConfig:
    """One service. Nothing in it is shared with that of another, and nobody can change it.

    Arguments:
        name: of the service, and of its pool in errors and stats.
        connector: where its servers are, and how to connect to them.
        options: of its pool; see `PoolSettings`.
        discovery: what tells where its servers are, in the place of the connector's endpoints; None if
            nothing does.

    Raises:
        UnknownField: there is no such option; the message has the nearest.
        ValueError: an option is not allowed; the message names service and option.
    """

    name: str
    connector: ConnectorConfig
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    discovery: DiscoveryConfig | None = None

    def __post_init__(self) -> None:
        options = _read_options(self.options, f"{self.name}.pool")
        try:
            PoolSettings.of(options)
        except ValueError as error:
            raise ValueError(f"service {self.name!r}: {error}") from error
        object.__setattr__(self, "options", MappingProxyType(options))

    @property
    def pool_options(self) -> PoolOptions:
        """The options, to be given to a pool or a wrapper as keyword arguments."""
        return cast("PoolOptions", dict(self.options))

    @classmethod
    def from_mapping(cls, name: str, values: Mapping[str, Any]) -> Self:
        """Make one from plain data: the connector's fields with its `kind`, the pool's under `pool`, and
        under `discovery` a source of endpoints, as its URL or its fields with its `kind`.

        Raises:
            UnknownField: a key is unknown; the message has the nearest.
            InvalidConfig: a value is not allowed.
        """
        rest = dict(values)
        options: object = rest.pop("pool", {})
        if not isinstance(options, Mapping):
            raise InvalidConfig(f"{name}.pool", repr(options), "a mapping of options")
        given: Any = rest.pop("discovery", None)
        discovery = None if given is None else _read_discovery(given, f"{name}.discovery")
        if discovery is not None and "endpoints" not in rest:
            rest["endpoints"] = _stand_in(rest.get("kind"))
        try:
            connector = config_of(rest)
        except InvalidConfig as error:
            raise error.inside(name) from None
        return cls(
            name=name,
            connector=connector,
            options=cast("Mapping[str, Any]", options),
            discovery=discovery,
        )


def _read_discovery(given: object, place: str) -> DiscoveryConfig:
    if not isinstance(given, (str, Mapping)):
        raise InvalidConfig(place, repr(given), "the URL of a source, or a mapping of its fields")
    return DiscoveryConfig.of(cast("str | Mapping[str, Any]", given), place)


def _stand_in(kind: object) -> str:
    """Return what stands for the endpoints of a connector that are all discovered."""
    schemes: tuple[str, ...] = getattr(config_class(kind).fields["endpoints"], "schemes", ())
    return f"{schemes[0]}://{DISCOVERED}" if schemes else DISCOVERED


def _read_options(given: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Read the options of a pool, as a file or a program gives them: durations may be texts.

    Raises:
        InvalidConfig: there is no such option, or its value is not allowed.
    """
    known = options_of(PoolSettings)
    options: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            raise UnknownField(f"{place}.{name}", "option", nearest(name, known))
        rule = known[name].rule
        options[name] = read(rule, value)
        if value is not None and not rule.accepts(options[name]):
            raise InvalidConfig(f"{place}.{name}", repr(value), rule.words)
    return options


def read_services(
    path: str | Path, section: str | Iterable[str] = "services"
) -> list[ServiceConfig]:
    """Read services from a JSON, TOML or YAML file: a mapping of their names.

    Arguments:
        path: the file; its ending tells the form.
        section: where in the file, keys with dots between them; "" is the whole file.

    Raises:
        UnknownField: a key is unknown; the message names the service and the nearest key.
        InvalidConfig: a value is not allowed; the message names the service.
        OSError: the file cannot be read.
    """
    found = files.read(path, section)
    for name, values in found.items():
        if not isinstance(values, Mapping):
            raise InvalidConfig(name, repr(values), "a mapping of fields")
    return [ServiceConfig.from_mapping(name, values) for name, values in found.items()]


def services_schema(section: str = "services") -> Schema:
    """Return the JSON schema of a file that `read_services` reads, for editors and for checks.

    Arguments:
        section: where in the file the services are, keys with dots between them; "" is the whole file.
    """
    schema: Schema = {
        "type": "object",
        "additionalProperties": {"oneOf": [_service_schema(kind) for kind in KINDS]},
    }
    for key in reversed(section.split(".") if section else []):
        schema = {"type": "object", "properties": {key: schema}, "required": [key]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _service_schema(kind: str) -> Schema:
    schema = config_class(kind).schema()
    own = {
        "kind": {"const": kind},
        "pool": schema_of(PoolSettings),
        "discovery": discovery_schema(),
    }
    return {
        **schema,
        "properties": {**own, **schema["properties"]},
        "required": ["kind"],
        "anyOf": [{"required": ["endpoints"]}, {"required": ["discovery"]}],
    }


def open_pool(service: ServiceConfig) -> Pool[Any]:
    """Return a pool with a member for each endpoint of a service; it keeps them well by itself.

    Raises:
        ConnectorError: none of them could be connected to. The others, if some could, are tried again.
        DiscoveryTimeout: the source of its endpoints gave no member in time.
    """
    pool: Pool[Any] = Pool(service.name, **service.pool_options)
    try:
        if service.discovery is None:
            pool.add_connector(connector_of(service.connector, name=service.name))
        else:
            pool.discover(
                service.discovery.open(),
                connector_of(service.connector),
                **service.discovery.discovery_options,
            )
    except BaseException:
        pool.close(0.0)
        raise
    return pool


async def open_async_pool(service: ServiceConfig) -> AsyncPool[Any]:
    """Return a pool with a member for each endpoint of a service; it keeps them well by itself.

    Raises:
        ConnectorError: none of them could be connected to. The others, if some could, are tried again.
        DiscoveryTimeout: the source of its endpoints gave no member in time.
    """
    pool: AsyncPool[Any] = AsyncPool(service.name, **service.pool_options)
    try:
        if service.discovery is None:
            await pool.add_connector(async_connector_of(service.connector, name=service.name))
        else:
            await pool.discover(
                service.discovery.open_async(),
                async_connector_of(service.connector),
                **service.discovery.discovery_options,
            )
    except BaseException:
        await pool.close(0.0)
        raise
    return pool
