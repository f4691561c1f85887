"""Converts a discovered endpoint into the endpoint of a connector."""

from __future__ import annotations

from connpool_runtime.connectors.config.base import ConnectorConfig
from connpool_runtime.discovery.endpoint import Endpoint

__all__ = ["DISCOVERED", "connector_endpoint"]

DISCOVERED = "discovered.invalid:1"
"""Stands for the endpoints of a connector that are all discovered; no host can have this name."""


def connector_endpoint(config: ConnectorConfig, endpoint: Endpoint) -> str:
    """Return an endpoint for a connector: the address, in the form of the connector's first endpoint if
    that is a URL.

    Arguments:
        config: of the connector.
        endpoint: what was discovered.
    """
    scheme, between, rest = config.endpoints[0].partition("://")
    if not between:
        return endpoint.address
    _, slash, path = rest.partition("/")
    return f"{scheme}://{endpoint.address}{slash}{path}"
