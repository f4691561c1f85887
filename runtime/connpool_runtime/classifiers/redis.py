"""Errors of redis and valkey, which have the same names and the same server."""

from __future__ import annotations

import re

from connpool_runtime.classifiers.table import ByCode, ErrorTable
from connpool_runtime.classifiers.transport import (
    CONNECT_TIMED_OUT,
    CONNECTION_ERROR,
    PROTOCOL_ERROR,
    TIMED_OUT,
    lost,
)
from connpool_runtime.classifiers.verdict import (
    MayRetry,
    Verdict,
    answer,
    failure,
    neutral,
    own_limit,
    pushed_back,
    unreached,
)

__all__ = ["redis"]

# A loading server refuses every command until it is done: it is ejected, and another server may be asked.
_LOADING = failure("LOADING", MayRetry.PUSHED_BACK)
_READ_ONLY = unreached("READONLY")
_CLUSTER_DOWN = unreached("CLUSTERDOWN")
_NO_PRIMARY = unreached("MASTERDOWN")
_OUT_OF_MEMORY = pushed_back("OOM")
# The password belongs to the connection, so all calls of all callers fail.
_WRONG_PASSWORD = unreached("authentication failed")
_OWN_LIMIT = own_limit("client's own connection limit")
_SERVER_LIMIT = pushed_back("server's connection limit")
_MISUSE = neutral("misuse of the client")

# The first word of the server's message, where the client has no class for it.
_WORDS: dict[object, Verdict] = {
    "BUSY": pushed_back("BUSY"),
    "CLUSTERDOWN": _CLUSTER_DOWN,
    "LOADING": _LOADING,
    "MASTERDOWN": _NO_PRIMARY,
    "MISCONF": unreached("MISCONF"),
    "NOREPLICAS": unreached("NOREPLICAS"),
    "OOM": _OUT_OF_MEMORY,
    "READONLY": _READ_ONLY,
    "TRYAGAIN": pushed_back("TRYAGAIN"),
    "UNKILLABLE": pushed_back("UNKILLABLE"),
}
_KNOWN_ANSWERS: dict[object, Verdict] = {
    word: answer(word)
    for word in (
        "BUSYGROUP", "BUSYKEY", "CROSSSLOT", "ERR", "EXECABORT", "INPROG", "NOGROUP", "NOPERM", "NOPROTO",
        "NOSCRIPT", "UNBLOCKED", "WRONGTYPE",
    )
}  # fmt: skip
_IN_PIPELINE = re.compile(r"caused error: (\w+)")


def _first_word(error: BaseException) -> str:
    """Return the server's error code, which a pipeline puts after words of its own."""
    text = str(error)
    found = _IN_PIPELINE.search(text)
    return found[1] if found else text.partition(" ")[0]


_lost = lost(CONNECTION_ERROR)


def _connection(error: BaseException) -> Verdict | None:
    text = str(error)
    if "Too many connections" in text or "No connection available" in text:
        return _OWN_LIMIT
    return _SERVER_LIMIT if "max number of clients" in text else _lost(error)


def _timeout(error: BaseException) -> Verdict:
    return CONNECT_TIMED_OUT if "connecting" in str(error) else TIMED_OUT


redis = ErrorTable(
    "redis",
    ("redis", "valkey"),
    {
        "AuthenticationError": _WRONG_PASSWORD,
        "AuthorizationError": _WRONG_PASSWORD,
        "BusyLoadingError": _LOADING,
        "ChildDeadlockedError": neutral("used after a fork"),
        "ClusterDownError": _CLUSTER_DOWN,
        "ClusterError": failure("cluster error"),
        "ConnectionError": _connection,
        "DataError": _MISUSE,
        "ExternalAuthProviderError": None,
        "InvalidPipelineStack": _MISUSE,
        "InvalidResponse": PROTOCOL_ERROR,
        "LockError": answer("lock not held"),
        "MasterDownError": _NO_PRIMARY,
        "MaxConnectionsError": _OWN_LIMIT,
        "ModuleError": answer("module error"),
        "NoPermissionError": answer("NOPERM"),
        "NoScriptError": answer("NOSCRIPT"),
        "OutOfMemoryError": _OUT_OF_MEMORY,
        "PubSubError": _MISUSE,
        "ReadOnlyError": _READ_ONLY,
        "RedisClusterException": failure("cluster error"),
        "ResponseError": ByCode(
            "the first word of the answer",
            _first_word,
            _WORDS | _KNOWN_ANSWERS,
            answer("error reply"),
        ),
        "SlotNotCoveredError": unreached("slot not covered"),
        "CrossSlotTransactionError": _MISUSE,
        "TimeoutError": _timeout,
        "TryAgainError": pushed_back("TRYAGAIN"),
        "ValkeyClusterException": failure("cluster error"),
        "WatchError": answer("watched key changed"),
    },
)
"""A WRONGTYPE, a NOSCRIPT or a script's own error is an answer; a server that loads, or cannot write, fails."""
