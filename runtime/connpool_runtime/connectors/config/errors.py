"""The errors of connectors and their configs.

Each class says that its module is `connpool_runtime.connectors`, so that tracebacks show the name to
import it by.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

from connpool_runtime.errors import PoolError

__all__ = [
    "AuthenticationFailed",
    "CertificateRejected",
    "ConnectFailed",
    "ConnectRefused",
    "ConnectTimeout",
    "ConnectorClosed",
    "ConnectorError",
    "FailureKind",
    "HealthCheckFailed",
    "InvalidConfig",
    "InvalidFields",
    "NotConnected",
    "UnknownField",
    "connect_failed",
    "several",
]


class FailureKind(Enum):
    """Why a server could not be used, as far as the library's own error shows."""

    __module__ = "connpool_runtime.connectors"

    REFUSED = "refused"  # connection refused, or host unknown
    TIMEOUT = "timeout"  # no answer within the timeout
    CERTIFICATE = "certificate"  # TLS: one side does not trust the other
    AUTHENTICATION = "authentication"  # no credentials, or wrong ones
    OTHER = "other"


class ConnectorError(PoolError):
    """Root of the errors of connectors. `connector` is the connector's name, `endpoint` the address that failed."""

    __module__ = "connpool_runtime.connectors"

    connector: str
    endpoint: str

    def __init__(
        self,
        message: str = "",
        *,
        connector: str = "",
        endpoint: str = "",
        cause: BaseException | None = None,
    ) -> None:
        super().__init__(message, cause=cause)
        self.connector = connector
        self.endpoint = endpoint


class InvalidConfig(ConnectorError, ValueError):
    """A field of a config has a value that is not allowed.

    `field` is its name (`tls.ca_file` in a section), `shown` the value with secrets masked,
    `allowed` what would be right. `errors` are all that is wrong with the config, one by one.
    """

    __module__ = "connpool_runtime.connectors"

    field: str
    shown: str
    allowed: str

    def __init__(self, field: str, shown: str, allowed: str) -> None:
        super().__init__(f"{field} must be {allowed}, not {shown}")
        self.field = field
        self.shown = shown
        self.allowed = allowed

    @property
    def errors(self) -> tuple[InvalidConfig, ...]:
        """The single errors."""
        return (self,)

    def inside(self, group: str) -> InvalidConfig:
        """Return this error for the field's name as seen from outside its group."""
        return type(self)(f"{group}.{self.field}", self.shown, self.allowed)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.field, self.shown, self.allowed), self._state()


class UnknownField(InvalidConfig):
    """A file, a mapping or the environment has a name that no field has.

    `field` is the name, `shown` what it was meant for ("option"), `allowed` the nearest name, or all.
    """

    __module__ = "connpool_runtime.connectors"

    def __init__(self, field: str, shown: str, allowed: str) -> None:
        super().__init__(field, shown, allowed)
        self.args = (f"unknown {shown} {field!r}; {allowed}",)


class InvalidFields(InvalidConfig):
    """Several fields of a config are wrong; the message has a line for each, `errors` has them one by one.

    `field`, `shown` and `allowed` are those of the first.
    """

    __module__ = "connpool_runtime.connectors"

    def __init__(self, errors: Sequence[InvalidConfig]) -> None:
        self._errors = tuple(errors)
        first = self._errors[0]
        super().__init__(first.field, first.shown, first.allowed)
        self.args = ("\n".join([f"{len(self._errors)} errors:", *map(str, self._errors)]),)

    @property
    def errors(self) -> tuple[InvalidConfig, ...]:
        """The single errors."""
        return self._errors

    def inside(self, group: str) -> InvalidConfig:
        """Return these errors for the fields' names as seen from outside their group."""
        return type(self)([error.inside(group) for error in self._errors])

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._errors,), self._state()


def several(errors: Sequence[InvalidConfig]) -> InvalidConfig:
    """Return one error for all that is wrong with a config; a single error as it is."""
    return errors[0] if len(errors) == 1 else InvalidFields(errors)


class NotConnected(ConnectorError):
    """The connector has no client yet: call `connect` first."""

    __module__ = "connpool_runtime.connectors"


class ConnectorClosed(ConnectorError):
    """The connector was closed, which is final."""

    __module__ = "connpool_runtime.connectors"


class ConnectFailed(ConnectorError, ConnectionError):
    """No endpoint gave a client; `cause` is the library's own error."""

    __module__ = "connpool_runtime.connectors"

    kind = FailureKind.OTHER


class ConnectTimeout(ConnectFailed, TimeoutError):
    """The server did not answer within the connect timeout."""

    __module__ = "connpool_runtime.connectors"

    kind = FailureKind.TIMEOUT


class ConnectRefused(ConnectFailed):
    """Nothing listens at the endpoint, or it cannot be reached."""

    __module__ = "connpool_runtime.connectors"

    kind = FailureKind.REFUSED


class CertificateRejected(ConnectFailed):
    """TLS failed: the server's certificate is not trusted, or it does not trust ours."""

    __module__ = "connpool_runtime.connectors"

    kind = FailureKind.CERTIFICATE


class AuthenticationFailed(ConnectFailed):
    """The server refuses the credentials of the config."""

    __module__ = "connpool_runtime.connectors"

    kind = FailureKind.AUTHENTICATION


class HealthCheckFailed(ConnectorError):
    """The server failed a health check; `kind` says why, as far as is known."""

    __module__ = "connpool_runtime.connectors"

    kind: FailureKind

    def __init__(
        self,
        message: str = "",
        *,
        kind: FailureKind = FailureKind.OTHER,
        connector: str = "",
        endpoint: str = "",
        cause: BaseException | None = None,
    ) -> None:
        super().__init__(message, connector=connector, endpoint=endpoint, cause=cause)
        self.kind = kind


_BY_KIND: dict[FailureKind, type[ConnectFailed]] = {
    each.kind: each
    for each in (
        ConnectFailed,
        ConnectTimeout,
        ConnectRefused,
        CertificateRejected,
        AuthenticationFailed,
    )
}


def connect_failed(
    kind: FailureKind,
    message: str,
    *,
    connector: str = "",
    endpoint: str = "",
    cause: BaseException | None = None,
) -> ConnectFailed:
    """Return the error for a kind of failure."""
    return _BY_KIND[kind](message, connector=connector, endpoint=endpoint, cause=cause)
