"""Lets no error go by unrecorded, and turns a client's panic into an ordinary error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from connpool_runtime._log import log_failure, runtime_logger
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.chain import Proceed
from connpool_runtime.errors import ClientPanic

__all__ = ["ErrorLog"]

Record = Callable[[Call, BaseException], object]


class ErrorLog:
    """Tells about each error that leaves the middleware inside, then lets it go on its way.

    Errors that are no `Exception` pass untouched when they are the caller's business
    (cancellation, KeyboardInterrupt, SystemExit, GeneratorExit); any other one, such as the panic
    of a native extension, is raised as `ClientPanic`, which `except Exception` catches.

    Arguments:
        record: gets the call and the error; by default both are logged, without the arguments.
            What it raises is logged and never replaces the error.
    """

    def __init__(self, record: Record | None = None) -> None:
        self._record = record or _log

    def around(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of a `Pool`."""
        try:
            return proceed(call)
        except BaseException as error:
            self._tell(call, error)
            raise

    async def around_async(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of an `AsyncPool`."""
        try:
            return await proceed(call)
        except BaseException as error:
            self._tell(call, error)
            raise

    def _tell(self, call: Call, error: BaseException) -> None:
        if not isinstance(error, Exception) and _is_callers_business(error):
            return
        try:
            self._record(call, error)
        except Exception:
            log_failure("recording an error of %r failed", call)
        if not isinstance(error, Exception):
            raise ClientPanic(
                f"{call.pool}.{call.method.name} ended in {type(error).__name__}",
                pool=call.pool,
                cause=error,
            )


def _is_callers_business(error: BaseException) -> bool:
    import asyncio

    return isinstance(error, (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit))


def _log(call: Call, error: BaseException) -> None:
    runtime_logger().error("%r failed", call, exc_info=error)
