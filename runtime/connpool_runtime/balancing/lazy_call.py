"""The call that a balancer function sees on the fast path: most of it is made when first looked at."""

from __future__ import annotations

from typing import Any

from connpool_runtime.calls.call import Call
from connpool_runtime.calls.method import Method

__all__ = ["LazyCall"]


class LazyCall(Call):
    """A call before its first attempt."""

    __slots__ = ()

    def __init__(self, pool: str, method: Method[Any, Any], args: tuple[Any, ...]) -> None:
        self.pool = pool
        self.method = method
        self.args = args

    def __getattr__(self, name: str) -> Any:
        # Only asked for what is not there yet; after this everything is.
        if name not in Call.__slots__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        super().__init__(self.pool, self.method, self.args)
        return getattr(self, name)
