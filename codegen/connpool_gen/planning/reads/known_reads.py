"""What `@reads` among the idempotent methods stands for: those of the client that only read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from connpool_gen.config.reads import READS
from connpool_gen.config.request import GenerateRequest
from connpool_gen.errors import RequestError
from connpool_gen.planning.reads import etcd, grpc, http, redis
from connpool_gen.reading.facts import ClassFacts

# By the name of the classifier that knows the library's errors.
KNOWN = {
    "aiohttp": frozenset(http.METHODS.split()),
    "etcd3gw": frozenset(etcd.METHODS.split()),
    "httpx": frozenset(http.METHODS.split()),
    "redis": frozenset(redis.METHODS.split()),
    "requests": frozenset(http.METHODS.split()),
}
NAMED = "aiohttp, etcd3gw, gRPC stubs, httpx, redis (valkey) and requests"
# Packages of clients that take statements: one and the same method reads and writes.
SQL = frozenset(
    {
        *("aiomysql", "aiosqlite", "asyncmy", "asyncpg", "cassandra", "clickhouse_connect"),
        *("clickhouse_driver", "duckdb", "mariadb", "MySQLdb", "mysql", "oracledb", "psycopg"),
        *("psycopg2", "psycopg_pool", "pymssql", "pymysql", "pyodbc", "snowflake", "sqlalchemy"),
        *("sqlite3", "trino"),
    }
)


def with_reads(
    request: GenerateRequest, facts: ClassFacts, library: str | None, names: Collection[str]
) -> GenerateRequest:
    """Put the client's own methods in the place of `@reads`; `names` are all that it has.

    Raises RequestError where that would be none. A default of several targets may mean others.
    """
    if READS not in request.idempotent:
        return request
    found = reads_of(facts, library).intersection(names)
    if not found and "idempotent" not in request.shared:
        why = why_none(request, facts, library)
        raise RequestError(f"{request.client}: --idempotent {READS}: {why}")
    spelled = [sorted(found) if given == READS else [given] for given in request.idempotent]
    chosen = dict.fromkeys(name for names in spelled for name in names)
    return replace(request, idempotent=tuple(chosen))


def reads_note(
    request: GenerateRequest, facts: ClassFacts, library: str | None, names: Collection[str]
) -> str | None:
    """Say that `@reads`, a default of several targets, means no method of this one; None if it does."""
    asked = READS in request.idempotent and "idempotent" in request.shared
    if not asked or reads_of(facts, library).intersection(names):
        return None
    return f"{READS} of the defaults means none of its methods: {why_none(request, facts, library)}"


def reads_of(facts: ClassFacts, library: str | None) -> frozenset[str]:
    """Find the methods of a client that are known to be repeatable, also such that it may lack."""
    return (
        grpc.repeatable(facts) if grpc.callables(facts) else KNOWN.get(library or "", frozenset())
    )


def why_none(request: GenerateRequest, facts: ClassFacts, library: str | None) -> str:
    """Say why nothing of a client is known to be repeatable, and what to do."""
    home = facts.home.module if facts.home is not None else request.module
    packages = [module.partition(".")[0] for module in (request.module, home)]
    if grpc.callables(facts):
        return grpc.why_none(facts)
    if sql := SQL.intersection(packages):
        return (
            f"SQL clients such as {min(sql)} have no methods that only read, for a statement's text decides; "
            "name the methods that you use for reading only"
        )
    if library in KNOWN:
        return f"the class has none of the methods that only read in {library}; name its own"
    return f"the methods that only read are known for {NAMED}; name those of this client"
