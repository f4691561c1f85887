"""Reads weight, zone and priority of an endpoint from the metadata of a registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connpool_runtime.connectors.config.fields import Text
from connpool_runtime.connectors.config.record import Record
from connpool_runtime.discovery.errors import InvalidEndpoint

__all__ = ["MetadataKeys", "read_metadata"]


@dataclass(kw_only=True)
class MetadataKeys(Record):
    """The names of the metadata keys.

    Arguments:
        weight_key: of the weight.
        zone_key: of the zone.
        priority_key: of the priority.
    """

    weight_key: Text = Text("weight")
    zone_key: Text = Text("zone")
    priority_key: Text = Text("priority")


def read_metadata(
    keys: MetadataKeys, metadata: Mapping[str, Any], endpoint: str, source: str
) -> dict[str, Any]:
    """Return the fields of an endpoint that its metadata gives.

    Raises:
        InvalidEndpoint: a weight or priority is not a number.
    """
    found: dict[str, Any] = {}
    for field, key in (("weight", keys.weight_key), ("priority", keys.priority_key)):
        text = metadata.get(str(key))
        if text is not None:
            if not str(text).isdecimal():
                allowed = "a whole number"
                raise InvalidEndpoint(
                    f"{field} (metadata {key!r})",
                    repr(text),
                    allowed,
                    endpoint=endpoint,
                    source=source,
                )
            found[field] = int(text)
    zone = metadata.get(str(keys.zone_key))
    if zone:
        found["zone"] = str(zone)
    return found
