"""The errors of discovery; each names the source, and what was wrong with its answer.

Each class says that its module is `connpool_runtime.discovery`, so that tracebacks show the name to
import it by.
"""

from __future__ import annotations

from connpool_runtime.errors import PoolError

__all__ = [
    "DiscoveryError",
    "DiscoveryTimeout",
    "InvalidEndpoint",
    "NoEndpoints",
    "SourceFailed",
    "reason_of",
]


class DiscoveryError(PoolError):
    """Root of the errors of discovery. `source` is the name of the source."""

    __module__ = "connpool_runtime.discovery"

    source: str

    def __init__(
        self,
        message: str = "",
        *,
        source: str = "",
        pool: str = "",
        cause: BaseException | None = None,
    ) -> None:
        super().__init__(message, pool=pool, cause=cause)
        self.source = source


class SourceFailed(DiscoveryError):
    """The source could not be asked, or its answer is invalid.

    `reason` is one word for it: "unreachable", "timeout", "certificate", "credentials", "answer" or "error";
    `status` is the one of an HTTP answer, None if there was none.
    """

    __module__ = "connpool_runtime.discovery"

    reason: str
    status: int | None

    def __init__(
        self,
        message: str = "",
        *,
        reason: str = "error",
        status: int | None = None,
        source: str = "",
        cause: BaseException | None = None,
    ) -> None:
        super().__init__(message, source=source, cause=cause)
        self.reason = reason
        self.status = status


class NoEndpoints(DiscoveryError):
    """The source answered that there is no endpoint; unless `allow_empty`, the last ones are kept."""

    __module__ = "connpool_runtime.discovery"


class InvalidEndpoint(DiscoveryError, ValueError):
    """An endpoint of an answer is invalid, so the whole answer is not used.

    `field` is what is wrong with it, `shown` its value, `allowed` what would be right, `endpoint` the id
    as far as it is known.
    """

    __module__ = "connpool_runtime.discovery"

    field: str
    shown: str
    allowed: str
    endpoint: str

    def __init__(
        self, field: str, shown: str, allowed: str, *, endpoint: str = "", source: str = ""
    ) -> None:
        said_by = f"{source}: " if source else ""
        of = f" of endpoint {endpoint!r}" if endpoint else ""
        super().__init__(f"{said_by}{field}{of} must be {allowed}, not {shown}", source=source)
        self.field = field
        self.shown = shown
        self.allowed = allowed
        self.endpoint = endpoint

    def told_by(self, source: str, endpoint: str = "") -> InvalidEndpoint:
        """Return this error completed by the name of its source, and by the endpoint's id if that was unknown."""
        return InvalidEndpoint(
            self.field,
            self.shown,
            self.allowed,
            endpoint=self.endpoint or endpoint,
            source=self.source or source,
        )

    def __reduce__(self) -> tuple[object, ...]:
        rest = {"endpoint": self.endpoint, "source": self.source}
        return _invalid_endpoint, (self.field, self.shown, self.allowed, rest), self._state()


class DiscoveryTimeout(DiscoveryError, TimeoutError):
    """There were not enough members in time; `cause` is the last error of the source or of opening clients."""

    __module__ = "connpool_runtime.discovery"


def reason_of(error: BaseException) -> str:
    """Return the reason of a source's error in one word, as stats show it."""
    if isinstance(error, SourceFailed):
        return error.reason
    if isinstance(error, NoEndpoints):
        return "empty"
    if isinstance(error, InvalidEndpoint):
        return "invalid"
    return "timeout" if isinstance(error, TimeoutError) else "error"


def _invalid_endpoint(field: str, shown: str, allowed: str, rest: dict[str, str]) -> object:
    return InvalidEndpoint(field, shown, allowed, **rest)
