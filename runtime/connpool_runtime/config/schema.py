"""The JSON schema of config files, for editors and for checks; generated from the tables of options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connpool_runtime.config.sections import section_tables
from connpool_runtime.config.services import (
    ALL_KINDS,
    DEFAULTS,
    defaults_table,
    discovery_kind_table,
    service_table,
)
from connpool_runtime.config.tables import Entry, Node, Table
from connpool_runtime.discovery.kinds import SOURCES
from connpool_runtime.options.schema import Schema

__all__ = ["services_schema"]

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_NULL: Mapping[str, Any] = {"type": "null"}


def services_schema(section: str = "services") -> Schema:
    """Return the JSON schema of a config file.

    Arguments:
        section: where in the file the services are, keys with dots between them; "" is the whole file.
    """
    *outer, last = section.split(".") if section else [""]
    services: Schema = {
        "type": "object",
        "additionalProperties": {"oneOf": [_service(kind) for kind in ALL_KINDS]},
    }
    schema = services
    if last:
        beside = {name: _of_table(table) for name, table in section_tables().items()}
        properties: Schema = {last: services, DEFAULTS: _of_table(defaults_table()), **beside}
        schema = {
            "type": "object",
            "properties": properties,
            "required": [last],
            "additionalProperties": False,
        }
        if not outer:  # editors find the schema of a file by this key
            properties["$schema"] = {"type": "string"}
    for key in reversed(outer):
        schema = {"type": "object", "properties": {key: schema}, "required": [key]}
    definitions: Schema = {
        "pool": _of_table(_group("pool")),
        "middleware": _of_table(_group("middleware")),
        "discovery": _discovery(),
    }
    return {"$schema": _DRAFT, **schema, "$defs": definitions}


def _group(name: str) -> Table:
    found = defaults_table().entries[name]
    assert isinstance(found, Table)
    return found


def _service(kind: str) -> Schema:
    table = service_table(kind)
    properties: Schema = {}
    for name, node in table.entries.items():
        if name == "kind":
            properties[name] = {"const": kind}
        elif name in ("pool", "middleware", "discovery"):
            properties[name] = {"$ref": f"#/$defs/{name}"}
        else:
            properties[name] = _of_node(node)
    return {
        "type": "object",
        "properties": properties,
        "required": ["kind"],
        "anyOf": [{"required": ["endpoints"]}, {"required": ["discovery"]}],
        "additionalProperties": False,
    }


def _discovery() -> Schema:
    forms: list[Schema] = [{"type": "string", "minLength": 1}]
    for kind in SOURCES:
        form = _of_table(discovery_kind_table(kind))
        form["properties"]["kind"] = {"const": kind}
        forms.append({**form, "required": ["kind"]})
    return {"anyOf": [*forms, dict(_NULL)]}


def _of_table(table: Table) -> Schema:
    properties = {
        name: _of_node(node)
        for name, node in table.entries.items()
        if isinstance(node, Table) or node.in_files
    }
    described: Schema = {"description": table.does} if table.does else {}
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        **described,
    }


def _of_node(node: Node) -> Schema:
    if isinstance(node, Entry):
        return node.schema
    inner = _of_table(node)
    described = {"description": inner.pop("description")} if "description" in inner else {}
    forms = [inner, {"type": "boolean"}] if node.switch else [inner]
    return {"anyOf": [*forms, dict(_NULL)], **described}
