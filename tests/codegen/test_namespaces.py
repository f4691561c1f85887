"""Namespaces: of any depth, with all their members, each with a class of its own."""

from pathlib import Path
from typing import Any

import pytest

from connpool_gen import generate
from connpool_gen.errors import RequestError
from tests.codegen.made import Made, Maker

SOURCE = """
from __future__ import annotations
from typing import Any


class Admin:
    def __init__(self, client: Client) -> None: ...
    def purge(self) -> str:
        return "user.admin.purge"


class User:
    def __init__(self, client: Client) -> None:
        self.admin = Admin(client)


class UserAdmin:
    def __init__(self, client: Client) -> None: ...
    def purge(self) -> str:
        return "user_admin.purge"


class E:
    def __init__(self, client: Client) -> None: ...
    def get(self) -> str:
        return "deep"


class D:
    def __init__(self, client: Client) -> None:
        self.e = E(client)


class C:
    def __init__(self, client: Client) -> None:
        self.d = D(client)


class B:
    def __init__(self, client: Client) -> None:
        self.c = C(client)


class A:
    def __init__(self, client: Client) -> None:
        self.b = B(client)


class Orders:
    LIMIT = 10
    def __init__(self, client: Client) -> None:
        self.size = 5
        self.client = client
        self.again = client.__dict__.get("orders", self)
    def get(self, key: str) -> str:
        return key
    @property
    def count(self) -> int:
        return 3
    @staticmethod
    def parse(raw: str) -> int:
        return int(raw)
    @classmethod
    def named(cls) -> str:
        return cls.__name__
    async def later(self) -> int:
        return 7
    def __getitem__(self, key: str) -> str:
        return key
    def __len__(self) -> int:
        return 2


class Aio:
    def __init__(self, client: Client) -> None: ...
    async def get(self) -> int:
        return 1


class Base:
    def __init__(self, client: object = None) -> None: ...
    def request(self) -> str:
        return "asked"


class Endpoint:
    def __init__(self, parent: Base) -> None:
        self.parent = parent
    def list(self) -> str:
        return self.parent.request()


class Blocks(Endpoint):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.children = Endpoint(*args, **kwargs)


class Client(Base):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = Blocks(self)
        self.user = User(self)
        self.user_admin = UserAdmin(self)
        self.a = A(self)
        self.orders = Orders(self)
        self.aio = Aio(self)
    def ping(self) -> str:
        return "pong"
"""
MORE = "".join(
    f"    def m{number}(self) -> int: ...\n" for number in range(9)
)  # so that it is no async client


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, checker_cache: Path) -> Made:
    """The wrapper of a client with namespaces of every sort."""
    return Maker(tmp_path_factory.mktemp("namespaces"), checker_cache).make(SOURCE + MORE)


@pytest.fixture
def wrapper(made: Made) -> Any:
    """The wrapper over one client."""
    return made.over(made.client())


def test_two_namespaces_never_share_a_class(wrapper: Any) -> None:
    """`user.admin` and `user_admin` have the same natural class name, and stay apart."""
    assert wrapper.user.admin.purge() == "user.admin.purge"
    assert wrapper.user_admin.purge() == "user_admin.purge"


def test_a_namespace_may_be_of_any_depth(made: Made, wrapper: Any) -> None:
    """What lies five namespaces deep is one call of the pool with its full name as the label."""
    assert wrapper.a.b.c.d.e.get() == "deep"
    assert made.names["a.b.c.d.e.get"].fate.value == "wrapped"


def test_a_namespace_has_all_its_members(wrapper: Any) -> None:
    """Properties, attributes, static and class methods and item access work as on the client."""
    orders = wrapper.orders
    assert (orders.get("k"), orders["k"], len(orders)) == ("k", "k", 2)
    assert (orders.LIMIT, orders.size, orders.count) == (10, 5, 3)
    assert (orders.parse("1"), orders.named()) == (1, "Orders")


def test_no_member_of_a_namespace_is_missing(made: Made, wrapper: Any) -> None:
    """What the pool cannot call is read from one member, and the ledger says why."""
    entry = made.names["orders.later"]
    assert (entry.fate.value, "asynchronous member" in entry.reason) == ("passed through", True)
    wrapper.orders.later().close()
    members = {"get", "count", "parse", "named", "later", "LIMIT", "size", "client", "again"}
    assert {f"orders.{name}" for name in members} <= made.names.keys()


def test_a_namespace_that_holds_itself_ends(made: Made) -> None:
    """A class that is on the path already is read from a member, so the facts have an end."""
    assert made.names["orders.again"].fate.value == "passed through"


def test_a_part_that_holds_the_client_does_not_hold_it_all_again(made: Made, wrapper: Any) -> None:
    """The client in a part, by the name of one of its bases too, is read from a member: it is no part of itself."""
    assert made.names["blocks.parent"].fate.value == "passed through"
    assert not any(name.startswith("blocks.parent.") for name in made.names)
    assert wrapper.blocks.parent.request() == "asked"


def test_a_part_whose_constructor_only_hands_on(made: Made, wrapper: Any) -> None:
    """A part is one by what the constructor of its base takes, where its own takes anything."""
    assert wrapper.blocks.list() == "asked"
    assert wrapper.blocks.children.list() == "asked"
    assert made.names["blocks.children.list"].fate.value == "wrapped"


def test_a_part_says_how_many_members_it_has(made: Made) -> None:
    """The ledger counts the members of a part, in the singular where it is one."""
    assert made.names["user"].reason == "namespace of 1 member"
    assert made.names["blocks"].reason == "namespace of 4 members"


def test_a_namespace_without_a_call_stays_a_property(made: Made, wrapper: Any) -> None:
    """A part of which the pool could call nothing is read as a whole, with all that it has."""
    assert made.names["aio"].reason.startswith("attribute, read from one member")
    wrapper.aio.get().close()


def test_a_part_that_returns_another_of_its_class_gives_its_member_back(maker: Maker) -> None:
    """Such an object is no client but a value like any other, whose calls go past the pool; the ledger says so."""
    source = """
    class Database:
        def __init__(self, client: object) -> None:
            self.client = client
        def with_options(self) -> "Database":
            return Database(self.client)
    class Client:
        def __init__(self) -> None:
            self.database = Database(self)
        def ping(self) -> int:
            return 1
    """
    made = maker.make(source)
    client = made.client()
    wrapper = made.over(client)
    other = wrapper.database.with_options()
    assert (type(other), other.client) == (type(client.database), client)
    assert wrapper.pool.members[0].in_flight == 0
    assert made.names["database.with_options"].reason.endswith("and calls on that bypass the pool")


def test_objects_that_are_no_namespaces_are_told_of(maker: Maker) -> None:
    """Where most of a client lies in objects that are read as a whole, the run says that calls go past the pool."""
    source = """
    class A:
        def __init__(self, version: int) -> None: ...
        def get(self) -> int:
            return 1
    class Client:
        def __init__(self) -> None:
            self.a = A(1)
            self.b = A(1)
        def ping(self) -> int:
            return 1
    """
    name = maker.write(source)
    [note] = generate(maker.request(f"{name}:Client")).notes
    assert note.startswith(
        "only 1 of 3 members is pooled: 2 attributes hold objects of the client's own"
    )
    assert note.endswith('write namespaces = ["a", "b"]')
    assert generate(maker.request(f"{name}:Client", namespaces=("a", "b"))).notes == ()


def test_objects_that_only_hold_values_are_no_parts(maker: Maker) -> None:
    """Collections of a client's own, and values without methods, are not proposed as parts of it."""
    source = """
    from dataclasses import dataclass
    class A:
        def __init__(self, version: int) -> None: ...
        def get(self) -> int:
            return 1
    @dataclass
    class Config:
        town: str = "Oslo"
        @property
        def upper(self) -> str:
            return self.town.upper()
        @classmethod
        def usual(cls) -> "Config":
            return cls()
    class Callbacks(set[str]):
        def fire(self) -> None: ...
    class Client:
        def __init__(self) -> None:
            self.a = A(1)
            self.config = Config()
            self.on_close: Callbacks = Callbacks()
            self.on_open = Callbacks()
        def ping(self) -> int:
            return 1
    """
    [note] = generate(maker.request(f"{maker.write(source)}:Client")).notes
    assert note == (
        "only 1 of 5 members is pooled: 1 attribute holds an object of the client's own, whose calls go past "
        'the pool; if it is a part of the client write namespaces = ["a"]'
    )


NAMED = """
import string

class Files:
    def __init__(self, version: int) -> None: ...
    def list(self, folder: str) -> str:
        return f"{folder}/"

class Projects:
    def __init__(self, version: int) -> None:
        self.files = Files(1)
    def get(self, name: str) -> str:
        return name.upper()

class Client:
    def __init__(self) -> None:
        self.projects = Projects(1)
        self.texts = string.Formatter()
    def ping(self) -> int:
        return 1
"""


def test_namespaces_that_no_rule_recognises(maker: Maker) -> None:
    """An attribute that the user names is a namespace, whoever's class it is; the inner ones by dotted names."""
    made = maker.make(NAMED, namespaces=("projects", "projects.f*", "texts"), verify=True)
    wrapper = made.over(made.client())
    assert wrapper.projects.get("x") == "X"
    assert wrapper.projects.files.list("a") == "a/"
    assert wrapper.texts.format("{}!", 1) == "1!"
    labels = {method.name for method in wrapper.pool.stats().methods}
    assert {"projects.get", "projects.files.list", "texts.format"} <= labels


def test_only_what_is_named_is_a_namespace(maker: Maker) -> None:
    """Without a name an attribute is read from a member, and so is what lies inside a named one."""
    made = maker.make(NAMED, namespaces=("projects",))
    labels = {method.name for method in made.over(made.client()).pool.stats().methods}
    assert labels == {"ping", "projects.get", "projects.files", "texts"}


@pytest.mark.parametrize("pattern", ["project", "ping", "projects.fils"])
def test_a_name_that_is_no_namespace(maker: Maker, pattern: str) -> None:
    """It is refused with the attributes that could be meant."""
    request = maker.request(f"{maker.write(NAMED)}:Client", namespaces=("projects", pattern))
    with pytest.raises(RequestError, match=rf"--namespace '{pattern}' .* nearest: projects|texts"):
        generate(request)


GENERIC = """
from typing import Any, Generic, Iterator, TypeVar
T = TypeVar("T")

class Row(Generic[T]):
    def __init__(self, client: "Client[Any]", value: T) -> None:
        self.value = value
    def read(self) -> T:
        return self.value

class Rows(Generic[T]):
    def __init__(self, client: "Client[Any]", value: T) -> None:
        self.value = value
        self.first: Row[T] = Row(client, value)
    def get(self) -> T:
        return self.value
    def all(self) -> list[T]:
        return [self.value]

class Plain(Generic[T]):
    def __init__(self, version: T) -> None: ...
    def get(self) -> int:
        return 1

class Client(Generic[T]):
    def __init__(self, value: T) -> None:
        self.rows: Rows[T] = Rows(self, value)
        self.streams: Rows[Iterator[int]] = Rows(self, (number for number in (1, 2)))
        self.plain: Plain[str] = Plain("1")
        self.more: Plain[int] = Plain(1)
    def ping(self) -> int:
        return 1
"""


@pytest.mark.parametrize("static", [False, True])
def test_a_part_may_be_generic(maker: Maker, static: bool) -> None:
    """A part with type arguments is a namespace as any other, at any depth, and so is one that is named."""
    made = maker.make(GENERIC, namespaces=("plain",), static=static)
    wrapper = made.over(made.client("a"))
    assert (wrapper.rows.get(), wrapper.rows.all()) == ("a", ["a"])
    assert (wrapper.rows.first.read(), wrapper.plain.get()) == ("a", 1)
    labels = {method.name for method in wrapper.pool.stats().methods}
    assert {"rows.get", "rows.all", "rows.first.read", "plain.get"} <= labels


def test_a_generic_part_that_gives_streams_for_some_type_arguments(maker: Maker) -> None:
    """Where a type variable stands for a stream, what a part gives holds its member, and else it does not."""
    made = maker.make(GENERIC)
    client = made.client("a")
    wrapper = made.over(client)
    [member] = wrapper.pool.members
    assert (wrapper.rows.get(), member.in_flight) == ("a", 0)
    stream = wrapper.streams.get()
    assert (next(stream), member.in_flight) == (1, 1)
    client.streams.value = client.streams.first.value = None
    del stream
    assert member.in_flight == 0


def test_generic_objects_that_are_no_namespaces_are_told_of(maker: Maker) -> None:
    """Objects of generic classes of the client's own count among what goes past the pool."""
    name = maker.write(GENERIC)
    [note] = generate(maker.request(f"{name}:Client", include=("ping", "plain", "more"))).notes
    assert note.endswith('write namespaces = ["plain", "more"]')


@pytest.mark.parametrize("named", [(), ("messages",)])
async def test_a_part_that_is_an_iterator_is_read_as_a_whole(
    maker: Maker, named: tuple[str, ...]
) -> None:
    """Nobody could say whose next item is meant, so the part is one member's own."""
    source = """
    from __future__ import annotations
    class Messages:
        def __init__(self, client: Client) -> None:
            self.left = [1, 2]
        def __aiter__(self) -> Messages:
            return self
        async def __anext__(self) -> int:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop()
        def count(self) -> int:
            return len(self.left)
    class Client:
        def __init__(self) -> None:
            self._messages = Messages(self)
        @property
        def messages(self) -> Messages:
            return self._messages
        async def send(self) -> int:
            return 1
    """
    made = maker.make(source, namespaces=named, verify=True)
    wrapper = made.over(made.client())
    assert [message async for message in wrapper.messages] == [2, 1]
    assert made.names["messages"].reason == "property, read from one member"
