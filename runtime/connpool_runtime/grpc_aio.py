"""The callables of a `grpc.aio` stub, pooled: each call goes to the stub of the member that the pool picks.

A call gives gRPC's own call object, so awaiting, reading, writing, cancelling and metadata are as on
the stub; its member is given back when the call is done. While middleware is registered, a call with
one response is an awaitable only: a retry makes several calls of it. Needs grpcio (extra `grpc`).
For the tasks of one event loop. See `connpool_runtime.grpc` about channels.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from connpool_runtime._extras import extra
from connpool_runtime.calls.deadline_parameter import Rpc
from connpool_runtime.calls.method import Method
from connpool_runtime.deadlines import remaining
from connpool_runtime.errors import DeadlineExceeded
from connpool_runtime.pool.async_pool import AsyncPool
from connpool_runtime.results.lease import PoolLease

with extra("grpc"):
    import grpc
    from grpc import aio

__all__ = [
    "AsyncPooledStreamStream",
    "AsyncPooledStreamUnary",
    "AsyncPooledUnaryStream",
    "AsyncPooledUnaryUnary",
]

if TYPE_CHECKING:
    UnaryUnary = aio.UnaryUnaryMultiCallable[Any, Any]
    UnaryStream = aio.UnaryStreamMultiCallable[Any, Any]
    StreamUnary = aio.StreamUnaryMultiCallable[Any, Any]
    StreamStream = aio.StreamStreamMultiCallable[Any, Any]
else:  # grpc's own classes take no type arguments at run time
    UnaryUnary = aio.UnaryUnaryMultiCallable
    UnaryStream = aio.UnaryStreamMultiCallable
    StreamUnary = aio.StreamUnaryMultiCallable
    StreamStream = aio.StreamStreamMultiCallable

EARLY = 0.01  # seconds before the deadline within which gRPC's own clock may consider it passed


class _Pooled:
    """A callable's pool and its entry in the method table."""

    def __init__(self, pool: AsyncPool[Any], method: Method[Any, Any]) -> None:
        self._pool = pool
        self._method = method

    def _start(self, args: tuple[Any, ...], kwargs: dict[str, Any], *, opens: bool = False) -> Any:
        """Start a call on a member; the member is given back when the call is done."""
        operation, left = Rpc(self._method, args, kwargs, opens=opens), remaining()
        lease = self._pool.hold(self._method, (operation,))
        client = lease.__enter__()
        try:
            call: Any = self._method.raw(client, (operation,))
            call.add_done_callback(partial(_leave, lease, monotonic() + left))
        except BaseException as error:
            lease.__exit__(type(error), error, None)
            raise
        return call

    def _answer(self, *args: Any, **kwargs: Any) -> Any:
        """A call with one response: gRPC's call object, or an awaitable that runs through the middleware."""
        if not self._pool.has_middleware:
            return self._start(args, kwargs)
        operation = Rpc(self._method, args, kwargs, awaited=True)
        return _Awaited(partial(self._pool.call, self._method, (operation,)))


class _Awaited(Awaitable[Any]):
    """One response, requested when it is awaited."""

    def __init__(self, call: Callable[[], Awaitable[Any]]) -> None:
        self._call = call

    def __await__(self) -> Any:
        return self._call().__await__()


def _leave(lease: PoolLease[Any], deadline: float, call: Any) -> None:
    """Give a lease back with the status of a finished call.

    One that was cancelled says nothing; one that had no more time until the deadline of its caller says little.
    """
    code = _status(call)
    error = None if code is grpc.StatusCode.OK else _error_of(call)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED and monotonic() >= deadline - EARLY:
        error = DeadlineExceeded(
            "a call of gRPC did not end before the deadline of its caller", cause=error
        )
    lease.__exit__(type(error) if error is not None else None, error, None)


def _status(call: Any) -> grpc.StatusCode | None:
    """Return the status of a finished call, whose coroutine returns without waiting."""
    waiting = call.code()
    try:
        waiting.send(None)
    except StopIteration as done:
        code: grpc.StatusCode = done.value
        return code
    waiting.close()
    return None


def _error_of(call: Any) -> BaseException:
    code = _status(call)
    if call.cancelled() or code is None or code is grpc.StatusCode.CANCELLED:
        return GeneratorExit()
    return aio.AioRpcError(code, aio.Metadata(), aio.Metadata())


class AsyncPooledUnaryUnary(_Pooled, UnaryUnary):
    """One request, one response."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call; arguments as gRPC's callable takes them."""
        return self._answer(*args, **kwargs)


class AsyncPooledUnaryStream(_Pooled, UnaryStream):
    """One request, a stream of responses."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Start the call and return gRPC's call object."""
        return self._start(args, kwargs, opens=True)


class AsyncPooledStreamUnary(_Pooled, StreamUnary):
    """A stream of requests, one response."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Start the call and return gRPC's call object, to await or to write to."""
        return self._start(args, kwargs)


class AsyncPooledStreamStream(_Pooled, StreamStream):
    """A stream of requests, a stream of responses."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Start the call and return gRPC's call object."""
        return self._start(args, kwargs, opens=True)
