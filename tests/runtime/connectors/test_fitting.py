"""What is given in the place of a connector."""

import asyncio
from typing import Any

import pytest

from connpool_runtime import AsyncPool, Pool
from connpool_runtime.connectors.custom import AsyncCustomConnector, CustomConnector
from connpool_runtime.connectors.redis import AsyncRedisConnector, RedisConfig, RedisConnector
from connpool_runtime.discovery import AsyncStaticSource, StaticSource

CONFIG = RedisConfig(endpoints=("127.0.0.1:1",))
URL = "redis://:secret@127.0.0.1:1"


@pytest.mark.parametrize(
    ("given", "of_tasks", "message"),
    [
        (AsyncRedisConnector(CONFIG), RedisConnector(CONFIG), "use the connector of the same kind"),
        (AsyncCustomConnector, CustomConnector, "is a class: pass an instance of it, such as"),
        (CONFIG, CONFIG, "not a RedisConfig; connectors.kinds.(async_)?connector_of makes one"),
        (
            URL,
            URL,
            r"not a str; a connector's config takes a URL, as in RedisConfig\(endpoints=url",
        ),
        (3, 3, r"needs a connector, such as (Async)?RedisConnector\(config\), not a int$"),
    ],
)
def test_what_is_no_connector_of_this_kind(given: Any, of_tasks: Any, message: str) -> None:
    """What cannot connect clients for a pool is refused at once, with what would be right and no secret."""

    async def refuse() -> None:
        async with AsyncPool[Any]("shops") as pool:
            await pool.add_connector(of_tasks)

    with Pool("shops") as pool, pytest.raises(TypeError, match=message) as caught:
        pool.add_connector(given)
    assert "secret" not in str(caught.value)
    with pytest.raises(TypeError, match=message):
        asyncio.run(refuse())


def test_a_connector_of_the_other_kind_for_discovery() -> None:
    """Endpoints that are discovered are not opened by a connector of the other kind."""

    async def refuse() -> None:
        async with AsyncPool[Any]("shops") as pool:
            await pool.discover(AsyncStaticSource(["127.0.0.1:1"]), connector)

    connector: Any = AsyncRedisConnector(CONFIG)
    with Pool("shops") as pool, pytest.raises(TypeError, match="is for threads, but AsyncRedisC"):
        pool.discover(StaticSource(["127.0.0.1:1"]), connector)
    connector = RedisConnector(CONFIG)
    with pytest.raises(TypeError, match="is for tasks, but RedisConnector is not"):
        asyncio.run(refuse())


def test_a_connector_for_tasks_whose_connect_only_returns_something_to_await() -> None:
    """A connector of a user's own may wrap its `connect`, so that it is no coroutine function."""

    class Wrapped(AsyncCustomConnector[Any]):
        def connect(self, *args: Any, **options: Any) -> Any:
            return super().connect(*args, **options)

    async def use() -> int:
        async with AsyncPool[Any]("shops") as pool:
            await pool.add_connector(Wrapped(lambda _endpoint: object(), ["127.0.0.1:1"]))
            return len(pool.members)

    assert asyncio.run(use()) == 1
