"""Types that were lost or wrong once: what a checker shows on the client, it shows on the wrapper."""

from pathlib import Path
from textwrap import dedent

import pytest

from connpool_gen import generate
from connpool_gen.errors import TargetError
from tests.codegen.made import Made, Maker
from tests.codegen.test_modes import check

SOURCE = """
from __future__ import annotations
import collections, functools, io, os.path
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Generic, Literal, Protocol, TypeVar, TypeVarTuple, Unpack, overload
from typing_extensions import TypeForm, TypeGuard, deprecated

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Orders:
    def __init__(self, client: Client) -> None: ...
    def get(self) -> int:
        return 1


class Client:
    @property
    def orders(self) -> Orders:
        return Orders(self)
    def frame(self, kind: Literal[b"\\x00", b"\\"'"]) -> int:
        return kind[0]
    def only(self, items: list[object], test: Callable[[object], TypeGuard[T]]) -> list[T]:
        return []
    def parse(self, form: TypeForm[T]) -> T:
        raise NotImplementedError
    @lru_cache
    def size(self, key: str) -> int:
        return len(key)
    @property
    def handler(self) -> Callable[[int], str]:
        return str
    @deprecated("use fetch")
    def get(self, key: str) -> str:
        return key
    def read(
        self,
        into: type = collections.deque,
        made: type = collections.OrderedDict,
        raw: type = io.BytesIO,
        joined: Any = os.path.join,
        reduced: Any = functools.reduce,
    ) -> object:
        return into()


class Base(ABC):
    @abstractmethod
    def get(self, key: str) -> str: ...
    @property
    @abstractmethod
    def name(self) -> str: ...
    @abstractmethod
    def _hidden(self) -> int: ...


class Shape(Protocol):
    limit: int
    def get(self, key: str) -> str: ...
    @property
    def name(self) -> str: ...


class Row(Generic[Unpack[Ts]]):
    def read(self) -> tuple[Unpack[Ts]]:
        raise NotImplementedError


Alias = list[int]
"""


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory, checker_cache: Path) -> Maker:
    """One folder for the wrappers of this module."""
    return Maker(tmp_path_factory.mktemp("types"), checker_cache)


@pytest.fixture(scope="module")
def made(workshop: Maker) -> Made:
    """The wrapper of a client with types that are hard to restate."""
    return workshop.make(SOURCE, verify=True)


def test_types_that_only_the_client_can_spell(
    maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Escaped bytes, functions that narrow, type forms, cached methods and functions as values keep their types."""
    made = maker.make(SOURCE, verify=True)
    use = dedent("""
        from typing import TypeGuard
        def is_int(value: object) -> TypeGuard[int]: return isinstance(value, int)
        w = ClientPool()
        one: int = w.frame(b"\\x00") + w.frame(b"\\"'")
        w.frame(b"x")
        two: list[int] = w.only([1], is_int)
        three: int | str = w.parse(int | str)
        four: int = w.size("k")
        five: str = w.handler(3)
        """)
    [finding] = check(maker, made, use, monkeypatch)
    assert 'use.py:8: error: Argument 1 to "frame"' in finding


def test_a_default_is_imported_from_where_every_machine_has_it(made: Made) -> None:
    """Neither a module of C code without types nor one platform's module stands in the imports."""
    imports = {line.split()[1] for line in made.text.splitlines() if line.startswith("from ")}
    assert {"collections", "functools", "io", "os"} <= imports
    assert not {name for name in imports if name.startswith(("_c", "_io", "posixpath"))}


def test_a_cold_and_a_warm_cache_give_the_same(workshop: Maker, tmp_path: Path) -> None:
    """What mypy does not keep in its cache does not shape the output: deprecation, `...` for a ParamSpec."""
    source = SOURCE + dedent("""
        from typing import ParamSpec
        P = ParamSpec("P")


        class Task(Generic[P, T]): ...


        class Flipping:
            @deprecated("use fetch")
            def get(self, key: str) -> str:
                return key
            @overload
            @deprecated("use fetch")
            def two(self, key: int) -> int: ...
            @overload
            def two(self, key: str) -> str: ...
            def two(self, key: Any) -> Any:
                return key
            def task(self) -> Task[..., int]:
                raise NotImplementedError
        """)
    request = workshop.request(f"{workshop.write(source)}:Flipping", cache_dir=tmp_path / "cache")
    cold, warm = generate(request).text, generate(request).text
    assert cold == warm
    assert "def _get(client: Any, packed: Any) -> str:" in cold
    assert "-> Task[..., int]:" in cold


def test_the_client_satisfies_its_protocol(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client whose namespaces are properties fits the Protocol, and the module proves it."""
    made = maker.make(SOURCE, mode="protocol", verify=True)
    assert "def _satisfies_too(client: Client) -> ClientProtocol:" in made.text
    use = "def take(client: ClientProtocol) -> int: return client.orders.get()\ntake(Client())\ntake(ClientPool())\n"
    assert check(maker, made, use, monkeypatch) == []


@pytest.mark.parametrize("client", ["Base", "Shape"])
def test_a_drop_in_of_an_abstract_class_can_be_made(
    maker: Maker, monkeypatch: pytest.MonkeyPatch, client: str
) -> None:
    """The wrapper implements what the client only declares, for type checkers too, with its types."""
    made = maker.make(SOURCE, client=client, mode="drop-in", verify=True)
    use = (
        f"w: {client} = {client}Pool()\nkey: str = w.get('k') + w.name\n"
        f"same: str = {client}Pool().get('k') + {client}Pool().name\n"
    )
    assert check(maker, made, use, monkeypatch) == []


@pytest.mark.parametrize("mode", ["pool", "drop-in", "protocol"])
def test_a_client_with_any_number_of_type_parameters(workshop: Maker, mode: str) -> None:
    """A TypeVarTuple is written unpacked wherever the client's type stands."""
    made = workshop.make(SOURCE, client="Row", mode=mode, verify=True)
    assert "Generic[Unpack[Ts]]" in made.text


def test_an_alias_is_told_apart_from_a_function(workshop: Maker) -> None:
    """`Alias = list[int]` is no class; the message names the class that is meant."""
    with pytest.raises(TargetError, match=r"alias of a generic class; .*builtins:list"):
        workshop.make(SOURCE, client="Alias")


@pytest.mark.parametrize("static", [False, True])
def test_literal_text_stays_asked_for(maker: Maker, *, static: bool) -> None:
    """mypy takes `LiteralString` for `str`, so the view of a method with one is the client's own."""
    source = """
        from __future__ import annotations
        from typing import LiteralString

        class Client:
            def run(self, query: LiteralString, *, limit: int = 1) -> str:
                return query * limit
            def count(self, text: str) -> int:
                return len(text)
    """
    made = maker.make(source, static=static, verify=True)
    assert "run = inherited(_Of.client.run)" in made.text
    assert "def count(self, text: str) -> int:" in made.text
    assert made.over(made.client()).run("ab", limit=2) == "abab"


def test_literals_share_one_literal(maker: Maker) -> None:
    """A choice of words is written as the client writes it, also beside other types; the order stays."""
    name = maker.write("""
        from enum import Enum
        from typing import Literal
        class Way(Enum):
            UP = 1
        class Client:
            def get(self, mode: Literal["a", "b", Way.UP] | None = None) -> int | Literal[b"x", b"y"]:
                return 1
        """)
    text = generate(maker.request(f"{name}:Client")).text
    assert 'mode: Literal["a", "b", Way.UP] | None = None' in text
    assert 'int | Literal[b"x", b"y"]' in text
