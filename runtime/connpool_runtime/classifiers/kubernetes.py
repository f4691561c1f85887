"""Errors of kubernetes and kubernetes_asyncio."""

from __future__ import annotations

from connpool_runtime.classifiers.error_chain import attribute
from connpool_runtime.classifiers.status import status
from connpool_runtime.classifiers.table import ErrorTable
from connpool_runtime.classifiers.transport import TLS_ERROR
from connpool_runtime.classifiers.verdict import Verdict, neutral

__all__ = ["kubernetes"]

_MISUSE = neutral("misuse of the client")


def _reply(error: BaseException) -> Verdict | None:
    """Judge by the status; the client reports status 0 for a failed handshake."""
    return TLS_ERROR if attribute(error, "status") == 0 else status(error)


kubernetes = ErrorTable(
    "kubernetes",
    ("kubernetes", "kubernetes_asyncio"),
    {
        "ApiAttributeError": _MISUSE,
        "ApiException": _reply,
        "ApiKeyError": _MISUSE,
        "ApiTypeError": _MISUSE,
        "ApiValueError": _MISUSE,
        "ConfigException": _MISUSE,
    },
)
"""Judges by the HTTP status; a server that is not reached is an error of urllib3."""
