"""The kinds of sources by name, for what comes from files and URLs: each is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, cast
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from connpool_runtime._validation import nearest
from connpool_runtime.connectors.config.errors import InvalidConfig, UnknownField
from connpool_runtime.connectors.config.record import Record
from connpool_runtime.discovery.settings import DiscoveryOptions, DiscoverySettings
from connpool_runtime.discovery.source import AsyncSource, Source
from connpool_runtime.options.plain import read
from connpool_runtime.options.stated import options_of

__all__ = ["SOURCES", "async_source_of", "options_in", "source_config_class", "source_of"]

SOURCES: Mapping[str, str] = {
    "consul": "Consul",
    "dns": "Dns",
    "etcd": "Etcd",
    "file": "File",
    "kubernetes": "Kubernetes",
    "static": "Static",
}
"""What the names of a kind's classes begin with; its module is named as the kind."""


def source_of(given: str | Mapping[str, Any]) -> Source:
    """Return the source that a URL, or plain data with its `kind`, stands for.

    Arguments:
        given: such as `consul://127.0.0.1:8500/web?tags=v2`, or {"kind": "consul", "service": "web"}.

    Raises:
        InvalidConfig: there is no such kind, or a value is not allowed; the message has the nearest name.
    """
    return cast("Source", _made(given, "{}Source"))


def async_source_of(given: str | Mapping[str, Any]) -> AsyncSource:
    """Return the same for tasks; see `source_of`."""
    return cast("AsyncSource", _made(given, "Async{}Source"))


def source_config_class(kind: str) -> type[Record]:
    """Return the class of configs of a kind; `static` has none.

    Raises:
        InvalidConfig: there is no such kind.
    """
    return cast("type[Record]", _class_of(kind, "{}SourceConfig"))


def options_in(
    values: Mapping[str, Any], place: str = "discovery"
) -> tuple[dict[str, Any], DiscoveryOptions]:
    """Take plain data apart: what is the source's, and the options of `discover`.

    Arguments:
        values: the fields of a source with its `kind`, and options beside them.
        place: where they are from, for errors.

    Raises:
        InvalidConfig: the value of an option is not allowed.
    """
    known = options_of(DiscoverySettings)
    of_source = {name: value for name, value in values.items() if name not in known}
    options: dict[str, Any] = {}
    for name, value in values.items():
        if name in known:
            rule = known[name].rule
            options[name] = read(rule, value)
            if value is not None and not rule.accepts(options[name]):
                raise InvalidConfig(f"{place}.{name}", repr(value), rule.words)
    return of_source, cast("DiscoveryOptions", options)


def _made(given: str | Mapping[str, Any], form: str) -> object:
    values = _of_url(given) if isinstance(given, str) else dict(given)
    kind = values.pop("kind", None)
    made = _class_of(kind, form)
    if kind != "static":
        return made(source_config_class(kind).from_mapping(values))
    endpoints = values.pop("endpoints", None)
    if values:
        name = next(iter(values))
        raise UnknownField(name, "option", nearest(name, ["endpoints"]))
    if endpoints is None:
        raise InvalidConfig("endpoints", "None", "a list of endpoints")
    return made(endpoints)


def _class_of(kind: object, form: str) -> Any:
    if not isinstance(kind, str) or kind not in SOURCES:
        allowed = f"a kind of source; {nearest(str(kind), SOURCES)}"
        raise InvalidConfig("kind", repr(kind), allowed)
    return getattr(import_module(f"connpool_runtime.discovery.{kind}"), form.format(SOURCES[kind]))


def _of_url(url: str) -> dict[str, Any]:
    """Return the fields that a URL stands for."""
    parts = urlsplit(url)
    if not parts.scheme or parts.scheme not in SOURCES:
        known = ", ".join(f"{kind}://" for kind in SOURCES)
        hint = nearest(parts.scheme, SOURCES) if parts.scheme else "it has no scheme"
        raise InvalidConfig("the URL of a source", repr(_shown(parts)), f"one of {known} ({hint})")
    values: dict[str, Any] = {"kind": parts.scheme, **_PLACES[parts.scheme](parts)}
    record = None if parts.scheme == "static" else source_config_class(parts.scheme)
    for name, text in parse_qsl(parts.query, keep_blank_values=True):
        field = None if record is None else record.fields.get(name)
        values[name] = text if field is None else field.parse(text)
    return {name: value for name, value in values.items() if value not in (None, "")}


def _shown(parts: SplitResult) -> str:
    """Return a URL without what may be a secret in it."""
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
