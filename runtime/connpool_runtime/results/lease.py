"""`with pool.lease() as client:` for code that needs one member for several steps."""

from __future__ import annotations

import warnings
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from connpool_runtime.results.long_call import LongCall

__all__ = ["AsyncPoolLease", "BaseLease", "PoolLease"]

C = TypeVar("C")


class BaseLease(LongCall[C]):
    """What leases for threads and for tasks share: they begin once and end once."""

    def begin(self) -> C:
        """Take a member and return its client; a task waits only with `async with`.

        Raises:
            Rejected: no member can be picked.
        """
        self._start()
        try:
            return self._take()
        except BaseException as error:
            self._refused(error)
            raise

    def end(self, error: BaseException | None) -> None:
        """Give the member back, with the error that ended its use."""
        self._end(error)

    if not TYPE_CHECKING:  # or type checkers would take any attribute for one of a lease

        def __getattr__(self, name: str) -> object:
            """Say where the client is, to a caller who takes the lease for the client."""
            way = "async with" if isinstance(self, AsyncPoolLease) else "with"
            text = f"a lease has no {name!r}: `{way} pool.lease() as client:` gives the client"
            raise AttributeError(text, name=name, obj=self)

    def __del__(self) -> None:
        if self._interpreter_ends():
            return
        try:
            if self._lease.held:
                warnings.warn(
                    f"a lease of {self.member!r} was dropped without being given back",
                    ResourceWarning,
                    stacklevel=2,
                    source=self,
                )
        finally:  # the warning may be turned into an error
            super().__del__()


class PoolLease(BaseLease[C]):
    """A lease for threads; `with` gives the client, `member` the member. For one use."""

    def __enter__(self) -> C:
        return self.begin()

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.end(error)


class AsyncPoolLease(BaseLease[C]):
    """A lease for tasks; `async with` gives the client, `member` the member. For one use."""

    async def __aenter__(self) -> C:
        self._start()
        try:
            return await self._take_async()
        except BaseException as error:
            self._refused(error)
            raise

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._end(error)
