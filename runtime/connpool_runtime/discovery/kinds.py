"""The kinds of sources by name, for files and URLs; each is imported when it is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any, Self, cast
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from connpool_runtime.connectors.config.errors import InvalidConfig, UnknownField
from connpool_runtime.connectors.config.record import Record
from connpool_runtime.discovery.endpoint import Endpoint, snapshot_of
from connpool_runtime.discovery.settings import DiscoveryOptions, DiscoverySettings
from connpool_runtime.discovery.source import AsyncSource, Source
from connpool_runtime.options.parsing import parse, read
from connpool_runtime.options.schema import Schema, schema_of
from connpool_runtime.options.validation import nearest

__all__ = [
    "SOURCES",
    "DiscoveryConfig",
    "async_source_of",
    "discovery_schema",
    "fields_of_url",
    "source_config_class",
    "source_of",
]

SOURCES: Mapping[str, str] = {
    "consul": "Consul",
    "dns": "Dns",
    "etcd": "Etcd",
    "file": "File",
    "kubernetes": "Kubernetes",
    "static": "Static",
}
"""What the names of a kind's classes begin with; its module is named as the kind."""


@dataclass(frozen=True, slots=True)
class DiscoveryConfig:
    """A source with the options of following it, as plain data gives them. Immutable; its `repr` shows no secret.

    Attributes:
        kind: of the source.
        source: its config; of the kind `static` the endpoints.
        options: those of `discover`; see `DiscoverySettings`.
    """

    kind: str
    source: Record | tuple[Endpoint, ...]
    options: Mapping[str, Any]

    @classmethod
    def of(cls, given: str | Mapping[str, Any], place: str = "discovery") -> Self:
        """Read a URL, or plain data with the `kind` of the source, its fields, and options of discovery.

        Arguments:
            given: such as `consul://127.0.0.1:8500/web?tags=v2`, or {"kind": "consul", "service": "web"}.
            place: where it is from, for errors.

        Raises:
            InvalidConfig: there is no such kind, or a value is not allowed; the message has the nearest name.
            InvalidEndpoint: an endpoint of the kind `static` is not as it must be.
        """
        values = fields_of_url(given) if isinstance(given, str) else dict(given)
        kind = values.pop("kind", None)
        config = source_config_class(kind)
        options = _options_in(values, place)
        rest = {name: value for name, value in values.items() if name not in options}
        if config is not None:
            return cls(kind, _read(config, rest, place), MappingProxyType(options))
        for name in rest.keys() - {"endpoints"}:
            raise UnknownField(f"{place}.{name}", "option", nearest(name, ["endpoints"]))
        if "endpoints" not in rest:
            raise InvalidConfig(f"{place}.endpoints", "None", "a list of endpoints")
        return cls(kind, snapshot_of(rest["endpoints"], place), MappingProxyType(options))

    @property
    def discovery_options(self) -> DiscoveryOptions:
        """The options, as keyword arguments of `discover`."""
        return cast("DiscoveryOptions", dict(self.options))

    def open(self) -> Source:
        """Return the source, for threads."""
        return cast("Source", _class_of(self.kind, "{}Source")(self.source))

    def open_async(self) -> AsyncSource:
        """Return the source, for tasks."""
        return cast("AsyncSource", _class_of(self.kind, "Async{}Source")(self.source))


def source_of(given: str | Mapping[str, Any]) -> Source:
    """Return the source that a URL, or plain data with its `kind`, describes.

    Arguments:
        given: such as `consul://127.0.0.1:8500/web?tags=v2`, or {"kind": "consul", "service": "web"}.

    Raises:
        InvalidConfig: there is no such kind, or a value is not allowed; the message has the nearest name.
    """
    return DiscoveryConfig.of(given, "source").open()


def async_source_of(given: str | Mapping[str, Any]) -> AsyncSource:
    """Return the same for tasks; see `source_of`."""
    return DiscoveryConfig.of(given, "source").open_async()


def source_config_class(kind: object) -> type[Record] | None:
    """Return the class of configs of a kind; None for `static`, which has none.

    Raises:
        InvalidConfig: there is no such kind; the message has the nearest.
    """
    _check(kind)
    return None if kind == "static" else _class_of(kind, "{}SourceConfig")


def discovery_schema() -> Schema:
    """Return the JSON schema of what `DiscoveryConfig.of` reads, for editors and for checks."""
    options = schema_of(DiscoverySettings)["properties"]
    forms: list[Schema] = [{"type": "string", "minLength": 1}]
    for kind in SOURCES:
        record = source_config_class(kind)
        fields = (
            {"endpoints": {"type": "array"}} if record is None else record.schema()["properties"]
        )
        properties = {"kind": {"const": kind}, **fields, **options}
        forms.append(
            {
                "type": "object",
                "properties": properties,
                "required": ["kind"],
                "additionalProperties": False,
            }
        )
    return {"anyOf": forms}


def _options_in(values: Mapping[str, Any], place: str) -> dict[str, Any]:
    known = DiscoverySettings.declared
    options: dict[str, Any] = {}
    for name, value in values.items():
        if name in known:
            rule = known[name].rule
            options[name] = read(rule, value)
            if value is not None and not rule.accepts(options[name]):
                raise InvalidConfig(f"{place}.{name}", repr(value), rule.words)
    return options


def _read(config: type[Record], values: Mapping[str, Any], place: str) -> Record:
    known = [*config.fields, *DiscoverySettings.declared]
    for name in values:
        if name not in config.fields:
            raise UnknownField(f"{place}.{name}", "option", nearest(str(name), known))
    try:
        return config.from_mapping(values)
    except InvalidConfig as error:
        raise error.inside(place) from None


def _check(kind: object) -> None:
    if not isinstance(kind, str) or kind not in SOURCES:
        raise InvalidConfig("kind", repr(kind), f"a kind of source; {nearest(str(kind), SOURCES)}")


def _class_of(kind: object, form: str) -> Any:
    module = import_module(f"connpool_runtime.discovery.{kind}")
    return getattr(module, form.format(SOURCES[str(kind)]))


def fields_of_url(url: str) -> dict[str, Any]:
    """Return the fields that a URL gives, and its `kind`, as a file would hold them.

    Raises:
        InvalidConfig: there is no such kind of source, or a part of the URL is not allowed.
    """
    parts = urlsplit(url)
    if not parts.scheme or parts.scheme not in SOURCES:
        known = ", ".join(f"{kind}://" for kind in SOURCES)
        hint = nearest(parts.scheme, SOURCES) if parts.scheme else "it has no scheme"
        raise InvalidConfig("the URL of a source", repr(_shown(parts)), f"one of {known} ({hint})")
    values: dict[str, Any] = {"kind": parts.scheme, **_PLACES[parts.scheme](parts)}
    record, options = source_config_class(parts.scheme), DiscoverySettings.declared
    for name, text in parse_qsl(parts.query, keep_blank_values=True):
        field = None if record is None else record.fields.get(name)
        if field is not None:
            values[name] = field.parse(text)
        else:
            values[name] = parse(options[name].rule, text) if name in options else text
    return {name: value for name, value in values.items() if value not in (None, "")}


def _shown(parts: SplitResult) -> str:
    """Return a URL with everything that may be secret masked."""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _of_dns(parts: SplitResult) -> dict[str, Any]:
    try:
        return {"name": parts.hostname, "port": parts.port}
    except ValueError:
        raise InvalidConfig("port", repr(parts.netloc), "between 1 and 65535") from None


_PLACES: Mapping[str, Callable[[SplitResult], dict[str, Any]]] = {
    "consul": lambda url: {"address": url.netloc, "service": unquote(url.path.strip("/"))},
    "dns": _of_dns,
    "etcd": lambda url: {"endpoints": url.netloc, "prefix": unquote(url.path)},
    "file": lambda url: {"path": unquote(url.netloc + url.path)},
    "kubernetes": lambda url: {"namespace": url.netloc, "service": unquote(url.path.strip("/"))},
    "static": lambda url: {"endpoints": url.netloc.split(",")},
}
