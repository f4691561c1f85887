"""What differs between two configs, and how much of a running pool has to change for it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from connpool_runtime.config.config import Config
from connpool_runtime.config.service import ServiceConfig
from connpool_runtime.connectors.config.base import ConnectorConfig
from connpool_runtime.connectors.config.fields import MASK
from connpool_runtime.connectors.config.record import Record
from connpool_runtime.discovery.endpoint import Endpoint
from connpool_runtime.discovery.kinds import DiscoveryConfig
from connpool_runtime.discovery.settings import DiscoverySettings
from connpool_runtime.settings import PoolSettings

__all__ = ["ConfigDifference", "ServiceDifference", "difference_of", "service_difference"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDifference:
    """What has to be done about a service whose config has changed.

    Attributes:
        options: whether options of its pool change; they do in place.
        middleware: whether middleware changes; it does in place.
        numbers: whether numbers of its connector change: of health checks and reconnecting.
        clients: whether members need new clients, because they are opened otherwise.
        endpoints: whether the connector has other endpoints.
        source: whether endpoints come from another source.
        following: whether that is followed by other numbers.
        rebuild: whether nothing of the pool can stay.
        sentences: what changes, one sentence each.
    """

    options: bool = False
    middleware: bool = False
    numbers: bool = False
    clients: bool = False
    endpoints: bool = False
    source: bool = False
    following: bool = False
    rebuild: bool = False
    sentences: tuple[str, ...] = ()

    @property
    def reconnects(self) -> bool:
        """Whether the source of clients has changed, and not only the pool's options."""
        return self.numbers or self.clients or self.endpoints or self.source or self.following

    def __bool__(self) -> bool:
        return bool(self.sentences)


@dataclass(frozen=True, slots=True)
class ConfigDifference:
    """The differences between two configs.

    Attributes:
        added: the services that are new.
        removed: the names of those that are gone.
        changed: what is to be done about the others, by name, of those that differ.
        sentences: what changes beside the services.
    """

    added: tuple[ServiceConfig, ...]
    removed: tuple[str, ...]
    changed: Mapping[str, ServiceDifference]
    sentences: tuple[str, ...]


def difference_of(before: Config, after: Config) -> ConfigDifference:
    """Return the differences between two configs."""
    old, new = before.services, after.services
    both = [name for name in new if name in old]
    changed = {name: service_difference(old[name], new[name]) for name in both}
    return ConfigDifference(
        added=tuple(service for name, service in new.items() if name not in old),
        removed=tuple(name for name in old if name not in new),
        changed={name: found for name, found in changed.items() if found},
        sentences=tuple(_of_sections(before, after)),
    )


def _of_sections(before: Config, after: Config) -> Iterator[str]:
    drain = (before.manager.drain_timeout, after.manager.drain_timeout)
    if drain[0] != drain[1]:
        yield f"manager.drain_timeout is {drain[1]:g}, was {drain[0]:g}"
    for name in ("settle", "interval"):
        was, now = getattr(before.reload, name), getattr(after.reload, name)
        if was != now:
            yield f"reload.{name} is {now:g}, was {was:g}"
    fixed = (before.manager.name, before.manager.create_timeout) != (
        after.manager.name,
        after.manager.create_timeout,
    )
    if fixed:
        yield "manager: name and create_timeout stay as they are until the next start"
    if before.metrics != after.metrics:
        yield "metrics stays as it is until the next start"
    if (before.admin, before.admin_options) != (after.admin, after.admin_options):
        yield "admin stays as it is until the next start"


def service_difference(before: ServiceConfig, after: ServiceConfig) -> ServiceDifference:
    """Return what has to be done about one service."""
    name = before.name
    rebuild = type(before.connector) is not type(after.connector) or (
        (before.discovery is None) is not (after.discovery is None)
    )
    options = list(_of_options(f"{name}.pool", _settings(before), _settings(after)))
    fixed = _fixed_options(before, after)
    middleware = list(_of_middleware(name, before.middleware, after.middleware))
    if rebuild or fixed:
        kinds = f"it was {_origin(before)}, not {_origin(after)}"
        reason = kinds if rebuild else f"a pool keeps its {' and '.join(fixed)}"
        sentences = (f"{name} is built anew: {reason}", *options, *middleware)
        return ServiceDifference(rebuild=True, sentences=sentences)
    old, new = before.connector, after.connector
    fields = [one for one in old.fields if _differs(old, new, one) and one != "endpoints"]
    connector = [_of_field(f"{name}.{one}", old, new, one) for one in fields]
    endpoints = _of_endpoints(name, old, new) if before.discovery is None else []
    source: list[str] = []
    following: list[str] = []
    if before.discovery is not None and after.discovery is not None:
        source = list(_of_source(f"{name}.discovery", before.discovery, after.discovery))
        following = list(
            _of_options(
                f"{name}.discovery", _followed(before.discovery), _followed(after.discovery)
            )
        )
    return ServiceDifference(
        options=bool(options),
        middleware=bool(middleware),
        numbers=any(old.fields[one].reloadable for one in fields),
        clients=any(not old.fields[one].reloadable for one in fields),
        endpoints=bool(endpoints),
        source=bool(source),
        following=bool(following),
        sentences=(*connector, *endpoints, *source, *following, *options, *middleware),
    )


def _fixed_options(before: ServiceConfig, after: ServiceConfig) -> list[str]:
    """List the pool options that differ and cannot change in a running pool."""
    old, new = _settings(before), _settings(after)
    stated = PoolSettings.declared
    return [name for name, was in old.items() if was != new[name] and not stated[name].reloadable]


def _origin(service: ServiceConfig) -> str:
    where = "discovered" if service.discovery is not None else "with endpoints"
    return f"{service.connector.kind} {where}"


def _settings(service: ServiceConfig) -> Mapping[str, object]:
    return PoolSettings.of(service.options).options()


def _followed(discovery: DiscoveryConfig) -> Mapping[str, object]:
    return DiscoverySettings.of(discovery.options).options()


def _of_options(
    place: str, before: Mapping[str, object], after: Mapping[str, object]
) -> Iterator[str]:
    for name, was in before.items():
        if after[name] != was:
            yield f"{place}.{name} is {after[name]!r}, was {was!r}"


def _of_middleware(
    name: str, before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    from connpool_runtime.config.middleware import MIDDLEWARE

    for one in after:
        if one not in before:
            yield f"{name}.middleware.{one} is added"
    for one, was in before.items():
        if one not in after:
            yield f"{name}.middleware.{one} is removed"
            continue
        for key in dict.fromkeys((*was, *after[one])):
            if was.get(key) != after[one].get(key):
                secret = key in MIDDLEWARE[one].secret
                values = (_value(each.get(key), secret) for each in (after[one], was))
                yield "{}.middleware.{}.{} is {}, was {}".format(name, one, key, *values)


def _value(value: object, secret: bool) -> str:
    if value is None:
        return "the default"
    return MASK if secret else repr(value)


def _differs(old: Record, new: Record, name: str) -> bool:
    field = old.fields[name]
    return bool(field.canonical(getattr(old, name)) != field.canonical(getattr(new, name)))


def _of_field(place: str, old: Record, new: Record, name: str) -> str:
    field = old.fields[name]
    was, now = getattr(old, name), getattr(new, name)
    if isinstance(was, Record) or isinstance(now, Record):
        return f"{place} changed"
    shown, before = field.show(now), field.show(was)
    if shown == before:
        return f"{place} changed (a secret)" if field.secret else f"{place} changed"
    return f"{place} is {shown}, was {before}"


def _of_endpoints(name: str, old: ConnectorConfig, new: ConnectorConfig) -> list[str]:
    was, now = set(old.endpoints), set(new.endpoints)
    found: list[str] = []
    if now - was:
        found.append(f"{name}.endpoints: {', '.join(sorted(now - was))} added")
    if was - now:
        found.append(f"{name}.endpoints: {', '.join(sorted(was - now))} removed")
    return found


def _of_source(place: str, before: DiscoveryConfig, after: DiscoveryConfig) -> Iterator[str]:
    if before.kind != after.kind:
        yield f"{place} is {after.kind}, was {before.kind}"
    elif isinstance(before.source, Record) and isinstance(after.source, Record):
        for name in before.source.fields:
            if _differs(before.source, after.source, name):
                yield _of_field(f"{place}.{name}", before.source, after.source, name)
    elif before.source != after.source:
        yield from _of_static(place, before.source, after.source)


def _of_static(place: str, before: object, after: object) -> Iterator[str]:
    was = {one.id: one for one in cast("tuple[Endpoint, ...]", before)}
    now = {one.id: one for one in cast("tuple[Endpoint, ...]", after)}
    for name in now:
        if name not in was:
            yield f"{place}.endpoints: {name} added"
        elif was[name] != now[name]:
            yield f"{place}.endpoints: {name} changed"
    for name in was:
        if name not in now:
            yield f"{place}.endpoints: {name} removed"
