"""Connectors open, check and close clients; each kind has a file of its own and its library as an extra."""

from connpool_runtime.connectors.config.base import ConnectorConfig
from connpool_runtime.connectors.config.errors import (
    AuthenticationFailed,
    CertificateRejected,
    ConnectFailed,
    ConnectorClosed,
    ConnectorError,
    ConnectRefused,
    ConnectTimeout,
    FailureKind,
    HealthCheckFailed,
    InvalidConfig,
    InvalidFields,
    NotConnected,
    UnknownField,
)
from connpool_runtime.connectors.config.secrets import SecretSource
from connpool_runtime.connectors.config.tls import TLS
from connpool_runtime.connectors.protocols import AsyncConnector, Connector

__all__ = [
    "TLS",
    "AsyncConnector",
    "AuthenticationFailed",
    "CertificateRejected",
    "ConnectFailed",
    "ConnectRefused",
    "ConnectTimeout",
    "Connector",
    "ConnectorClosed",
    "ConnectorConfig",
    "ConnectorError",
    "FailureKind",
    "HealthCheckFailed",
    "InvalidConfig",
    "InvalidFields",
    "NotConnected",
    "SecretSource",
    "UnknownField",
]
