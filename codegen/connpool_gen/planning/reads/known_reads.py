"""What `@reads` stands for, in the list of idempotent methods and as a policy's pattern."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from connpool_gen.config.reads import READS
from connpool_gen.config.request import GenerateRequest, MethodPolicy
from connpool_gen.errors import RequestError
from connpool_gen.planning.reads import etcd, grpc, http, redis
from connpool_gen.reading.facts import ClassFacts

# By the name of the library's classifier.
KNOWN = {
    "aiohttp": frozenset(http.METHODS.split()),
    "etcd3gw": frozenset(etcd.METHODS.split()),
    "httpx": frozenset(http.METHODS.split()),
    "redis": frozenset(redis.METHODS.split()),
    "requests": frozenset(http.METHODS.split()),
}
NAMED = "aiohttp, etcd3gw, gRPC stubs, httpx, redis (valkey) and requests"
# Packages of clients that take statements: the same method reads and writes.
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
    """Replace `@reads` by the client's own read-only methods; `names` are all that it has.

    Raises RequestError where that would be none. A default of several targets may mean others.
    """
    asked = dict(asked_for(request))
    if not asked:
        return request
    found = reads_of(facts, library).intersection(names)
    for field, option in asked.items():
        if not found and field not in request.shared:
            why = why_none(request, facts, library)
            raise RequestError(f"{request.client}: {option} {READS}: {why}")
    spelled = [sorted(found) if given == READS else [given] for given in request.idempotent]
    chosen = dict.fromkeys(name for names in spelled for name in names)
    policies = [one for given in request.policies for one in by_method(given, found)]
    return replace(request, idempotent=tuple(chosen), policies=tuple(policies))


def by_method(policy: MethodPolicy, found: Collection[str]) -> list[MethodPolicy]:
    """List the policies that a policy stands for: one for each method if its pattern is `@reads`."""
    if policy.pattern != READS:
        return [policy]
    return [replace(policy, pattern=name) for name in sorted(found)]


def asked_for(request: GenerateRequest) -> Iterator[tuple[str, str]]:
    """Yield where a request uses `@reads`: the field, and the name of the option."""
    if READS in request.idempotent:
        yield "idempotent", "--idempotent"
    if any(policy.pattern == READS for policy in request.policies):
        yield "policies", "methods"


def reads_note(
    request: GenerateRequest, facts: ClassFacts, library: str | None, names: Collection[str]
) -> str | None:
    """Note that `@reads`, a default of several targets, means no method of this one; None if it does."""
    shared = any(field in request.shared for field, _ in asked_for(request))
    if not shared or reads_of(facts, library).intersection(names):
        return None
    return f"{READS} of the defaults means none of its methods: {why_none(request, facts, library)}"


def reads_of(facts: ClassFacts, library: str | None) -> frozenset[str]:
    """Find the methods of a client that are known to be repeatable, even if it lacks some of them."""
    return (
        grpc.repeatable(facts) if grpc.callables(facts) else KNOWN.get(library or "", frozenset())
    )


def why_none(request: GenerateRequest, facts: ClassFacts, library: str | None) -> str:
    """Say why no method of a client is known to be repeatable, and what to do."""
    home = facts.home.module if facts.home is not None else request.module
    packages = [module.partition(".")[0] for module in (request.module, home)]
    if grpc.callables(facts):
        return grpc.why_none(facts)
    if sql := SQL.intersection(packages):
        return (
            f"SQL clients such as {min(sql)} have no methods that only read, because that depends on the statement; "
            "name the methods that you use for reading only"
        )
    if library in KNOWN:
        return f"the class has none of the methods that only read in {library}; name its own"
    return f"the methods that only read are known for {NAMED}; name those of this client"
