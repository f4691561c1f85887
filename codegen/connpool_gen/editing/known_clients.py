"""Finds installed clients for which the runtime has a connector."""

from __future__ import annotations

from importlib.util import find_spec

# The clients that each kind of connector opens.
CLIENTS: dict[str, tuple[str, ...]] = {
    "redis": ("redis:Redis", "redis.asyncio:Redis"),
    "http": ("httpx:Client", "httpx:AsyncClient"),
    "etcd": ("etcd3gw.client:Etcd3Client", "etcd3aio:Etcd3Client"),
    "milvus": ("pymilvus:MilvusClient", "pymilvus:AsyncMilvusClient"),
}


def installed_clients() -> list[tuple[str, str]]:
    """List (client, kind of connector) of clients whose package is installed beside this tool."""
    return [
        (client, kind)
        for kind, clients in CLIENTS.items()
        for client in clients
        if find_spec(client.partition(":")[0].partition(".")[0]) is not None
    ]


def connector_of(client: str) -> str | None:
    """Return the kind of connector that opens clients of a class; None for a class that is not in the table."""
    return next((kind for kind, clients in CLIENTS.items() if client in clients), None)
