"""Shows a config value by value, each with its origin, defaults included, secrets masked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import Any, cast

from connpool_runtime.config.layers import Layer, value_at
from connpool_runtime.config.problems import KeyPath
from connpool_runtime.config.service import ServiceConfig
from connpool_runtime.config.services import DEFAULTS, service_table
from connpool_runtime.config.tables import Entry, Table
from connpool_runtime.connectors.config.errors import InvalidConfig
from connpool_runtime.connectors.config.masking import MASKED, masked
from connpool_runtime.connectors.config.record import Record
from connpool_runtime.connectors.config.secrets import SecretSource, is_reference
from connpool_runtime.discovery.endpoint import Endpoint

__all__ = ["shown_config", "shown_service"]

_MISSING: Any = object()


def shown_config(
    table: Table, layers: Sequence[Layer], services: str, *, defaults: bool = True
) -> dict[str, Any]:
    """Return every option with its value and its origin: `{"value": 3, "from": "services.toml:12"}`.

    Arguments:
        table: of the whole config.
        layers: what says the options, the lowest first.
        services: the key of the services; "" if they are the whole file.
        defaults: whether options that were not given are included.
    """
    shown = _Shown(layers, services, defaults)
    return cast("dict[str, Any]", shown.table(table, ()) or {})


def shown_service(service: ServiceConfig) -> dict[str, Any]:
    """Return the same for a service that a program has created."""
    connector = service.connector
    data: dict[str, Any] = {"kind": connector.kind, **_held(connector)}
    data["pool"] = dict(service.options)
    data["middleware"] = {
        name: dict(given) if given else True for name, given in service.middleware.items()
    }
    if service.discovery is not None:
        source = service.discovery.source
        fields = (
            _held(source) if isinstance(source, Record) else {"endpoints": _plain_endpoints(source)}
        )
        data["discovery"] = {"kind": service.discovery.kind, **fields, **service.discovery.options}
    layer = Layer(data, lambda _: "program")
    return shown_config(service_table(connector.kind), [layer], "")


def _held(record: Record) -> dict[str, Any]:
    """Return the fields of a record that differ from their defaults."""
    found: dict[str, Any] = {}
    for name, field in record.fields.items():
        value = getattr(record, name)
        if value != field.default:
            found[name] = _held(value) or True if isinstance(value, Record) else value
    return found


def _plain_endpoints(endpoints: Iterable[Endpoint]) -> list[dict[str, Any]]:
    return [endpoint.plain() for endpoint in endpoints]


class _Shown:
    def __init__(self, layers: Sequence[Layer], services: str, defaults: bool) -> None:
        self._layers = layers
        self._services = services
        self._defaults = defaults

    def table(self, table: Table, path: KeyPath) -> object:
        """Show a group, or the value that stands for it; None if there is nothing to show."""
        given, place = self._found(path)
        if isinstance(given, bool):
            return {"value": given, "from": place}
        if given is _MISSING and path and not self._begun(table, path):
            return None
        mapping = given
        if isinstance(given, str) and table.of_text is not None:
            mapping = table.of_text(given)
        try:
            chosen = table.of(self._choice(path, mapping))
        except InvalidConfig:
            return None
        found: dict[str, object] = {}
        for name, node in chosen.entries.items():
            if isinstance(node, Table):
                inner = self.table(node, (*path, name))
            elif node.is_open:
                inner = self._open_group(node, (*path, name))
            else:
                inner = self._entry(node, (*path, name), mapping, place)
            if inner is not None:
                found[name] = inner
        return found

    def _choice(self, path: KeyPath, mapping: object) -> object:
        """Return the given group with its `kind` from all layers, by which the table is chosen."""
        found: dict[str, Any] = (
            dict(cast("Mapping[str, Any]", mapping)) if isinstance(mapping, Mapping) else {}
        )
        kind = self._found((*path, "kind"))[0]
        return found if kind is _MISSING else {**found, "kind": kind}

    def _begun(self, table: Table, path: KeyPath) -> bool:
        """Whether a group that no layer mentions is present with its defaults."""
        return self._defaults and not table.switch and table.choose is None

    def _open_group(self, entry: Entry, path: KeyPath) -> object:
        """Show each of a library's options by itself, since each may come from another layer."""
        found: dict[str, object] = {}
        for layer in self._layers:
            given = value_at(layer.data, path)
            if isinstance(given, Mapping):
                for name, value in cast("Mapping[str, Any]", given).items():
                    shown = _masked(entry, {name: value})
                    each = cast("dict[str, object]", shown)[name]
                    found[name] = {"value": each, "from": layer.place((*path, name))}
        return found or ({"value": {}, "from": "default"} if self._defaults else None)

    def _entry(self, entry: Entry, path: KeyPath, group: object, place: str) -> object:
        value, said = self._found(path)
        if value is _MISSING and isinstance(group, Mapping):  # a URL that gives the whole group
            value, said = cast("Mapping[str, Any]", group).get(entry.name, _MISSING), place
        if value is _MISSING or value is None:
            if not self._defaults or not entry.in_files:
                return None
            return {"value": _plain(entry.default), "from": "default"}
        return {"value": _masked(entry, value), "from": said}

    def _found(self, path: KeyPath) -> tuple[Any, str]:
        for layer in reversed(self._layers):
            value = value_at(layer.data, path, _MISSING)
            if value is not _MISSING and value is not None:
                return value, layer.place(path)
        if self._services and len(path) > 2 and path[0] == self._services:
            shared: KeyPath = (DEFAULTS, *path[2:])
            if path[2] != "discovery" or self._is_discovered(path):
                return self._found(shared)
        return _MISSING, ""

    def _is_discovered(self, path: KeyPath) -> bool:
        own = path[:3]
        return any(value_at(layer.data, own) is not None for layer in self._layers)


def _masked(entry: Entry, value: object) -> object:
    if isinstance(value, SecretSource):
        return value.reference or MASKED
    if entry.outline is not None:
        return entry.outline(value)
    if not entry.secret:
        return _without_user(_plain(value))
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, object]", value).items()
        return {name: each if is_reference(each) else MASKED for name, each in pairs}
    return value if is_reference(value) else MASKED


def _without_user(value: object) -> object:
    """Return an address, or a list of them, without anything that looks like credentials."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, list):
        return [_without_user(each) for each in cast("list[object]", value)]
    return value


def _plain(value: object) -> object:
    """Return a value as JSON can hold it."""
    if value == inf:
        return "unlimited"
    if isinstance(value, tuple):
        return list(cast("tuple[object, ...]", value))
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, object]", value))
    return value
