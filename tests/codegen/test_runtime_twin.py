"""At run time the wrapper is the client's twin: names, kinds, the very default objects, what a call gives."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any

import pytest

from connpool_gen.planning.ledger import Fate
from tests.codegen import sample_clients
from tests.codegen.made import Made
from tests.codegen.sample_clients import CLIENTS

# Parameters as a call to the real client accepts them, where a decorator shows others.
ACCEPTED = {"AsyncStreams.prefixed": ["count"], "Decorated.cut": ["key", "limit"]}


def parameters(owner: object, name: str) -> list[inspect.Parameter]:
    return list(inspect.signature(getattr(owner, name)).parameters.values())


@pytest.mark.parametrize("client", CLIENTS)
def test_parameters_are_the_clients(sample: Callable[[str], Made], client: str) -> None:
    """Every method shows the client's parameter names and kinds, and the same default objects."""
    made = sample(client)
    looked_at = 0
    for entry in made.ledger.entries:
        raw = inspect.getattr_static(made.client, entry.name, None)
        function = getattr(raw, "__func__", raw)
        if entry.fate is Fate.SKIPPED or isinstance(raw, type) or not callable(function):
            continue
        theirs = parameters(made.client, entry.name)
        if not isinstance(raw, (classmethod, staticmethod)):
            theirs = theirs[1:]
        accepted = ACCEPTED.get(f"{client}.{entry.name}")
        theirs = [p for p in theirs if accepted is None or p.name in accepted]
        ours = parameters(made.wrapper(), entry.name)
        assert [(p.name, p.kind) for p in ours] == [(p.name, p.kind) for p in theirs], entry.name
        for our, their in zip(ours, theirs, strict=True):
            assert same_default(our.default, their.default), f"{entry.name}({our.name})"
        looked_at += 1
    assert looked_at > 0


def same_default(ours: object, theirs: object) -> bool:
    """The very same object, or a literal that cannot be told apart."""
    if ours is theirs:
        return True
    plain = (int, float, str, bytes, tuple)
    return type(ours) is type(theirs) and type(ours) in plain and repr(ours) == repr(theirs)


@pytest.mark.parametrize("client", CLIENTS)
def test_methods_are_async_where_the_clients_are(
    sample: Callable[[str], Made], client: str
) -> None:
    """What is a coroutine function, a generator or an async generator on the client is one here."""
    made = sample(client)
    for entry in made.ledger.entries:
        if entry.fate in (Fate.WRAPPED, Fate.BROADCAST, Fate.POOL):
            theirs, ours = getattr(made.client, entry.name), getattr(made.wrapper, entry.name)
            if inspect.iscoroutinefunction(theirs):
                assert inspect.iscoroutinefunction(ours), entry.name
            for is_one in (inspect.isgeneratorfunction, inspect.isasyncgenfunction):
                assert is_one(ours) == is_one(theirs), entry.name


def test_an_async_method_that_a_decorator_hides_is_async(sample: Callable[[str], Made]) -> None:
    """Only the type checker sees that a decorated method is a coroutine function; the wrapper is one."""
    made = sample("AsyncStreams")
    assert not inspect.iscoroutinefunction(made.client.hidden)
    assert inspect.iscoroutinefunction(made.wrapper.hidden)


def test_class_and_static_methods_need_no_instance(sample: Callable[[str], Made]) -> None:
    """Class and static methods are called on the wrapper class, and the client class answers."""
    made = sample("Attributes")
    assert made.wrapper.create("u", retries=1) == "Attributesu1"
    assert made.wrapper.join("a", "b", "c") == "a/b/c"


def test_properties_are_properties(sample: Callable[[str], Made]) -> None:
    """What is read without a call on the client is read without a call on the wrapper."""
    made = sample("Attributes")
    wrapper = made.over(made.client())
    assert (wrapper.name, wrapper.value, wrapper.cached) == ("name", 1, {})
    assert (wrapper.limit, wrapper.Meta) == (5, sample_clients.Options)
    with pytest.raises(AttributeError):
        wrapper.value = 2


@pytest.mark.parametrize("client", CLIENTS)
def test_docstrings_are_the_clients(sample: Callable[[str], Made], client: str) -> None:
    """A method's docstring reads as the client's does."""
    made = sample(client)
    for entry in made.ledger.entries:
        if entry.fate in (Fate.WRAPPED, Fate.BROADCAST, Fate.POOL):
            theirs = inspect.getattr_static(made.client, entry.name).__doc__ or ""
            theirs = theirs.replace("\ud800", "\ufffd")  # which newer Pythons do not compile
            ours = inspect.getattr_static(made.wrapper, entry.name).__doc__ or ""
            assert lines(ours) == lines(theirs), entry.name


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in inspect.cleandoc(text).strip().split("\n")]


# ---------------------------------------------------------------- what calls give


def test_results_of_a_sync_client(sample: Callable[[str], Made]) -> None:
    """Generators, iterators and context managers are what the client's are, and hold a member."""
    made = sample("Streams")
    wrapper = made.over(made.client())
    member = wrapper.pool.members[0]
    assert list(wrapper.scan("k", count=2)) == ["k0", "k1"]
    rows = wrapper.rows()
    assert isinstance(rows, Iterator)
    assert member.in_flight == 1
    assert list(rows) == [1, 2, 3]
    assert member.in_flight == 0
    for manager, value in ((wrapper.pipeline("x"), ["x"]), (wrapper.transaction(), 1)):
        assert isinstance(manager, AbstractContextManager)
        assert member.in_flight == 0
        with manager as found:
            assert found == value
            assert member.in_flight == 1
        assert member.in_flight == 0
    assert (wrapper["key"], "x" in wrapper, len(wrapper)) == (3, True, 1)


def test_a_generator_is_lazy_and_talks_both_ways(sample: Callable[[str], Made]) -> None:
    """A generator function takes a member at the first item; sent values and the result pass through."""
    made = sample("Streams")
    wrapper = made.over(made.client())
    member = wrapper.pool.members[0]
    talk = wrapper.talk(7)
    assert member.in_flight == 0
    assert next(talk) == 7
    assert member.in_flight == 1
    with pytest.raises(StopIteration) as ended:
        talk.send("bye")
    assert ended.value.value == b"bye"
    assert member.in_flight == 0


def test_a_generator_that_is_left_gives_its_member_back(sample: Callable[[str], Made]) -> None:
    """Closing or dropping a generator early ends the client's, and its lease."""
    made = sample("Streams")
    wrapper = made.over(made.client())
    member = wrapper.pool.members[0]
    closed = wrapper.scan()
    next(closed)
    closed.close()
    assert member.in_flight == 0
    dropped = wrapper.scan()
    next(dropped)
    assert member.in_flight == 1
    del dropped
    assert member.in_flight == 0


async def test_results_of_an_async_client(sample: Callable[[str], Made]) -> None:
    """Awaitables, async iterators and async context managers are what the client's are."""
    made = sample("AsyncStreams")
    wrapper = made.over(made.client())
    member = wrapper.pool.members[0]
    assert await wrapper.get("k", default=b"d") == b"d"
    soon = wrapper.soon("k")
    assert isinstance(soon, Awaitable)
    assert await soon == b"k"
    assert await wrapper.later("k") == b"k"
    assert await wrapper.hidden("kk", 3) == 6
    assert wrapper.format(5) == "5"
    for stream in (wrapper.notifies(), wrapper.rows()):
        assert isinstance(stream, AsyncIterator)
        assert [item async for item in stream] == [0, 1, 2]
        assert member.in_flight == 0
    for manager in (wrapper.lock("l"), wrapper.connect_to("l")):
        assert isinstance(manager, AbstractAsyncContextManager)
        async with manager as found:
            assert found == "l"
            assert member.in_flight == 1
        assert member.in_flight == 0


async def test_an_async_generator_that_is_left_gives_its_member_back(
    sample: Callable[[str], Made],
) -> None:
    """Closing an async generator early, or being cancelled inside, ends its lease."""
    made = sample("AsyncStreams")
    wrapper = made.over(made.client())
    member = wrapper.pool.members[0]
    items = wrapper.notifies()
    assert await anext(items) == 0
    assert member.in_flight == 1
    await items.aclose()
    assert member.in_flight == 0

    inside = asyncio.Event()

    async def hang() -> None:
        async for _ in wrapper.notifies():
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(hang())
    await inside.wait()
    assert member.in_flight == 1
    task.cancel()
    await asyncio.wait([task])
    for _ in range(100):  # the loop closes a generator that was left a few turns later
        await asyncio.sleep(0)
    assert task.cancelled()
    assert member.in_flight == 0


def test_overloads_answer_as_the_client_does(sample: Callable[[str], Made]) -> None:
    """Every overload reaches the one implementation of the client."""
    made = sample("Overloaded")
    wrapper = made.over(made.client())
    assert (wrapper.get("k"), wrapper.get("k", decode=True)) == (b"k", "k")
    assert (wrapper.size(), wrapper.first([]), wrapper.first([], 3)) == (1, None, 3)


def test_decorated_methods_take_what_the_client_takes(sample: Callable[[str], Made]) -> None:
    """Where a decorator shows an argument that it fills in itself, the wrapper does not ask for it."""
    made = sample("Decorated")
    wrapper = made.over(made.client())
    assert wrapper.cut("k", 2) == "connectionkk"
    assert wrapper.cut(key="k", limit=1) == "connectionk"
    with pytest.raises(TypeError):
        wrapper.cut("k", 1, "more")
    assert wrapper.changed("k") == ["k", "k"]
    assert wrapper.stacked("k") == ["k", "k"]
    assert wrapper.renamed("k", limit=2) == "kk"


def test_names_that_clash_with_the_wrappers_own(sample: Callable[[str], Made]) -> None:
    """Methods and parameters named like what the module needs are called as on the client."""
    made = sample("Names")
    wrapper = made.over(made.client())
    assert wrapper.pool(Pool="p") == "p"
    assert wrapper.add_client(client="c") == "cn"
    assert wrapper.self_(args=1, kwargs=2) == 3
    assert wrapper.print(print="p", result="r") == "pr"
    assert wrapper.Method(Method="m", Unpack="u", TYPE_CHECKING=True) == "muTrue"
    assert wrapper.lambda_args("a", _args="b", _GET="c") == "abc"
    assert list(wrapper.items(items=["1"], value="2", item="3")) == ["1", "23"]
    assert wrapper.execute("s", tests="t") == "st"
    assert wrapper.match(case="c", type="t", _="x") == "ctx"
    assert wrapper.naïve_été(größe="g") == "g"
    assert wrapper.list() == {}


async def test_names_that_clash_with_locals(sample: Callable[[str], Made]) -> None:
    """Parameters named like a wrapper's own locals, or like the client, arrive unchanged."""
    made = sample("AsyncNames")
    wrapper = made.over(made.client())
    assert [text async for text in wrapper.items(1, item="a", value=b"b")] == ["1ab'b'"]
    async with wrapper.value(value="ab", items=3) as six:
        assert six == 6
    assert await wrapper.result(result=1, pool="x") == {"x": 1}
    assert wrapper.create(AsyncNames="n") == "n"
    assert wrapper.result_of(result=1) == [1]


def test_receivers_and_private_parameters(sample: Callable[[str], Made]) -> None:
    """A parameter may be called `self`, and one that the class mangles keeps its mangled name."""
    made = sample("Receivers")
    wrapper = made.over(made.client())
    assert wrapper.ask(self="s", cls="c") == "sc"
    assert wrapper.fixed(self="s") == "s"
    assert wrapper.mangled("k", 2) == "kk"
    assert wrapper.mangled(_Receivers__key="k") == "k"
    assert wrapper.dashed(_key="k", _=2) == "kk"


def test_every_kind_of_parameter_arrives(sample: Callable[[str], Made]) -> None:
    """Positional-only, keyword-only and starred arguments reach the client where they belong."""
    made = sample("Parameters")
    wrapper = made.over(made.client())
    assert wrapper.everything(1, d=4) == (1, 2, 3, (), 4, 5, {})
    given = wrapper.everything(1, 20, 30, 31, 32, d=4, e=50, a=7, self=8, client=9)
    assert given == (1, 20, 30, (31, 32), 4, 50, {"a": 7, "self": 8, "client": 9})
    assert wrapper.positional_then_star("a", "b", "c", last="d") == "abcd"
    assert wrapper.unpacked(start=1, end=2) == 2
    with pytest.raises(TypeError):
        wrapper.positional_only(key="k")


def test_a_generic_wrapper_is_subscriptable(sample: Callable[[str], Made]) -> None:
    """`BoxPool[int, str]` works where the client's own generic does, and calls pass through."""
    made = sample("Box")
    wrapper: Any = made.wrapper[int, str]()
    wrapper.pool.add_client(sample_clients.Box[int, str]("x"))
    assert wrapper.read_many([1, 2]) == {1: "x", 2: "x"}
    assert wrapper.convert(1, str.upper) == "X"


# ---------------------------------------------------------------- lifecycle


def test_closing_belongs_to_the_pool(sample: Callable[[str], Made]) -> None:
    """`close` of the wrapper closes every member once, and calls afterwards are refused."""
    made = sample("Streams")
    closed: list[object] = []

    class Client(sample_clients.Streams):
        def close(self) -> None:
            closed.append(self)

    first, second = Client(), Client()
    with made.over(first, second) as wrapper:
        wrapper.values()
        wrapper.close()
        wrapper.close()
    assert sorted(map(id, closed)) == sorted([id(first), id(second)])
    with pytest.raises(Exception, match="closed"):
        wrapper.values()


def test_connecting_reaches_every_member(sample: Callable[[str], Made]) -> None:
    """An opening method that takes no address runs on all members, not on one."""
    made = sample("Lifecycle")
    connected: list[object] = []

    class Client(sample_clients.Lifecycle):
        def connect(self) -> None:
            connected.append(self)

    clients = [Client(), Client(), Client()]
    made.over(*clients).connect()
    assert connected == clients


async def test_the_same_for_async_clients(sample: Callable[[str], Made]) -> None:
    """Opening is awaited on every member, closing on the pool."""
    made = sample("AsyncLifecycle")
    seen: list[str] = []

    class Client(sample_clients.AsyncLifecycle):
        async def connect(self) -> None:
            seen.append("connect")

        async def close(self, code: int = 1000) -> None:
            seen.append("close")

    async with made.over(Client(), Client()) as wrapper:
        await wrapper.connect()
        assert await wrapper.ping()
    assert seen == ["connect", "connect", "close", "close"]
