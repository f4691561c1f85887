"""Arguments arrive as the callable underneath wants them: by position where it looks at positions, all that it takes."""

from typing import Any

import pytest

from tests.codegen.made import Made, Maker

SOURCE = """
from __future__ import annotations
from collections.abc import Callable
from functools import singledispatchmethod, wraps
from typing import Any, Protocol, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def memo(function: F) -> F:
    seen: dict[tuple[Any, ...], Any] = {}
    @wraps(function)
    def inner(self: Any, *args: Any) -> Any:
        if args not in seen:
            seen[args] = function(self, *args)
        return seen[args]
    return inner  # type: ignore[return-value]


def audited(function: F) -> F:
    @wraps(function)
    def inner(self: Any, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs), args[0]
    return inner  # type: ignore[return-value]


def renamed(function: F) -> F:
    @wraps(function)
    def inner(self: Any, first: Any, **rest: Any) -> Any:
        return function(self, first, **rest)
    return inner  # type: ignore[return-value]


def with_params(*names: str) -> Callable[..., Any]:
    def decorate(function: Any) -> Any:
        @wraps(function)
        def inner(*args: Any, **kwargs: Any) -> Any:
            taken = {name: kwargs.pop(name) for name in names if name in kwargs}
            return function(*args, params=taken, **kwargs)
        return inner
    return decorate


def traced() -> Callable[..., Any]:
    def decorate(function: Any) -> Any:
        @wraps(function)
        def inner(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)
        return inner
    return decorate


class Client:
    @traced()
    @with_params("size", "page")
    def search(self, *, index: str = "all", params: Any = None) -> Any:
        return index, params
    @traced()
    def count(self, *, index: str = "all") -> Any:
        return len(index)
    @memo
    def lookup(self, key: str, times: int = 1) -> str:
        return key.upper() * times
    @audited
    def publish(self, topic: str, *, loud: bool = False) -> str:
        return topic + "!" * loud
    @renamed
    def find(self, key: str, deep: bool = False) -> str:
        return key + "?" * deep
    @singledispatchmethod
    def put(self, item: object) -> str:
        return "object"
    @put.register
    def _put_int(self, item: int) -> str:
        return "int"


class Store(Protocol):
    def get(self, key: str, default: str = "") -> str: ...


class Disk:
    def get(self, name: str, default: str = "") -> str:
        return name + default
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, checker_cache: Any) -> Made:
    """The wrapper of a client whose decorators look at how they are called."""
    return Maker(tmp_path_factory.mktemp("positions"), checker_cache).make(SOURCE)


@pytest.mark.parametrize(
    ("method", "positions", "names"),
    [
        ("lookup", ("k",), {}),
        ("lookup", ("k", 2), {}),
        ("publish", ("t",), {}),
        ("publish", ("t",), {"loud": True}),
        ("find", ("k",), {}),
        ("find", ("k",), {"deep": True}),
        ("put", (3,), {}),
        ("put", ("x",), {}),
        ("search", (), {"index": "a", "size": 3}),
        ("search", (), {}),
        ("count", (), {"index": "a"}),
    ],
)
def test_a_decorator_sees_positions(
    made: Made, method: str, positions: tuple[Any, ...], names: dict[str, Any]
) -> None:
    """What a decorator or a dispatching method gets by position, it gets so from the wrapper too."""
    client = made.client()
    ours = getattr(made.over(client), method)(*positions, **names)
    assert ours == getattr(client, method)(*positions, **names)


@pytest.mark.parametrize("static", [False, True])
def test_a_decorator_may_take_keywords_of_its_own(maker: Maker, static: bool) -> None:
    """Where a decorator without types looks at keywords, any may be given; where it hands them on, those that are shown."""
    made = maker.make(SOURCE, static=static)
    wrapper = made.over(made.client())
    assert wrapper.search(index="a", size=3, page=2) == ("a", {"size": 3, "page": 2})
    with pytest.raises(TypeError, match=r"ClientPool.count\(\) got an unexpected keyword"):
        wrapper.count(sise=3)


def test_members_of_a_protocol_may_name_parameters_otherwise(maker: Maker) -> None:
    """A class that fits a Protocol for type checkers is called as a caller of the Protocol would."""
    made = maker.make(SOURCE, client="Store")
    module = __import__(made.client.__module__)
    wrapper = made.over(module.Disk())
    assert (wrapper.get("k"), wrapper.get("k", default="!")) == ("k", "k!")
