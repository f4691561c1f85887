"""A wrapper as the generator makes it."""

from collections.abc import Sequence
from typing import Unpack

from benchmarks.clients import AsyncNoopClient
from connpool_runtime import AsyncPool as _Pool
from connpool_runtime import Method as _Method
from connpool_runtime import PoolOptions as _PoolOptions

_GET: _Method[AsyncNoopClient, None] = _Method(
    "get", lambda client, args: client.get(args[0], fields=args[1])
)

_METHODS = (_GET,)


class AsyncNoopClientPool:
    """Pool of `benchmarks.clients.AsyncNoopClient`: each public method runs on one of its members."""

    def __init__(self, **options: Unpack[_PoolOptions]) -> None:
        self.pool: _Pool[AsyncNoopClient] = _Pool(
            "async_noop_client", methods=_METHODS, close=lambda client: client.aclose(), **options
        )

    async def get(self, user_id: int, *, fields: Sequence[str] = ()) -> None:
        """Return nothing."""
        return await self.pool.call(_GET, (user_id, fields))
