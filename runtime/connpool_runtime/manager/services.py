"""Builds pools from the configs of services, and reads services from a file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from connpool_runtime.config.loading import read_config
from connpool_runtime.config.schema import services_schema
from connpool_runtime.config.service import ServiceConfig
from connpool_runtime.connectors.kinds import async_connector_of, connector_of
from connpool_runtime.pool.async_pool import AsyncPool
from connpool_runtime.pool.pool import Pool

__all__ = ["ServiceConfig", "open_async_pool", "open_pool", "read_services", "services_schema"]


def read_services(
    path: str | Path, section: str | Iterable[str] = "services"
) -> list[ServiceConfig]:
    """Read services from a JSON, TOML or YAML file: a mapping by their names.

    Arguments:
        path: the file; its suffix determines the format.
        section: where in the file, keys with dots between them; "" is the whole file.

    Raises:
        InvalidConfigFile: something is wrong; the message has all of it, each with its line.
        OSError: the file cannot be read.
    """
    return list(read_config(path, section=section).services.values())


def open_pool(service: ServiceConfig) -> Pool[Any]:
    """Return a pool with a member for each endpoint of a service; it keeps them healthy by itself.

    Raises:
        ConnectorError: none of them could be connected to. The others, if some could, are tried again.
        DiscoveryTimeout: the source of its endpoints gave no member in time.
    """
    pool: Pool[Any] = Pool(service.name, **service.pool_options)
    try:
        pool.set_middleware(service.new_middleware())
        if service.discovery is None:
            pool.add_connector(connector_of(service.connector, name=service.name))
        else:
            pool.discover(
                service.discovery.open(),
                connector_of(service.connector),
                **service.discovery.discovery_options,
            )
    except BaseException:
        pool.close(0.0)
        raise
    return pool


async def open_async_pool(service: ServiceConfig) -> AsyncPool[Any]:
    """Return a pool with a member for each endpoint of a service; it keeps them healthy by itself.

    Raises:
        ConnectorError: none of them could be connected to. The others, if some could, are tried again.
        DiscoveryTimeout: the source of its endpoints gave no member in time.
    """
    pool: AsyncPool[Any] = AsyncPool(service.name, **service.pool_options)
    try:
        pool.set_middleware(service.new_middleware())
        if service.discovery is None:
            await pool.add_connector(async_connector_of(service.connector, name=service.name))
        else:
            await pool.discover(
                service.discovery.open_async(),
                async_connector_of(service.connector),
                **service.discovery.discovery_options,
            )
    except BaseException:
        await pool.close(0.0)
        raise
    return pool
