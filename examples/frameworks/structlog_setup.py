"""structlog: lines about failures and events as fields. `python -m frameworks.structlog_setup` shows some."""

import logging
from dataclasses import fields
from enum import Enum
from typing import Any

import structlog

from connpool_runtime import Call, Event
from connpool_runtime.middleware import ErrorLog
from frameworks.services import manager

__all__ = ["configure", "error_log", "tell"]

log = structlog.get_logger("shop")


def configure() -> None:
    """Have the lines of structlog, and those of `logging`, to which the runtime writes, look alike."""
    shared: list[Any] = [structlog.stdlib.add_log_level, structlog.processors.TimeStamper("iso")]
    line = structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
        foreign_pre_chain=[
            *shared,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),  # the fields of the runtime's records
        ],
    )
    handler = logging.StreamHandler()
    handler.setFormatter(line)
    logging.basicConfig(handlers=[handler], level="INFO")
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def tell(event: Event) -> None:
    """Log an event of a pool; a listener for `pool.subscribe`."""
    told = {field.name: _plain(getattr(event, field.name)) for field in fields(event)}
    log.info(type(event).__name__, **told)


def _plain(value: object) -> object:
    """Return what a line may hold: of errors the type only, as their texts may hold secrets."""
    if isinstance(value, BaseException):
        return type(value).__name__
    return value.value if isinstance(value, Enum) else value


def record(call: Call, error: BaseException) -> None:
    """Log an error that goes out to the caller, as `ErrorLog` hands it over."""
    verdict = call.judge(error)
    write = log.error if verdict.is_trouble else log.info
    member = call.member.name if call.member else None
    write(
        "call failed",
        pool=call.pool,
        method=call.method.name,
        member=member,
        attempts=call.attempt,
        error=type(error).__name__,
        counted_as=verdict.counted_as,
    )


error_log = ErrorLog(record)


if __name__ == "__main__":
    configure()
    with manager:
        cache = manager.get_pool("cache")
        cache.pool.subscribe(tell)
        cache.pool.register_middleware(error_log)
        cache.pool.eject(cache.pool.members[0].name)
        try:
            cache.get("visits")
        except Exception as error:
            log.warning("as expected", error=type(error).__name__)
