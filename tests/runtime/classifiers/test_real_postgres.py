"""What a real PostgreSQL says through psycopg, asyncpg and SQLAlchemy, and what they make of one that is gone."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connpool_runtime.classifiers.registry import judge
from connpool_runtime.classifiers.verdict import MayRetry
from local_servers import free_port
from tests.runtime.classifiers.library import (
    assert_answer,
    assert_failure,
    assert_neutral,
    library,
    raised,
    raised_by,
    retry_of,
    verdict_of,
)

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
START_TIMEOUT = 30.0  # seconds

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(
        not PROGRAMS,
        reason="NO TEST WITH A REAL POSTGRESQL: there is none on this machine (Debian: apt install postgresql)",
    ),
]


class Postgres:
    """A PostgreSQL on a loopback port; it refuses to run as root, so it runs as nobody then."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self.port = free_port()
        self._user = {"user": "nobody"} if os.getuid() == 0 else {}
        if self._user:
            os.chown(self.folder, pwd.getpwnam("nobody").pw_uid, -1)
        subprocess.run(
            [str(PROGRAMS[-1].with_name("initdb")), "-D", "data", "-U", "test", "-A", "trust", "-N"],
            cwd=self.folder, check=True, capture_output=True, **self._user,
        )  # fmt: skip
        self._process = self._start()

    def _start(self) -> Any:
        options = [
            "-p",
            str(self.port),
            "-k",
            "",
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "fsync=off",
        ]
        options += ["-c", "max_connections=8", "-c", "superuser_reserved_connections=0"]
        process = subprocess.Popen(
            [str(PROGRAMS[-1]), "-D", "data", *options],
            cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self._user,
        )  # fmt: skip
        deadline = time.monotonic() + START_TIMEOUT
        ready = [
            str(PROGRAMS[-1].with_name("pg_isready")),
            "-q",
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
        ]
        while subprocess.run(ready, check=False).returncode:
            assert process.poll() is None, "PostgreSQL ended"
            assert time.monotonic() < deadline, "PostgreSQL did not start"
            time.sleep(0.02)
        return process

    @property
    def url(self) -> str:
        """Where it is, as its clients are told."""
        return f"postgresql://test@127.0.0.1:{self.port}/postgres"

    def stop(self) -> None:
        """End it at once, telling who is connected."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()

    def __enter__(self) -> "Postgres":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """One server, with a table."""
    library("psycopg")
    with Postgres() as server:
        subprocess.run(
            ["psql", "-q", server.url, "-c",
             "CREATE TABLE t (a int PRIMARY KEY CHECK (a > 0), b text NOT NULL UNIQUE); INSERT INTO t VALUES (1, 'x');"
             "CREATE TABLE u (a int REFERENCES t); CREATE ROLE reader LOGIN;"],
            check=True,
        )  # fmt: skip
        yield server


MISTAKES = [
    "SELEC 1",
    "SELECT * FROM missing",
    "SELECT c FROM t",
    "SELECT nothing()",
    "SELECT 1 / 0",
    "SELECT 'x'::int",
    "SELECT 10000000000::int",
    "INSERT INTO t VALUES (1, 'y')",
    "INSERT INTO t VALUES (2, 'x')",
    "INSERT INTO t VALUES (3, NULL)",
    "INSERT INTO t VALUES (0, 'z')",
    "INSERT INTO u VALUES (99)",
    "CREATE TABLE t (a int)",
    "DO $$ BEGIN RAISE EXCEPTION 'sold out'; END $$",
    "SET ROLE reader; SELECT * FROM t",
    "SET lock_timeout = 'never'",
]


@pytest.mark.parametrize("statement", MISTAKES)
def test_answers_by_psycopg(server: Postgres, statement: str) -> None:
    """Constraints, syntax, rights and data are answers of a healthy server."""
    with library("psycopg").connect(server.url, autocommit=True) as connection:
        assert_answer(raised(lambda: connection.execute(statement)))


@pytest.mark.parametrize("statement", MISTAKES)
async def test_answers_by_asyncpg(server: Postgres, statement: str) -> None:
    """asyncpg says the same."""
    connection = await library("asyncpg").connect(server.url)
    try:
        assert_answer(await raised_by(connection.execute(statement)))
    finally:
        await connection.close()


@pytest.mark.parametrize("statement", MISTAKES)
def test_answers_by_sqlalchemy(server: Postgres, statement: str) -> None:
    """SQLAlchemy says the same of psycopg's errors."""
    library("psycopg")
    engine = library("sqlalchemy").create_engine(
        server.url.replace("postgresql", "postgresql+psycopg")
    )
    try:
        with engine.connect() as connection:
            assert_answer(raised(lambda: connection.exec_driver_sql(statement)))
    finally:
        engine.dispose()


def test_a_read_only_transaction_is_unknown(server: Postgres) -> None:
    """A standby and a transaction that is read-only by wish look alike: comparison decides."""
    with library("psycopg").connect(server.url, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = on")
        assert judge(raised(lambda: connection.execute("DELETE FROM u"))) is None


def test_the_callers_time_limit_is_neutral(server: Postgres) -> None:
    """A statement that its caller gives too little time says nothing about the server."""
    with library("psycopg").connect(server.url, autocommit=True) as connection:
        connection.execute("SET statement_timeout = 20")
        assert_neutral(raised(lambda: connection.execute("SELECT pg_sleep(5)")))


def test_a_server_that_is_gone_was_not_reached() -> None:
    """With nobody at the port nothing was sent."""
    url = f"postgresql://test@127.0.0.1:{free_port()}/postgres"
    psycopg = library("psycopg")
    assert retry_of(raised(lambda: psycopg.connect(url))) is MayRetry.NOT_SENT
    engine = library("sqlalchemy").create_engine(url.replace("postgresql", "postgresql+psycopg"))
    assert retry_of(raised(engine.connect)) is MayRetry.NOT_SENT


async def test_a_server_that_is_gone_was_not_reached_by_asyncpg() -> None:
    """With nobody at the port nothing was sent."""
    url = f"postgresql://test@127.0.0.1:{free_port()}/postgres"
    assert retry_of(await raised_by(library("asyncpg").connect(url))) is MayRetry.NOT_SENT


def test_too_many_connections_are_push_back(server: Postgres) -> None:
    """A server with all the connections it takes has too much to do."""
    psycopg = library("psycopg")
    taken = []
    try:
        error = raised(lambda: [taken.append(psycopg.connect(server.url)) for _ in range(50)])
    finally:
        for connection in taken:
            connection.close()
    assert retry_of(error) is MayRetry.PUSHED_BACK, verdict_of(error)


async def test_a_server_that_goes_down_is_a_failure() -> None:
    """Whoever is connected when the server ends sees a failure, now and at the next call."""
    psycopg, asyncpg = library("psycopg"), library("asyncpg")
    with Postgres() as server:
        engine = library("sqlalchemy").create_engine(
            server.url.replace("postgresql", "postgresql+psycopg")
        )
        first, second, third = (
            psycopg.connect(server.url),
            await asyncpg.connect(server.url),
            engine.connect(),
        )
        first.execute("SELECT 1")
        third.exec_driver_sql("SELECT 1")
        server.stop()
        for _ in range(2):
            assert_failure(raised(lambda: first.execute("SELECT 1")))
            assert_failure(await raised_by(second.execute("SELECT 1")))
        assert_failure(raised(lambda: third.exec_driver_sql("SELECT 1")))
        third.close()
        engine.dispose()
        first.close()
        second.terminate()
