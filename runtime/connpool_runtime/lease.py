"""`with pool.lease() as client:` for code that needs one member for several steps."""

from __future__ import annotations

import warnings
from types import TracebackType
from typing import Generic, TypeVar

from connpool_runtime.core.call import Call
from connpool_runtime.core.lease import Lease
from connpool_runtime.core.outcome import Outcome
from connpool_runtime.engine import Engine

__all__ = ["AsyncPoolLease", "BaseLease", "PoolLease"]

C = TypeVar("C")


class BaseLease(Lease[C], Generic[C]):
    """A lease that knows its pool; one use, from entering to leaving its block."""

    __slots__ = ("_call", "_engine", "_started")

    def __init__(self, engine: Engine[C], call: Call) -> None:
        super().__init__()
        self._engine = engine
        self._call = call
        self._started = 0.0

    def _begin(self) -> C:
        if self.taken_from is not None:
            raise RuntimeError("a lease is for one use: ask the pool for another one")
        self._started = self._engine.clock()
        try:
            self._engine.admit(self, self._call)
            return self.member.client
        except BaseException as error:
            self._engine.settle(self, self._call, error)
            self._engine.account(self._call, self._started, error)
            raise

    def _end(self, error: BaseException | None) -> None:
        self._engine.end(self, self._call, self._started, error)

    def __del__(self) -> None:
        if self.held:
            self._engine.give_up(self, self._call, self._started, Outcome.NEUTRAL)
            warnings.warn(
                f"a lease of pool {self._engine.name!r} was never given back",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )


class PoolLease(BaseLease[C]):
    """A lease for threads: `with` gives the client."""

    __slots__ = ()

    def __enter__(self) -> C:
        return self._begin()

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._end(error)


class AsyncPoolLease(BaseLease[C]):
    """A lease for tasks: `async with` gives the client."""

    __slots__ = ()

    async def __aenter__(self) -> C:
        return self._begin()

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._end(error)
