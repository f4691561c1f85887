"""Values: what instances hold is read from a member, what the class holds from the class."""

from pathlib import Path
from typing import Any

import pytest

from connpool_runtime import NoMembers
from tests.codegen.made import Made, Maker

SOURCE = """
from __future__ import annotations
import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple, overload


class Setting:
    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.name = "_" + name
    @overload
    def __get__(self, obj: None, owner: type[Any]) -> Setting: ...
    @overload
    def __get__(self, obj: object, owner: type[Any]) -> str: ...
    def __get__(self, obj: object, owner: type[Any]) -> Any:
        return self if obj is None else getattr(obj, self.name)


class lazy:
    def __init__(self, func: Callable[[Any], int]) -> None:
        self.func = func
    def __get__(self, obj: Any, owner: type[Any]) -> int:
        return self.func(obj)


def shout(text: str) -> str:
    return text.upper()


class Client:
    base_url = "http://localhost"
    connected = False
    LIMIT = 10
    encoding = None
    count = len
    region = Setting()
    def __init__(self, base_url: str = "http://prod", region: str = "eu") -> None:
        self.base_url = base_url
        self._region = region
        self.host: str = "h"
    def start(self) -> None:
        self.connected = True
    def get(self, path: str) -> str:
        return self.base_url + path
    @lazy
    def version(self) -> int:
        return 3
    @property
    def handler(self) -> Callable[[int], str]:
        return str
    @overload
    @classmethod
    def make(cls, raw: int) -> int: ...
    @overload
    @classmethod
    def make(cls, raw: str) -> str: ...
    @classmethod
    def make(cls, raw: Any) -> Any:
        return raw


@dataclasses.dataclass
class Fields:
    render: Callable[[str], str] = shout
    host: str = "h"
    def get(self, key: str) -> str:
        return self.render(key)


class Pair(NamedTuple):
    left: int
    def get(self) -> int:
        return self.left


class Session:
    pass


class Untyped:
    def __init__(self, url):
        self.url = url
        self.session = Session()
    def get(self, path):
        return path
    def close(self):
        self.session = None
"""


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory, checker_cache: Path) -> Maker:
    """One folder for the wrappers of this module."""
    return Maker(tmp_path_factory.mktemp("attributes"), checker_cache)


@pytest.fixture(scope="module")
def made(workshop: Maker) -> Made:
    """The wrapper of a client with values of every sort, checked by mypy."""
    return workshop.make(SOURCE, verify=True)


def test_what_a_method_sets_wins_over_the_class(made: Made) -> None:
    """An attribute that the class and `__init__` or another method set is the member's."""
    client = made.client()
    wrapper = made.over(client)
    assert (wrapper.base_url, wrapper.get("/")) == ("http://prod", "http://prod/")
    assert wrapper.connected is False
    client.start()
    assert wrapper.connected is True


COMPILED = """
from types import MethodType


class compiled:
    # A function as Cython makes it: it can be called and bound, and its code object has no bytecode.
    def __init__(self, function):
        self.__name__ = function.__name__
        self.__doc__ = function.__doc__
        self._function = function
    @property
    def __code__(self):
        return None
    def __call__(self, *args):
        return self._function(*args)
    def __get__(self, obj, owner):
        return self if obj is None else MethodType(self, obj)


class Plain:
    LIMIT = 10


class Client(Plain):
    keyspace = None
    Part = Plain
    @compiled
    def use(self, keyspace):
        self.keyspace = keyspace
"""


def test_what_a_compiled_method_may_set_is_read_from_a_member(workshop: Maker) -> None:
    """Where a method hides its bytecode any value may be the member's own; a class that is held is the same for all."""
    made = workshop.make(COMPILED, verify=True)
    client = made.client()
    client.use("k")
    wrapper = made.over(client)
    assert (wrapper.keyspace, wrapper.LIMIT) == ("k", 10)
    assert made.names["keyspace"].reason.startswith("attribute, read from one member")
    assert made.wrapper().Part.__name__ == "Plain"


def test_an_attribute_of_instances_is_read_from_a_member(made: Made) -> None:
    """What only `__init__` sets is passed through like a property; without a member there is none."""
    assert made.over(made.client()).host == "h"
    assert made.names["host"].fate.value == "passed through"
    with pytest.raises(NoMembers):
        made.wrapper().host  # noqa: B018


def test_an_attribute_without_annotation_has_the_type_of_its_first_value(workshop: Maker) -> None:
    """Also in an untyped `__init__`; only the property states it, for pyright joins all assignments."""
    text = workshop.make(SOURCE, client="Untyped", verify=True).text
    assert "def session(self) -> Session:\n        result: Session =" in text
    assert "result" not in text.partition("def url(self)")[2].partition("@property")[0]


GUESSED = """
class Policy: ...
class Strict(Policy): ...
class Base:
    scope: str | None = None
class Client(Base):
    OPTIONS = {"a": 1, "b": "x", "c": None}
    LIMIT = 10
    NAMES = ("a", 1)
    scope = "all"
    retries = None
    def __init__(self, strict: bool = False, verify: bool = True) -> None:
        self.policy = Policy()
        self.once = Policy()
        self.table = {"a": 1, "b": "x"}
        self.verify = verify
        if strict:
            self.verify = "path"  # type: ignore[assignment]
        self.retries = 3
    def harden(self, policy: Policy | None) -> None:
        self.policy = policy  # type: ignore[assignment]
"""


@pytest.mark.parametrize("static", [False, True])
def test_a_type_that_checkers_infer_differently_is_stated_once(
    workshop: Maker, tmp_path: Path, static: bool
) -> None:
    """A value that is set twice, holds others, or whose type a base declares has mypy's type, and pyright does not object."""
    made = workshop.make(GUESSED, verify=True, static=static)
    loose = {name for name in made.names if f"def {name}(self) -> " in made.text}
    assert loose == {
        "OPTIONS",
        "LIMIT",
        "NAMES",
        "scope",
        "policy",
        "once",
        "table",
        "verify",
        "retries",
    }
    for name in ("OPTIONS", "scope", "policy", "table", "verify", "retries"):
        assert (
            "        result: " in made.text.partition(f"def {name}(self)")[2].partition("return")[0]
        ), name
    for name in ("LIMIT", "NAMES", "once"):
        assert (
            "result: " not in made.text.partition(f"def {name}(self)")[2].partition("return")[0]
        ), name
    wrapper = made.over(made.client())
    assert (wrapper.OPTIONS["b"], wrapper.scope, wrapper.verify, wrapper.retries) == (
        "x",
        "all",
        True,
        3,
    )


def test_a_constant_is_answered_by_the_class(made: Made) -> None:
    """What no method sets is the same for all members, so an empty pool has it; also None."""
    wrapper = made.wrapper()
    assert (wrapper.LIMIT, wrapper.encoding, wrapper.count([1])) == (10, None, 1)


def test_a_descriptor_is_read_from_a_member(made: Made) -> None:
    """Whatever has `__get__` answers with what it gives for an instance, lazy properties too."""
    wrapper = made.over(made.client(region="us"))
    assert (wrapper.region, wrapper.version) == ("us", 3)
    assert "def region(self) -> str:" in made.text


def test_a_value_that_can_be_called_is_a_value(made: Made, workshop: Maker) -> None:
    """A property that gives a function, and a field of a dataclass that holds one, give the function."""
    assert made.over(made.client()).handler(3) == "3"
    fields = workshop.make(SOURCE, client="Fields", verify=True)
    wrapper = fields.over(fields.client(host="a"))
    assert (wrapper.render("x"), wrapper.host) == ("X", "a")


def test_a_field_of_a_named_tuple_is_read_from_a_member(workshop: Maker) -> None:
    """The class holds an accessor in its place, which nobody wants."""
    pair = workshop.make(SOURCE, client="Pair", include=("left", "get"))
    assert pair.over(pair.client(4)).left == 4


def test_an_overloaded_class_method_takes_the_clients_view(made: Made) -> None:
    """A class method whose views differ is there, with the static view of the client."""
    wrapper = made.wrapper()
    assert (wrapper.make(1), wrapper.make("x")) == (1, "x")
    assert made.names["make"].fate.value == "passed through"


def test_a_property_that_fails_says_so(workshop: Maker) -> None:
    """An AttributeError out of a member's property is the member's own, or says that one raised it."""
    broken = workshop.make(
        "class Client:\n    def get(self) -> int: ...\n"
        "    @property\n    def host(self) -> str:\n        raise AttributeError('no host')\n"
    )
    with pytest.raises(AttributeError, match=r"no host|'host' of a member raised AttributeError"):
        broken.over(broken.client()).host  # noqa: B018


def read(wrapper: Any, name: str) -> str:
    with pytest.raises(AttributeError) as caught:
        getattr(wrapper, name)
    return str(caught.value)


def test_a_name_of_the_pools_is_answered_by_where_it_is(made: Made, workshop: Maker) -> None:
    """Asked for `add_client`, a wrapper tells that its pool has it, under whatever name the pool is."""
    assert read(made.wrapper(), "add_client") == (
        "ClientPool has no 'add_client'; its pool does: .pool.add_client"
    )
    other = workshop.make(SOURCE, pool_field="members")
    assert read(other.wrapper(), "stats").endswith(": .members.stats")


def test_the_pool_of_a_wrapper_can_be_named(made: Made) -> None:
    """Two wrappers of one class are told apart by name in errors, stats and metrics."""
    assert made.wrapper().pool.name == "client"
    assert made.wrapper(name="eu").pool.name == "eu"
