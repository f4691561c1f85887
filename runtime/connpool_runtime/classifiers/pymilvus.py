"""Errors of pymilvus: the code of Milvus, and the gRPC error behind it."""

from __future__ import annotations

from connpool_runtime.classifiers.error_chain import attribute
from connpool_runtime.classifiers.grpc import grpc
from connpool_runtime.classifiers.status import status
from connpool_runtime.classifiers.table import ByCode, ErrorTable
from connpool_runtime.classifiers.transport import CONNECT_FAILED, lost, never_connected
from connpool_runtime.classifiers.verdict import (
    Verdict,
    answer,
    failure,
    neutral,
    pushed_back,
    unreached,
)

__all__ = ["pymilvus"]

_MISUSE = neutral("misuse of the client")
_NOT_FOUND = answer("not found")

# Code 1 means both "service not ready" and errors of the client itself, so it says nothing.
_CODES: dict[object, Verdict] = {
    2: unreached("service unavailable"),
    3: pushed_back("memory limit"),
    4: pushed_back("too many requests"),
    5: failure("internal error"),
    7: pushed_back("disk limit"),
    8: pushed_back("rate limit"),
    9: pushed_back("quota exceeded"),
    10: answer("unimplemented"),
    11: failure("time tick delay"),
    12: pushed_back("resources insufficient"),
    100: _NOT_FOUND,
    101: answer("not loaded"),
    **dict.fromkeys([*range(102, 401), *range(402, 500), *range(700, 900)], answer("error reply")),
    401: failure("replica not available"),
    503: failure("channel not available"),
    901: failure("node not found"),
    902: failure("node offline"),
    903: failure("too few nodes"),
    905: failure("node not available"),
    1001: failure("storage error"),
    **dict.fromkeys(range(1100, 1200), answer("invalid parameter")),
    **dict.fromkeys(range(1400, 1500), answer("not allowed")),
}
_behind = lost(None, grpc)


def _reply(error: BaseException) -> Verdict | None:
    """Judge by the errors that led to this one, then by whose mistake it is according to the server."""
    found = status(error) or _behind(error)
    if found is None and attribute(error, "is_input_error") is True:
        return answer("invalid parameter")
    return found


pymilvus = ErrorTable(
    "pymilvus",
    ("pymilvus",),
    {
        "CollectionNotExistException": _NOT_FOUND,
        "ConnectError": never_connected(CONNECT_FAILED, grpc),
        "ConnectionNotExistException": _MISUSE,
        "DescribeCollectionException": answer("error reply"),
        "IndexNotExistException": _NOT_FOUND,
        "MilvusException": ByCode(
            "the code of Milvus", lambda error: _number(error), _CODES, _reply
        ),
        "MilvusUnavailableException": unreached("service unavailable"),
        "PartitionAlreadyExistException": answer("exists already"),
        "SchemaMismatchRetryableException": answer("schema changed"),
        "ServerVersionIncompatibleException": answer("unimplemented"),
        # Codes of mistakes that the client finds before it sends anything.
        **dict.fromkeys(
            (
                "AmbiguousIndexName", "AutoIDException", "CannotInferSchemaException", "ClusteringKeyException",
                "ConnectionConfigException", "DataNotMatchException", "DataTypeNotMatchException",
                "DataTypeNotSupportException", "FieldTypeException", "FieldsTypeException",
                "FunctionsTypeException", "InvalidConsistencyLevel", "ParamError", "PartitionKeyException",
                "PrimaryKeyException", "SchemaNotReadyException",
            ),
            _MISUSE,
        ),
    },
)  # fmt: skip
"""A collection that is not there is an answer; rate and memory limits are push-back."""


def _number(error: BaseException) -> int | None:
    code = attribute(error, "code")
    return int(code) if isinstance(code, int) else None
