"""The callables of a gRPC stub, pooled: each call goes to the stub of the member that the pool picks.

Generated wrappers put one of these where the stub has its own (`SayHello`, `Chat`, ...), so that
`stub.SayHello(request, timeout=1)`, `.with_call` and `.future` read and behave as on the stub.
A call that streams its answer holds its member until the stream ends, is cancelled or is dropped.

Each stub needs a channel of its own TCP connection: pass the channel option
`("grpc.use_local_subchannel_pool", 1)`, or gRPC shares one connection between equal targets.
Needs grpcio (extra `grpc`). Safe for threads, as gRPC's own callables are.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from connpool_runtime._extras import extra
from connpool_runtime.calls.deadline_parameter import Rpc, in_time
from connpool_runtime.calls.method import Method
from connpool_runtime.deadlines import DeadlineBlock, current_deadline
from connpool_runtime.pool.pool import Pool

with extra("grpc"):
    import grpc

__all__ = [
    "PooledStreamStream",
    "PooledStreamUnary",
    "PooledUnaryStream",
    "PooledUnaryUnary",
]

if TYPE_CHECKING:
    UnaryUnary = grpc.UnaryUnaryMultiCallable[Any, Any]
    UnaryStream = grpc.UnaryStreamMultiCallable[Any, Any]
    StreamUnary = grpc.StreamUnaryMultiCallable[Any, Any]
    StreamStream = grpc.StreamStreamMultiCallable[Any, Any]
else:  # grpc's own classes take no type arguments at run time
    UnaryUnary = grpc.UnaryUnaryMultiCallable
    UnaryStream = grpc.UnaryStreamMultiCallable
    StreamUnary = grpc.StreamUnaryMultiCallable
    StreamStream = grpc.StreamStreamMultiCallable


class _Pooled:
    """A callable's pool and its entry in the method table."""

    def __init__(self, pool: Pool[Any], method: Method[Any, Any]) -> None:
        self._pool = pool
        self._method = method

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        return self._pool.call(self._method, (Rpc(self._method, args, kwargs),))

    def _run_with_call(self, *args: Any, **kwargs: Any) -> Any:
        run = Rpc(self._method, args, kwargs)
        return self._pool.call(self._method, (partial(_with_call, run),))

    def _stream(self, *args: Any, **kwargs: Any) -> PooledCall:
        opened: list[Any] = []
        start = Rpc(self._method, args, kwargs, opens=True)

        def operation(rpc: Any) -> Any:
            opened[:] = [start(rpc)]
            return opened[0]

        stream = self._pool.stream(self._method, (operation,))
        return PooledCall(stream, opened[0])

    def _future(self, *args: Any, **kwargs: Any) -> Any:
        """Start a call and give its member back when the future is done."""
        lease, scope = self._pool.lease(self._method), current_deadline()
        client = lease.__enter__()
        try:
            start = Rpc(self._method, args, kwargs)
            future: Any = self._method.raw(client, (partial(_future, start),))
            future.add_done_callback(partial(_leave, lease, self._method, scope))
        except BaseException as error:
            lease.__exit__(type(error), error, error.__traceback__)
            raise
        return future


def _with_call(run: Rpc, rpc: Any) -> Any:
    return run(rpc.with_call)


def _future(start: Rpc, rpc: Any) -> Any:
    return start(rpc.future)


def _leave(lease: Any, method: Method[Any, Any], scope: DeadlineBlock | None, future: Any) -> None:
    """Give a lease back with the result of a finished future; a cancelled one says nothing about the member.

    One that had no more time until the deadline of its caller says little.
    """
    error = GeneratorExit() if future.cancelled() else future.exception()
    if scope is not None and isinstance(error, Exception):
        error = in_time(method, scope, error)
    lease.__exit__(type(error) if error is not None else None, error, None)


class PooledCall(Iterator[Any]):
    """A streaming answer: the messages, and everything else that gRPC's call object offers."""

    def __init__(self, stream: Generator[Any, Any, Any], call: Any) -> None:
        self._stream = stream
        self._call = call

    def __next__(self) -> Any:
        """Return the next message; the end of the stream gives the member back."""
        return next(self._stream)

    def cancel(self) -> bool:
        """Cancel the call and give the member back."""
        cancelled = bool(self._call.cancel())
        self._stream.close()
        return cancelled

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)


class PooledUnaryUnary(_Pooled, UnaryUnary):
    """One request, one response."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call and wait for the response; arguments as gRPC's callable takes them."""
        return self._run(*args, **kwargs)

    def with_call(self, *args: Any, **kwargs: Any) -> Any:
        """Call and return the response with gRPC's call object."""
        return self._run_with_call(*args, **kwargs)

    def future(self, *args: Any, **kwargs: Any) -> Any:
        """Start the call; its member is given back when the future is done."""
        return self._future(*args, **kwargs)


class PooledUnaryStream(_Pooled, UnaryStream):
    """One request, a stream of responses."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Start the call and return its responses; see `PooledCall`."""
        return self._stream(*args, **kwargs)


class PooledStreamUnary(_Pooled, StreamUnary):
    """A stream of requests, one response."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Send all requests and wait for the response."""
        return self._run(*args, **kwargs)

    def with_call(self, *args: Any, **kwargs: Any) -> Any:
        """Send all requests and return the response with gRPC's call object."""
        return self._run_with_call(*args, **kwargs)

    def future(self, *args: Any, **kwargs: Any) -> Any:
        """Start the call; its member is given back when the future is done."""
        return self._future(*args, **kwargs)


class PooledStreamStream(_Pooled, StreamStream):
    """A stream of requests, a stream of responses."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Start the call and return its responses; see `PooledCall`."""
        return self._stream(*args, **kwargs)
