"""Logs one line per call, without arguments and without results."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from connpool_runtime._log import extra, runtime_logger, safe_logger
from connpool_runtime.calls.call import Call
from connpool_runtime.calls.method import AnyMethod
from connpool_runtime.calls.middleware_chain import Phase, Proceed
from connpool_runtime.middleware.role import Role
from connpool_runtime.options.validation import refused

if TYPE_CHECKING:
    from logging import Logger

__all__ = ["Logging"]


class Logging:
    """Logs how each call ended: method, member, attempts, outcome, seconds, type of the error.

    Successes and neutral ends are logged at `level`, failures at WARNING or at `level` if that is
    higher. The message of an error is left out, because clients put addresses and keys into it. For
    streams and context managers the line is about their opening.

    Arguments:
        logger: where to; `connpool_runtime` by default, silent until the application configures it.
        level: of the lines about calls that did not fail, as a name or a number of `logging`;
            "DEBUG" by default, because a service makes more calls than people read lines.

    Raises:
        ValueError: `logging` knows no such level.
    """

    role = Role.LOGGING
    phases = (Phase.ADMIT, Phase.FAILED)

    def __init__(self, logger: Logger | None = None, *, level: int | str = "DEBUG") -> None:
        import logging

        self._logger = logger or logging.getLogger(runtime_logger().name)
        # What has its own ways, such as a logger of structlog, is called as it is.
        self._out: Any = (
            safe_logger(self._logger) if type(self._logger) is logging.Logger else logger
        )
        number = _level_of(level)
        self._level, self._trouble = number, max(number, logging.WARNING)

    def admit(self, _pool: str, _method: AnyMethod, _args: tuple[Any, ...]) -> bool:
        """Return whether successes are logged too, at the current log level."""
        return self._logger.isEnabledFor(self._level)

    def around(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of a `Pool`."""
        started = perf_counter() - call.spent
        try:
            result = proceed(call)
        except BaseException as error:
            self._log(call, started, error)
            raise
        self._log(call, started)
        return result

    async def around_async(self, call: Call, proceed: Proceed) -> Any:
        """Run the rest of a call of an `AsyncPool`."""
        started = perf_counter() - call.spent
        try:
            result = await proceed(call)
        except BaseException as error:
            self._log(call, started, error)
            raise
        self._log(call, started)
        return result

    def _log(self, call: Call, started: float, error: BaseException | None = None) -> None:
        verdict, seconds = call.judge(error), perf_counter() - started
        fields = extra(
            event_name="call",
            pool=call.pool,
            method=call.method.name,
            member=call.member.name if call.member else None,
            outcome=verdict.counted_as,
            reason=verdict.reason,
            attempt=call.attempt,
            seconds=seconds,
        )
        if error is not None:
            fields["error_type"] = type(error).__qualname__
        self._out.log(
            self._trouble if verdict.is_trouble else self._level,
            "%s.%s on %s: %s after %d attempts and %.6f s%s",
            call.pool,
            call.method.name,
            call.member.name if call.member else None,
            verdict.counted_as,
            call.attempt,
            seconds,
            f" ({type(error).__name__})" if error is not None else "",
            extra=fields,
        )


def _level_of(level: object) -> int:
    import logging

    known = logging.getLevelNamesMapping()
    if isinstance(level, int) and not isinstance(level, bool):
        return level
    if isinstance(level, str) and level.upper() in known:
        return known[level.upper()]
    raise refused("level", level, f"a number or one of {', '.join(known)}")
