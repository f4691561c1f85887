"""The libraries whose errors are tested, where each must be there, and what the tests share."""

import importlib
import os
import warnings
from typing import Any

import pytest

from connpool_runtime.breaker.outcome import Outcome
from connpool_runtime.classifiers.registry import judge
from connpool_runtime.classifiers.verdict import MayRetry, Verdict

# In the environment of `make test`.
DEVELOPMENT = {
    "etcd3aio",
    "etcd3gw",
    "grpc",
    "httpx",
    "pymilvus",
    "redis",
    "sqlalchemy",
    "urllib3",
    "requests",
}
# In that of `make classifiers`, which says so by `CLASSIFIERS=all`: those and these.
CORPUS = {
    "aiohttp", "anthropic", "asyncpg", "azure", "botocore", "cassandra", "elastic_transport", "elasticsearch", "google", "httpx2", "kafka",
    "kubernetes", "nats", "neo4j", "openai", "opensearchpy", "pika", "psycopg", "pymongo", "qdrant_client", "valkey",
}  # fmt: skip

MISSING = "NO TEST OF THE ERRORS OF {}: it is not installed here; `make classifiers` has it"
ALL = os.environ.get("CLASSIFIERS") == "all"


def library(module: str) -> Any:
    """Return a module of a library; skip the tests that ask for it where it need not be, and fail where it must."""
    package = module.partition(".")[0]
    assert package in DEVELOPMENT | CORPUS, f"{package} stands in no list"
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # what a library warns of when it is imported is its own business
        if ALL or package in DEVELOPMENT:
            return importlib.import_module(module)
        return pytest.importorskip(module, reason=MISSING.format(package.upper()))


def verdict_of(error: BaseException) -> Verdict:
    """Return what is said of an error, which must be known."""
    verdict = judge(error)
    assert verdict is not None, f"nobody knows {error!r}"
    return verdict


def assert_answer(error: BaseException) -> None:
    """Check that an error counts as a success, and that nobody tries the call again."""
    verdict = verdict_of(error)
    assert (verdict.outcome, verdict.retry) == (Outcome.SUCCESS, MayRetry.NO), verdict


def assert_failure(error: BaseException) -> None:
    """Check that an error counts against the server, and that the call may be tried again."""
    verdict = verdict_of(error)
    assert verdict.outcome is Outcome.FAILURE, verdict
    assert verdict.retry is not MayRetry.NO, verdict


def assert_neutral(error: BaseException) -> None:
    """Check that an error says nothing about the server."""
    assert verdict_of(error).outcome is Outcome.NEUTRAL


def retry_of(error: BaseException) -> MayRetry:
    """Return whether the call may be tried again."""
    return verdict_of(error).retry


def each(errors: list[Any]) -> pytest.MarkDecorator:
    """Run a test with each of some errors as `error`."""
    return pytest.mark.parametrize("error", errors, ids=lambda error: type(error).__name__)


def raised(action: Any) -> BaseException:
    """Return the error that an action raises, which must be one."""
    try:
        action()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


async def raised_by(awaitable: Any) -> BaseException:
    """Return the error that an awaitable raises, which must raise one."""
    try:
        await awaitable
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")
