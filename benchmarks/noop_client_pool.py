"""A wrapper as the generator makes it."""

from collections.abc import Sequence
from typing import Unpack

from benchmarks.clients import NoopClient
from connpool_runtime import Method as _Method
from connpool_runtime import Pool as _Pool
from connpool_runtime import PoolOptions as _PoolOptions

_GET: _Method[NoopClient, None] = _Method(
    "get", lambda client, args: client.get(args[0], fields=args[1])
)

_METHODS = (_GET,)


class NoopClientPool:
    """Pool of `benchmarks.clients.NoopClient`: each public method runs on one of its members."""

    def __init__(self, **options: Unpack[_PoolOptions]) -> None:
        self.pool: _Pool[NoopClient] = _Pool(
            "noop_client", methods=_METHODS, close=lambda client: client.close(), **options
        )

    def get(self, user_id: int, *, fields: Sequence[str] = ()) -> None:
        """Return nothing."""
        return self.pool.call(_GET, (user_id, fields))
