"""What the examples share: the services of one file, as typed pools."""

from pathlib import Path

from connpool_runtime import AsyncManager, Manager, ServiceConfig
from connpool_runtime.connectors.kinds import async_connector_of, connector_of
from generated.async_redis_pool import AsyncRedisPool
from generated.redis_pool import RedisPool

__all__ = ["manager", "new_async_manager"]

FILE = Path(__file__).with_name("services.toml")


def _open(service: ServiceConfig) -> RedisPool:
    return RedisPool.from_connector(
        connector_of(service.connector), name=service.name, **service.pool_options
    )


async def _open_async(service: ServiceConfig) -> AsyncRedisPool:
    return await AsyncRedisPool.from_connector(
        async_connector_of(service.connector), name=service.name, **service.pool_options
    )


# It opens a pool when one is first wanted. So each process that a server forks has pools of its own, and a command
# that needs none, such as a migration, opens none.
manager = Manager.from_file(FILE, _open, env="SHOP_", name="shop")


def new_async_manager() -> AsyncManager[AsyncRedisPool]:
    """Return a manager whose pools belong to the event loop that first asks for one."""
    return AsyncManager[AsyncRedisPool].from_file(FILE, _open_async, env="SHOP_", name="shop")
