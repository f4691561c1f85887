"""The tables of services: the options of each kind, and the defaults for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from connpool_runtime.config.middleware import middleware_table
from connpool_runtime.config.sections import section_tables
from connpool_runtime.config.tables import Entry, Node, Table, table_of_record, table_of_settings
from connpool_runtime.connectors.config.base import ConnectorConfig
from connpool_runtime.connectors.config.errors import InvalidConfig
from connpool_runtime.connectors.kinds import CUSTOM, KINDS, config_class
from connpool_runtime.discovery.kinds import SOURCES, fields_of_url, source_config_class
from connpool_runtime.discovery.settings import DiscoverySettings
from connpool_runtime.options.schema import Schema
from connpool_runtime.options.validation import nearest
from connpool_runtime.settings import PoolSettings

__all__ = [
    "ALL_KINDS",
    "DEFAULTS",
    "defaults_table",
    "discovery_kind_table",
    "root_table",
    "service_table",
]

ALL_KINDS: Final[tuple[str, ...]] = (*KINDS, CUSTOM)
"""What a service may be: the kinds of connectors, and a client of one's own."""

DEFAULTS: Final = "defaults"
"""The key of what holds for all services that do not say otherwise."""


def word_entry(name: str, words: tuple[str, ...], does: str) -> Entry:
    """Return the entry of an option with a few allowed words."""
    allowed = "one of " + ", ".join(words)

    def check(path: str, given: Any) -> None:
        if given not in words:
            hint = nearest(str(given), words) if isinstance(given, str) else ""
            raise InvalidConfig(path, repr(given), f"{allowed} ({hint})" if hint else allowed)

    schema: Schema = {"enum": list(words), "description": does}
    return Entry(
        name=name,
        words=allowed,
        default=None,
        does=does,
        check=check,
        parse=str.strip,
        schema=schema,
    )


@cache
def service_table(kind: object) -> Table:
    """Return the table of services of a kind; for an unknown kind, the options that all services have."""
    is_known = isinstance(kind, str) and kind in ALL_KINDS
    record = config_class(kind) if is_known else ConnectorConfig
    entries: dict[str, Node] = {
        "kind": word_entry("kind", ALL_KINDS, "the protocol of the servers")
    }
    entries |= table_of_record(record).entries
    entries["pool"] = _pool_table()
    entries["middleware"] = middleware_table()
    entries["discovery"] = _discovery_table()
    does = f"a service of the kind {kind}" if is_known else "a service"
    return Table(does=does, entries=entries, lenient=not is_known)


@cache
def defaults_table() -> Table:
    """Return the table of defaults for all services, of whatever kind."""
    shared = dict(table_of_record(ConnectorConfig).entries)
    del shared["endpoints"]
    entries: dict[str, Node] = {**shared, "pool": _pool_table(), "middleware": middleware_table()}
    entries["discovery"] = table_of_settings(
        DiscoverySettings, "how sources are followed, of the services that are discovered"
    )
    return Table(does="defaults for all services, unless a service overrides them", entries=entries)


@cache
def _pool_table() -> Table:
    return table_of_settings(PoolSettings, "the options of the pool")


@cache
def discovery_kind_table(kind: str) -> Table:
    """Return the table of a kind of source, with the options of discovery."""
    record = source_config_class(kind)
    entries: dict[str, Node] = {"kind": word_entry("kind", tuple(SOURCES), "where the servers are")}
    if record is None:
        entries["endpoints"] = _endpoints_entry()
    else:
        entries |= table_of_record(record).entries
    entries |= table_of_settings(DiscoverySettings).entries
    return Table(does=f"a source of the kind {kind}", entries=entries)


def _endpoints_entry() -> Entry:
    def check(path: str, given: Any) -> None:
        if not isinstance(given, list | tuple):
            raise InvalidConfig(path, repr(given), "a list of addresses, or of mappings")

    does = "addresses, or mappings with `address`, `id`, `weight`, `zone`, `priority`, `tags`, `metadata`"
    return Entry(
        name="endpoints",
        words="a list of addresses, or of mappings",
        default=None,
        does=does,
        reloadable=True,
        check=check,
        parse=lambda text: [part.strip() for part in text.split(",") if part.strip()],
        schema={"type": "array", "items": {"type": ["string", "object"]}, "description": does},
    )


@cache
def _discovery_table() -> Table:
    def choose(given: Mapping[str, Any]) -> Table:
        kind = given.get("kind")
        if isinstance(kind, str) and kind in SOURCES:
            return discovery_kind_table(kind)
        if kind is not None:  # its entry says so
            entry = word_entry("kind", tuple(SOURCES), "where the servers are")
            return Table(entries={"kind": entry}, lenient=True)
        known = ", ".join(SOURCES)
        raise InvalidConfig("kind", "left out", f"one of {known}")

    return Table(
        does="a source of endpoints: its URL, or its `kind` and fields",
        of_text=fields_of_url,
        choose=choose,
    )


def root_table(services: str, kinds: Mapping[str, object]) -> Table:
    """Return the table of a whole file.

    Arguments:
        services: the key of the services; "" if they are the whole file.
        kinds: the names of the services with their kinds.
    """
    each: dict[str, Node] = {name: service_table(kind) for name, kind in kinds.items()}
    if not services:
        return Table(entries=MappingProxyType(each))
    table = Table(does="the services by name", entries=each)
    return Table(
        does="services and what belongs to them",
        entries={services: table, DEFAULTS: defaults_table(), **section_tables()},
    )
