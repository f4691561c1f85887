"""Logs failures, passes errors to a function, and converts a client's panic into an ordinary error."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any, Unpack

from connpool_runtime._log import LogFields, extra, log_failure, runtime_logger
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.middleware_chain import Phase, Proceed
from connpool_runtime.errors import ClientPanic
from connpool_runtime.middleware.role import Role

__all__ = ["ErrorLog"]

Record = Callable[[Call, BaseException], object]


class ErrorLog:
    """Records the errors that leave the middleware inside, then raises them again.

    By default only failures are logged: at ERROR, with method, member, types of the error and of
    its causes, and where it was raised. Errors that the method expects, mistakes of the caller and
    passed deadlines are answers to the caller, and no reason for an alert.

    The panic of a native extension is not an `Exception`; it is recorded too, and raised as `ClientPanic`,
    which `except Exception` catches. A panic is the error that Rust bindings raise, or any other error that
    is not an `Exception` and comes from the package of the client. All others of this kind (cancellation,
    KeyboardInterrupt, the timeouts and kills of gevent) are meant for code further out: they pass unrecorded
    and unchanged.

    Arguments:
        record: gets the call and each error, expected ones too (`call.judge(error)` tells them
            apart), instead of the log. What it raises is logged and never replaces the error.
        messages: whether the log has the messages of errors too, in ordinary tracebacks; not by
            default, because clients put addresses and keys into them.
    """

    role = Role.ERROR_LOG
    phases = (Phase.FAILED,)

    def __init__(self, record: Record | None = None, *, messages: bool = False) -> None:
        self._record = record
        self._messages = messages

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
        """Record an error on its way to the caller.

        Raises:
            ClientPanic: in place of a panic.
        """
        panic = not isinstance(error, Exception)
        if panic and not _is_panic(call, error):
            return
        if self._record is not None:
            try:
                self._record(call, error)
            except Exception:
                log_failure(
                    "recording an error of %r failed", call, **_fields("record_failed", call)
                )
        elif panic or call.judge(error).is_trouble:
            self._log(call, error)
        if panic:
            raise ClientPanic(
                f"{call.pool}.{call.method.name} ended in {type(error).__name__}",
                pool=call.pool,
                cause=error,
            )

    def _log(self, call: Call, error: BaseException) -> None:
        verdict = call.judge(error)
        fields = extra(
            **_fields(
                "call_failed",
                call,
                error_type=type(error).__qualname__,
                outcome=verdict.counted_as,
                reason=verdict.reason,
            )
        )
        if self._messages:
            runtime_logger().error("%r failed", call, exc_info=error, extra=fields)
            return
        types = ", caused by ".join(type(one).__name__ for one in _causes(error))
        frames = "".join(traceback.format_tb(error.__traceback__)).rstrip()
        runtime_logger().error("%r failed: %s, raised at\n%s", call, types, frames, extra=fields)


def _fields(event_name: str, call: Call, /, **more: Unpack[LogFields]) -> LogFields:
    """Return the fields of a log record about a call."""
    more["event_name"], more["pool"], more["method"] = event_name, call.pool, call.method.name
    more["member"] = call.member.name if call.member else None
    more["attempt"] = call.attempt
    return more


def _is_panic(call: Call, error: BaseException) -> bool:
    """Return whether an error that is no `Exception` is the client's own, by the module of its class."""
    package = _package_of(error)
    if package == "pyo3_runtime":  # raised by bindings of Rust libraries
        return True
    if call.member is None or package in sys.stdlib_module_names or package in _SCHEDULERS:
        return False
    return any(package == _package_of(client) for client in call.member.clients)


# Libraries that end or cancel what runs under them by errors that are no `Exception`.
_SCHEDULERS = ("eventlet", "gevent", "greenlet", "trio")


def _package_of(thing: object) -> str:
    return type(thing).__module__.partition(".")[0]


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes, each once: a client can create a circle of causes."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        yield link
        seen.add(id(link))
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
