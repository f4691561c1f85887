"""Clients that are talked to in several calls: the run and the ledger say that each may meet another member."""

import pytest

from connpool_gen import generate
from tests.codegen.made import Maker

CURSOR = """
from __future__ import annotations
from typing import Self
class Client:
    rowcount = -1
    def execute(self, query: str) -> Self:
        return self
    def fetchone(self) -> int:
        return 1
    def fetch_table(self) -> int:
        return 1
"""
FLUENT = """
from __future__ import annotations
from typing import Self
class Client:
    def select(self, db: int) -> Self:
        return self
    @classmethod
    def from_url(cls, url: str) -> Self:
        return cls()
    def get(self) -> int:
        return 1
"""
PLAIN_CURSOR = """
class Client:
    def execute(self, query: str) -> None: ...
    def fetchall(self, size: int = 1) -> list[int]:
        return []
"""
COMPLETE = """
class Client:
    def fetch(self, query: str) -> list[int]:
        return []
    def fetchrow(self, query: str) -> int:
        return 1
    def fetchall(self, query: str) -> list[int]:
        return []
    def fetch_users(self) -> list[int]:
        return []
    description = "a shop"
    def result(self) -> int:
        return 1
"""

CONNECTION = """
class Client:
    def execute(self, query: str) -> int:
        return 1
    def commit(self) -> None: ...
    def rollback(self) -> None: ...
"""
PRODUCER = """
class Client:
    async def send(self, text: str) -> None: ...
    async def commit_transaction(self) -> None: ...
    async def abort_transaction(self) -> None: ...
"""
INDEX = """
class Client:
    def add(self, text: str) -> None: ...
    def commit(self, soft: bool = False) -> str:
        return ""
"""
REMOTE_TRANSACTIONS = """
class Client:
    def begin(self) -> str:
        return ""
    def commit(self, transaction: str) -> None: ...
    def rollback(self, transaction: str) -> None: ...
"""
SESSION = """
class Client:
    def login(self, user: str, password: str) -> None: ...
    def cwd(self, folder: str) -> str:
        return ""
    def nlst(self) -> list[str]:
        return []
"""


def notes(maker: Maker, source: str) -> list[str]:
    """What the run says about leases."""
    request = maker.request(f"{maker.write(source)}:Client")
    return [note for note in generate(request).notes if "pool.lease()" in note]


@pytest.mark.parametrize(
    ("source", "named"),
    [(CURSOR, {"rowcount", "fetch_table", "fetchone"}), (PLAIN_CURSOR, {"fetchall"})],
)
def test_what_an_earlier_call_left_is_read_in_a_lease(
    maker: Maker, source: str, named: set[str]
) -> None:
    """Where methods read the rows of an earlier call, the run names them and says what to do instead."""
    [note] = notes(maker, source)
    assert set(note.partition(":")[0].split(", ")) == named
    assert "another query's data" in note


def test_a_chain_of_complete_calls_needs_no_lease(maker: Maker) -> None:
    """A method that returns the client, as one with other options, is marked in the ledger and no reason for a warning."""
    assert notes(maker, FLUENT) == []
    assert "goes to any member" in maker.make(FLUENT).names["select"].reason


@pytest.mark.parametrize(
    ("source", "named"),
    [(CONNECTION, "commit, rollback"), (PRODUCER, "commit_transaction, abort_transaction")],
)
def test_a_transaction_is_of_one_member(maker: Maker, source: str, named: str) -> None:
    """A client that has both ends of a transaction keeps it between calls; the run says so."""
    [note] = notes(maker, source)
    assert note.startswith(f"{named}: a transaction is of one member")


@pytest.mark.parametrize("source", [INDEX, REMOTE_TRANSACTIONS])
def test_a_transaction_that_is_named_or_has_no_other_end_needs_no_lease(
    maker: Maker, source: str
) -> None:
    """What names its transaction, and a `commit` without a `rollback`, as of an index, can run on any member."""
    assert notes(maker, source) == []


def test_what_changes_one_client_changes_one_member(maker: Maker) -> None:
    """To log in, or to change the directory, is for each client before it is added, or for a lease."""
    [note] = notes(maker, SESSION)
    assert note.startswith("login, cwd: only the member of that call is changed")
    request = maker.request(f"{maker.write(SESSION)}:Client", exclude=("login", "cwd"))
    assert not [note for note in generate(request).notes if "pool.lease()" in note]


def test_a_call_that_is_complete_needs_no_lease(maker: Maker) -> None:
    """A method that takes the query itself reads nothing of an earlier call, whatever its name."""
    assert notes(maker, COMPLETE) == []


def test_the_ledger_marks_each_method_that_returns_the_client(maker: Maker) -> None:
    """What is called on the result of such a method goes to any member."""
    made = maker.make(CURSOR)
    assert "goes to any member" in made.names["execute"].reason
    assert made.names["fetchone"].reason == ""


def test_a_member_that_was_left_out_is_not_warned_about(maker: Maker) -> None:
    """Who excludes the methods that read on has decided."""
    request = maker.request(f"{maker.write(PLAIN_CURSOR)}:Client", exclude=("fetchall",))
    assert not [note for note in generate(request).notes if "pool.lease()" in note]
