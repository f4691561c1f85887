"""Results bound to their client's connection: cursors, pipelines, subscriptions.

Such a result is handed out as it is, with the client's own type, and its member stays taken until
the result is gone: a member that is drained is not closed under a pipeline that is still in use.
Where the arguments decide whether there is a stream (`stream=True`), so does the result. A generator
gives its member back at its last item: the one that is handed out is around the client's.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, TypeVar, cast

from connpool_runtime._concurrency.holders import Holder, current_holder
from connpool_runtime.breaker.classifier import ResultCountedAsFailure
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.method import Method
from connpool_runtime.classifiers.verdict import SUCCESS, Verdict
from connpool_runtime.results.long_call import LongCall
from connpool_runtime.results.watched_generators import watched

__all__ = ["AsyncPinned", "AsyncStreamOrValue", "Pinned", "StreamOrValue", "SyncPinnedOnAsync"]

C = TypeVar("C")
# Attributes that streams have, and complete values do not.
OF_STREAMS = ("__next__", "__anext__", "__exit__", "__aexit__")
# Methods of cursors, which are closed after reading, and of transactions.
OF_CLOSING = ("close", "aclose")
OF_READING = ("fetch", "fetchone", "fetchmany", "fetchall", "recv", "next")
OF_TRANSACTIONS = ("commit", "rollback")


class _PinnedCall(LongCall[C]):
    """Holds the member for as long as the result exists."""

    _kept = False  # whether the result came from an attempt on the client
    holder: Holder = None
    """Who called, and so probably has the result."""

    def _keep(self, client: C, result: Any) -> Any:
        """Hold the member while a result exists; return what is handed out for it."""
        self._kept = True
        generator = watched(result, self._at_end)
        if generator is not None:
            self._follow()
            return generator
        try:
            # The finalizer holds this object; when the result is collected, so is this object, and `LongCall`
            # settles.
            weakref.finalize(result, _drop, self).atexit = False
        except TypeError:  # None, or a class without weak references: no lifetime to follow
            self._end(None)
        else:
            if result is client:
                self._end(None)
            else:
                self._follow()
        return result

    def _follow(self) -> None:
        """Let a drain find this call, as long as its result exists."""
        state = self._checkout.state
        self.holder = current_holder(blocking=state.blocking)
        state.pinned.add(self)

    def release(self) -> None:
        """Give the member back now, although the result exists. Harmless when done already."""
        self._end(None, SUCCESS)

    def _at_end(self, caught: BaseException | None) -> BaseException | None:
        error = None if caught is None else self._in_time(caught)
        self._end(error)
        return error

    def _answer(self, result: Any, instead_of_client: Any) -> Any:
        if not self._kept:
            self._answered()
            return result
        itself = result is self._lease.client and instead_of_client is not None
        return instead_of_client if itself else result

    def _invoke(self, method: Method[C, Any]) -> Callable[[C, Any], Any]:
        return method.unjudged

    def _verdict_if_dropped(self) -> Verdict:
        return SUCCESS


class _PinnedStream(_PinnedCall[C]):
    """Holds the member while a stream exists; a value that is not a stream is judged, and ends the call at once."""

    def _keep(self, client: C, result: Any) -> Any:
        kind = type(cast("object", result))
        if any(hasattr(kind, name) for name in OF_STREAMS) or _is_ended(kind):
            return super()._keep(client, result)
        self._kept = True
        self._end(None)
        return result

    def _invoke(self, method: Method[C, Any]) -> Callable[[C, Any], Any]:
        return method.invoke_in_time


def _is_ended(kind: type) -> bool:
    """Return whether a class has methods of something that its user has to end: a transaction, or a reader."""
    if all(callable(getattr(kind, name, None)) for name in OF_TRANSACTIONS):
        return True
    closed = any(callable(getattr(kind, name, None)) for name in OF_CLOSING)
    return closed and any(callable(getattr(kind, name, None)) for name in OF_READING)


def _drop(_held: LongCall[Any]) -> None:
    """Do nothing: dropping the finalizer's reference to the object is enough."""


class Pinned(_PinnedCall[C]):
    """One call of a client for threads, through all middleware."""

    def run(self, instead_of_client: Any = None) -> Any:
        """Run the call; if the client returns itself, `instead_of_client`, if given, is returned in its place."""
        try:
            result = self._through_middleware(self._attempt)
        except BaseException as error:
            self._refused(error)
            raise
        return self._answer(result, instead_of_client)

    def _attempt(self, call: Call) -> Any:
        try:
            client = self._take()
            result = self._invoke(call.method)(client, call.args)
            result = self._keep(client, result)
        except BaseException as error:
            self._give_back(error)
            raise
        return result


class AsyncPinned(_PinnedCall[C]):
    """The same for tasks."""

    async def run(self, instead_of_client: Any = None) -> Any:
        """Run the call and wait for the result."""
        try:
            result = await self._through_middleware(self._attempt)
        except BaseException as error:
            self._refused(error)
            raise
        return self._answer(result, instead_of_client)

    async def _attempt(self, call: Call) -> Any:
        try:
            client = await self._take_async()
            result = await self._invoke(call.method)(client, call.args)
            result = self._keep(client, result)
        except BaseException as error:
            self._give_back(error)
            raise
        return result


class StreamOrValue(_PinnedStream[C], Pinned[C]):
    """One call of a sync client whose arguments decide whether it returns a stream."""

    def run(self, instead_of_client: Any = None) -> Any:
        """Call; a result that a judge counts as a failure is returned all the same."""
        try:
            return super().run(instead_of_client)
        except ResultCountedAsFailure as error:
            return error.result


class AsyncStreamOrValue(_PinnedStream[C], AsyncPinned[C]):
    """The same for tasks."""

    async def run(self, instead_of_client: Any = None) -> Any:
        """Call and wait for the result."""
        try:
            return await super().run(instead_of_client)
        except ResultCountedAsFailure as error:
            return error.result


class SyncPinnedOnAsync(Pinned[C]):
    """A call of an asynchronous client that does not wait; middleware, which waits, is bypassed."""

    def run(self, instead_of_client: Any = None) -> Any:
        """Run the call at once."""
        try:
            result = self._attempt(self._call)
        except BaseException as error:
            self._refused(error)
            raise
        return self._answer(result, instead_of_client)
