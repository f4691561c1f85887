"""Operators and other special methods: none disappears without a word."""

from pathlib import Path

import pytest

from connpool_gen.planning.ledger import Fate
from tests.codegen.made import Made, Maker

SOURCE = """
from __future__ import annotations
from collections.abc import Iterator
from typing import Any, Self, overload


class Client:
    def __init__(self) -> None:
        self.again = self
    def get(self) -> int:
        return 1
    def __bool__(self) -> bool:
        return True
    def __len__(self) -> int:
        return 0
    def __reversed__(self) -> Iterator[int]:
        return iter([2, 1])
    def __getitem__(self, index: int) -> int:
        return index
    def __or__(self, other: int) -> int:
        return other
    def __ror__(self, other: int) -> int:
        return -other
    def __lt__(self, other: int) -> bool:
        return True
    def __int__(self) -> int:
        return 7
    def __index__(self) -> int:
        return 3
    def __neg__(self) -> int:
        return -1
    def __round__(self) -> int:
        return 5
    def __iadd__(self, other: int) -> Self:
        return self
    def __eq__(self, other: object) -> bool:
        return True
    def __hash__(self) -> int:
        return 1
    def __repr__(self) -> str:
        return "the client"
    def perhaps(self) -> Self | None:
        return self
    @property
    def me(self) -> Client:
        return self
    def pair(self) -> tuple[Self, int]:
        return self, 1
    @overload
    @classmethod
    def make(cls, key: int) -> int: ...
    @overload
    @classmethod
    def make(cls, key: str) -> str: ...
    @classmethod
    def make(cls, key: Any) -> Any:
        return key


class AsyncClient:
    async def get(self) -> int:
        return 1
    def lines(self) -> Iterator[int]:
        yield 1
    def __await__(self) -> Any: ...
"""


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory, checker_cache: Path) -> Maker:
    """One folder for the wrappers of this module."""
    return Maker(tmp_path_factory.mktemp("special"), checker_cache)


@pytest.fixture(scope="module")
def made(workshop: Maker) -> Made:
    """The wrapper of a client with many special methods."""
    return workshop.make(SOURCE, verify=True)


def test_operators_run_on_a_member(made: Made) -> None:
    """What a caller does with a client by an operator or a builtin, the wrapper does with one member."""
    wrapper = made.over(made.client())
    assert (wrapper | 3, 3 | wrapper, wrapper < 1, -wrapper) == (3, -3, True, -1)
    assert (int(wrapper), bin(wrapper), round(wrapper)) == (7, "0b11", 5)
    assert (bool(wrapper), len(wrapper), list(reversed(wrapper))) == (True, 0, [2, 1])


def test_the_wrapper_is_an_object_of_its_own(made: Made) -> None:
    """It is compared, hashed and shown as itself, and the ledger says so."""
    wrapper = made.over(made.client())
    assert wrapper != made.wrapper()
    assert "the client" not in repr(wrapper)
    for name in ("__eq__", "__hash__", "__repr__"):
        assert made.names[name].fate is Fate.POOL
        assert made.names[name].reason == "the wrapper is an object of its own"


def test_what_changes_one_client_in_place_is_refused(made: Made) -> None:
    """`wrapper += 1` could put a client in the wrapper's place."""
    assert made.names["__iadd__"].fate is Fate.SKIPPED
    assert not hasattr(made.wrapper, "__iadd__")


def test_a_client_that_a_member_gives_is_the_wrapper(made: Made) -> None:
    """Also where it may be None, or a property or an attribute gives it."""
    wrapper = made.over(made.client())
    assert wrapper.perhaps() is wrapper
    assert wrapper.me is wrapper
    assert wrapper.again is wrapper


def test_a_client_inside_a_result_is_told(made: Made) -> None:
    """It is handed out as it is, past the pool, which the ledger says."""
    assert (
        made.names["pair"].reason == "its result holds clients, and calls on those bypass the pool"
    )


def test_class_methods_with_several_signatures(made: Made) -> None:
    """They are taken from the client's class, types and all."""
    assert made.names["make"].fate is Fate.PASSED
    assert (made.wrapper.make(1), made.wrapper.make("k")) == (1, "k")


def test_special_methods_of_an_asynchronous_client(workshop: Maker) -> None:
    """A generator without `async` is there; awaiting a client opens it, which is done before it is added."""
    made = workshop.make(SOURCE, client="AsyncClient", verify=True)
    assert made.names["lines"].fate is Fate.WRAPPED
    assert made.names["__await__"].reason.startswith("lifecycle: ")
