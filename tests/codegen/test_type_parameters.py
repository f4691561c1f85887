"""Type parameters that nobody can import, and methods that are for certain type arguments alone."""

import sys
from textwrap import dedent

import pytest

from tests.codegen.made import Made, Maker
from tests.codegen.test_modes import check

NARROWED = """
from __future__ import annotations
from typing import Any, Generic, TypeVar, overload

B = TypeVar("B", str, bytes)
K = TypeVar("K")
V = TypeVar("V")


class Base(Generic[K, V]):
    @overload
    def pick(self: Base[str, V], n: V) -> int: ...
    @overload
    def pick(self: Base[bytes, V], n: V) -> V: ...
    def pick(self, n: Any) -> Any:
        return n

    def only(self: Base[str, V]) -> str:
        return "x"


class Client(Base[B, int]):
    @overload
    def get(self: Client[str]) -> str: ...
    @overload
    def get(self: Client[bytes]) -> bytes: ...
    def get(self) -> Any:
        return b""

    def plain(self) -> B:
        raise NotImplementedError
"""
HIDDEN = """
from __future__ import annotations
from typing import Generic, TypeVar


class Row: ...


T = TypeVar("T", bound=Row)


class Client(Generic[T]):
    def get(self) -> T:
        raise NotImplementedError


del T
"""
NEWER = """
from __future__ import annotations
from collections.abc import Callable
from typing import Protocol


class Row: ...


class Other(Row): ...


class Client[T = int, *Ts = *tuple[int, ...]]:
    def get(self) -> T:
        raise NotImplementedError
    def first[U: Row](self, rows: list[U]) -> U:
        return rows[0]
    def both[U: (str, bytes)](self, rows: list[U], t: T) -> U:
        return rows[0]
    def run[**P, R](self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return call(*args, **kwargs)


class Plain[T]:
    def get(self) -> T:
        raise NotImplementedError


type Rows = list[int]
type Pair[T] = tuple[T, T]
type Tree = int | list[Tree]


class Base[T]:
    def one(self) -> T:
        raise NotImplementedError
    @classmethod
    def make(cls, item: T) -> Base[T]:
        raise NotImplementedError


class Sub[K: str](Base[list[K]]):
    type Inner = dict[str, int]
    async def rows(self, tree: Tree) -> Rows:
        return []
    async def pair[V](self, one: V) -> Pair[V]:
        return one, one
    async def inner(self) -> Inner:
        return {}
    async def only(self: Sub[str]) -> int:
        return 1
"""
MODES = ("pool", "drop-in", "protocol")


def of_mode(maker: Maker, source: str, mode: str, client: str = "Client") -> Made:
    """The wrapper in a mode, verified."""
    return maker.make(source, client=client, mode=mode, verify=True)


@pytest.mark.parametrize("mode", ["pool", "drop-in"])
def test_a_method_is_for_the_clients_that_its_self_says(
    maker: Maker, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """An overload by `self: Client[str]` is one by the wrapper's arguments, through generic bases too."""
    made = of_mode(maker, NARROWED, mode)
    use = dedent("""
        def look(texts: ClientPool[str], raw: ClientPool[bytes]) -> None:
            one: str = texts.get() + texts.plain() + texts.only()
            two: bytes = raw.get() + raw.plain()
            three: int = texts.pick(1) + raw.pick(1)
            raw.only()
        """)
    [finding] = check(maker, made, use, monkeypatch)
    assert "use.py:8: error: Invalid self argument" in finding
    assert made.over(made.client()).get() == b""


def test_a_protocol_of_such_a_client_can_be_made(maker: Maker) -> None:
    """What is for certain type arguments alone is left out of the Protocol, which has none."""
    made = of_mode(maker, NARROWED, "protocol")
    protocol = made.text.partition("class ClientProtocol(")[2].partition("class ClientPool")[0]
    assert "def plain" in protocol
    assert "def get" not in protocol


@pytest.mark.parametrize("mode", MODES)
def test_a_type_parameter_that_nobody_can_import_is_declared_again(
    maker: Maker, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """The wrapper stays generic, with the bound of the client's own variable."""
    made = of_mode(maker, HIDDEN, mode)
    assert 'T = TypeVar("T", bound="Row")' in made.text
    use = dedent(f"""
        from {made.request.module} import Row
        class Other(Row): ...
        def look(pool: ClientPool[Other]) -> Other: return pool.get()
        def wrong(pool: ClientPool[int]) -> None: ...
        """)
    [finding] = check(maker, made, use, monkeypatch)
    assert "use.py:7: error: Type argument" in finding
    assert made.wrapper[int]


@pytest.mark.skipif(sys.version_info < (3, 13), reason="the client's syntax is newer")
@pytest.mark.parametrize("mode", MODES)
def test_type_parameters_in_brackets(
    maker: Maker, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """`class Client[T = int]` and `def get[U: Row]` keep bounds, constraints, defaults and kinds."""
    made = of_mode(maker, NEWER, mode)
    use = dedent(f"""
        from {made.request.module} import Other
        def look(any: ClientPool, pool: ClientPool[str, int]) -> None:
            one: int = any.get() + pool.run(len, "s")
            two: str = pool.get() + pool.both(["s"], "s")
            three: Other = pool.first([Other()])
            pool.first([1])
        """)
    [finding] = check(maker, made, use, monkeypatch)
    assert "use.py:9: error: Value of type variable" in finding


@pytest.mark.skipif(sys.version_info < (3, 13), reason="the client's syntax is newer")
@pytest.mark.parametrize("mode", MODES)
def test_aliases_and_bases_in_newer_syntax(maker: Maker, mode: str) -> None:
    """`type Pair[T] = ...` goes by its name, and a generic base is seen with the client's arguments."""
    text = of_mode(maker, NEWER, mode, client="Sub").text
    assert "async def pair(self, one: V) -> Pair[V]:" in text
    assert "def one(self) -> list[K]:" in text
    assert "async def only(self: SubPool[str]) -> int:" in text


@pytest.mark.skipif(sys.version_info < (3, 13), reason="the client's syntax is newer")
def test_a_plain_type_parameter_in_brackets(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """`class Client[T]` makes a generic wrapper, also at run time."""
    made = of_mode(maker, NEWER, "pool", client="Plain")
    use = "def look(pool: PlainPool[str]) -> str: return pool.get()\nlook(PlainPool[str]())\n"
    assert check(maker, made, use, monkeypatch) == []
    assert made.wrapper[int]
