"""The config of one service: where its servers are, and the options of its pool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self, cast

from connpool_runtime.config.middleware import MIDDLEWARE, freeze_middleware, new_middleware
from connpool_runtime.connectors.config.base import ConnectorConfig
from connpool_runtime.connectors.config.errors import InvalidConfig, UnknownField
from connpool_runtime.connectors.kinds import config_class, config_of
from connpool_runtime.discovery.connector_endpoint import DISCOVERED
from connpool_runtime.discovery.kinds import DiscoveryConfig
from connpool_runtime.options.parsing import read
from connpool_runtime.options.validation import nearest
from connpool_runtime.settings import PoolOptions, PoolSettings

__all__ = ["ServiceConfig"]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceConfig:
    """The config of one service. Immutable, and independent of other services' configs.

    Arguments:
        name: of the service, and of its pool in errors and stats.
        connector: where its servers are, and how to connect to them.
        options: of its pool; see `PoolSettings`.
        discovery: the source of its endpoints, instead of the connector's own; None if
            nothing does.
        middleware: what wraps its calls: by name, with true or a mapping of arguments; see `MIDDLEWARE`.

    Raises:
        UnknownField: there is no such option; the message has the nearest.
        ValueError: an option is not allowed; the message names service and option.
    """

    name: str
    connector: ConnectorConfig
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    discovery: DiscoveryConfig | None = None
    middleware: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)

    def __post_init__(self) -> None:
        options = _read_options(self.options, f"{self.name}.pool")
        try:
            PoolSettings.of(options)
        except ValueError as error:
            raise ValueError(f"service {self.name!r}: {error}") from error
        object.__setattr__(self, "options", MappingProxyType(options))
        place = f"{self.name}.middleware"
        for name in self.middleware:
            if name not in MIDDLEWARE:
                raise UnknownField(f"{place}.{name}", "middleware", nearest(name, MIDDLEWARE))
        object.__setattr__(self, "middleware", freeze_middleware(self.middleware, place))

    @property
    def pool_options(self) -> PoolOptions:
        """The options, as keyword arguments of a pool or a wrapper."""
        return cast("PoolOptions", dict(self.options))

    def new_middleware(self) -> dict[str, object]:
        """Create the middleware of the config, by name; for `Pool.set_middleware`.

        Raises:
            InvalidConfig: a library that one of them needs is not installed.
        """
        return new_middleware(self.middleware, f"{self.name}.middleware")

    @classmethod
    def from_mapping(cls, name: str, values: Mapping[str, Any]) -> Self:
        """Make one from plain data: the fields of its connector, and tables for the rest.

        Beside the connector's fields with its `kind` there may be the keys `pool`, `middleware` (by name) and
        `discovery`, which is the URL of a source of endpoints, or its fields with its `kind`.

        Raises:
            UnknownField: a key is unknown; the message has the nearest.
            InvalidConfig: a value is not allowed.
        """
        rest = dict(values)
        options = _mapping(rest.pop("pool", None), f"{name}.pool", "options")
        middleware = _mapping(rest.pop("middleware", None), f"{name}.middleware", "middleware")
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
            options=options,
            discovery=discovery,
            middleware=middleware,
        )


def _mapping(given: object, place: str, of: str) -> Mapping[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidConfig(place, repr(given), f"a mapping of {of}")
    return cast("Mapping[str, Any]", given)


def _read_discovery(given: object, place: str) -> DiscoveryConfig:
    if not isinstance(given, (str, Mapping)):
        raise InvalidConfig(place, repr(given), "the URL of a source, or a mapping of its fields")
    return DiscoveryConfig.of(cast("str | Mapping[str, Any]", given), place)


def _stand_in(kind: object) -> str:
    """Return the stand-in for the endpoints of a connector that are all discovered."""
    schemes: tuple[str, ...] = getattr(config_class(kind).fields["endpoints"], "schemes", ())
    return f"{schemes[0]}://{DISCOVERED}" if schemes else DISCOVERED


def _read_options(given: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Read the options of a pool as a file or a program gives them: durations may be texts.

    Raises:
        InvalidConfig: there is no such option, or its value is not allowed.
    """
    known = PoolSettings.declared
    options: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            raise UnknownField(f"{place}.{name}", "option", nearest(name, known))
        rule = known[name].rule
        options[name] = read(rule, value)
        if value is not None and not rule.accepts(options[name]):
            raise InvalidConfig(f"{place}.{name}", repr(value), rule.words)
    return options
