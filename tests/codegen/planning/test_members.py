"""What becomes of a member, and in which form: the form follows what a call gives."""

import ast
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from connpool_gen import generate
from connpool_gen.planning.ledger import Fate
from tests.codegen.made import Made, Maker

PREAMBLE = """
from __future__ import annotations
import asyncio, contextlib, functools
from collections.abc import *
from contextlib import *
from typing import *
import socket
from io import BytesIO as open_file

class Pages:
    def __await__(self) -> Generator[Any, Any, int]: ...
    def __aiter__(self) -> AsyncIterator[int]: ...

class Transaction:
    def commit(self) -> None: ...
    def rollback(self) -> None: ...
class Cursor:
    def fetchone(self) -> int: ...
    def close(self) -> None: ...
class Bare:
    def __next__(self): ...
class BareCursor:
    def fetchone(self): ...
    def close(self): ...
class Refusing:
    def __next__(self) -> NoReturn: ...
class Stream:
    def __next__(self) -> int: ...
    next = __next__
    def close(self) -> None: ...
class Candle:
    close: float
    fetch: float
    def commit(self) -> None: ...
class Response:
    def read(self) -> bytes: ...
    def close(self) -> None: ...
Q = TypeVar("Q")
class Enterable(Protocol[Q]):
    def __await__(self) -> Generator[None, None, Q]: ...
    async def __aenter__(self) -> Q: ...
    async def __aexit__(self, *error: object) -> None: ...
class Paged(AsyncIterator[int]):
    def by_page(self) -> AsyncIterator[list[int]]: ...
    async def __anext__(self) -> int: ...

P = ParamSpec("P")
T = TypeVar("T")

def loosely(f: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(f)
    async def run(*args: Any, **kwargs: Any) -> Any:
        return await f(*args, **kwargs)
    return run

def runs(f: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    @functools.wraps(f)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        return asyncio.run(f(*args, **kwargs))
    return wrapper

def unclear(f: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(f)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return f(*args, **kwargs)
    return wrapper

class Client:
"""
SYNC = "    def certainly(self) -> int: ...\n"
ASYNC = "    async def certainly(self) -> int: ...\n"


SYNC_FORMS = {
    "def f(self) -> int: ...": "return self.pool.call(_f)",
    "def f(self): ...": "return self.pool.call(_f)",
    "def f(self) -> list[int]: ...": "return self.pool.call(_f)",
    "def f(self) -> Iterator[int]: return iter([])": "return self.pool.stream(_f)",
    "def f(self) -> Iterator[int]: yield 1": "yield from self.pool.stream(_f)",
    "def f(self) -> Iterable[int]: yield 1": "yield from self.pool.stream(_f)",
    "def f(self) -> Generator[int, str, None]: yield 1": "yield from self.pool.stream(_f)",
    "def f(self) -> Generator[int, str, bytes]: return (yield 1)": "result: bytes = (yield from self.pool.stream(_f)) return result",
    "def f(self): yield 1": "return (yield from self.pool.stream(_f))",
    "@contextmanager\n    def f(self) -> Iterator[int]: yield 1": "with self.pool.context(_f) as value: yield value",
    "def f(self) -> AbstractContextManager[int]: ...": "return self.pool.context(_f)",
    "@property\n    def f(self) -> int: ...": "return self.pool.call(_f)",
    "@functools.cached_property\n    def f(self) -> int: ...": "return self.pool.call(_f)",
    "@classmethod\n    def f(cls, a: int) -> int: ...": "return Client.f(a=a)",
    "@staticmethod\n    def f(a: int) -> int: ...": "return Client.f(a=a)",
    "f: int = 1": "return Client.f",
    "def f(self) -> 'open_file | socket.socket | None': ...": "return self.pool.pinned(_f)",
    "def f(self) -> 'open_file | int': ...": "return self.pool.call_or_stream(_f)",
    "def f(self) -> 'Transaction': ...": "return self.pool.pinned(_f)",
    "def f(self) -> 'Cursor | None': ...": "return self.pool.pinned(_f)",
    "def f(self) -> 'Cursor | int': ...": "return self.pool.call_or_stream(_f)",
    "def f(self) -> 'Stream': ...": "return self.pool.pinned(_f)",
    "def f(self) -> 'Bare': ...": "return self.pool.call_or_stream(_f)",
    "def f(self) -> 'BareCursor': ...": "return self.pool.pinned(_f)",
    "def f(self) -> 'Refusing': ...": "return self.pool.call(_f)",
    "def f(self) -> 'Candle': ...": "return self.pool.call(_f)",
    "def f(self) -> 'Response': ...": "return self.pool.call(_f)",
    "@overload\n    def f(self, a: int) -> 'Client': ...\n    @overload\n    def f(self, a: str) -> int: ...\n    def f(self, a: Any) -> Any: ...": "return self.pool.pinned(_f, (a,), self)",
}
ASYNC_FORMS = {
    "async def f(self) -> int: ...": "return await self.pool.call(_f)",
    "async def f(self): ...": "return await self.pool.call(_f)",
    "def f(self) -> Awaitable[int]: ...": "return self.pool.call(_f)",
    "def f(self) -> Coroutine[Any, Any, int]: ...": "return await self.pool.call(_f)",
    "def f(self) -> int: ...": "return self.pool.call_sync(_f)",
    "def f(self) -> 'int | Awaitable[int]': ...": "result: int | Awaitable[int] = self.pool.call_any(_f) return result",
    "def f(self): ...": "return self.pool.call_any(_f)",
    "async def f(self) -> AsyncIterator[int]:\n        yield 1": "async with self.pool.stream(_f) as items: async for item in items: try: items.send_next((yield item)) except Exception as error: items.throw_next(error)",
    "async def f(self) -> AsyncIterator[int]: return aiter(())": "return await self.pool.stream(_f).open()",
    "def f(self) -> 'asyncio.Task[int]': ...": "return ensure_future(self.pool.call(_f))",
    "def f(self) -> AsyncIterable[int]: ...": "return self.pool.stream(_f)",
    "def f(self) -> Iterator[int]:\n        yield 1": "return self.pool.pinned_sync(_f)",
    "def f(self) -> AsyncIterator[int]: ...": "return self.pool.stream(_f)",
    "def f(self) -> 'Paged': ...": "return self.pool.pinned_sync(_f)",
    "def f(self) -> 'Paged | None': ...": "return self.pool.pinned_sync(_f)",
    "@loosely\n    async def f(self, a: int) -> int: ...": "return await self.pool.call(_f, (a,))",
    "@runs\n    async def f(self, a: int) -> int: ...": "return self.pool.call_sync(_f, (a,))",
    "@unclear\n    async def f(self, a: int) -> int: ...": "return self.pool.call_any(_f, (a,))",
    "def f(self) -> AbstractContextManager[int]: ...": "return self.pool.context_sync(_f)",
    "@contextmanager\n    def f(self) -> Iterator[int]: yield 1": "with self.pool.context_sync(_f) as value: yield value",
    "def f(self) -> Iterator[int]: ...": "return self.pool.pinned_sync(_f)",
    "def f(self) -> 'Pages': ...": "result: Pages = self.pool.pending(_f) return result",
    "def f(self) -> 'Enterable[int]': ...": "result: Enterable[int] = self.pool.pending(_f) return result",
    "def f(self) -> 'Enterable[open_file]': ...": "result: Enterable[BytesIO] = self.pool.pending_pinned(_f) return result",
    "def f(self) -> 'Awaitable[open_file]': ...": "return self.pool.pinned(_f)",
    "def f(self) -> 'Awaitable[open_file | int]': ...": "return self.pool.call_or_stream(_f)",
    "def f(self) -> 'Awaitable[Client]': ...": "return self.pool.pinned(_f, (), self)",
    "def f(self) -> 'asyncio.Task[open_file]': ...": "return ensure_future(self.pool.pinned(_f))",
    "@asynccontextmanager\n    async def f(self) -> AsyncIterator[int]: yield 1": "async with self.pool.context(_f) as value: yield value",
    "def f(self) -> AbstractAsyncContextManager[int]: ...": "return self.pool.context(_f)",
    "@property\n    def f(self) -> int: ...": "return self.pool.call_sync(_f)",
    "@classmethod\n    async def f(cls) -> int: ...": "return await Client.f()",
    "@staticmethod\n    def f() -> int: ...": "return Client.f()",
}


def made_of(maker: Maker, certainly: str, members: Sequence[str]) -> Made:
    """One client with all members, the nth called f<n>_."""
    named = (
        member.replace(" f(", f" f{n}_(").replace("f: ", f"f{n}_: ")
        for n, member in enumerate(members)
    )
    return maker.make(PREAMBLE + certainly + "".join(f"    {member}\n" for member in named))


def body(made: Made, number: int) -> str:
    """What the nth method does, on one line, as if it were called `f`."""
    tree = ast.parse(made.text)
    [*_overloads, found] = [n for n in ast.walk(tree) if getattr(n, "name", None) == f"f{number}_"]
    assert isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef)
    text = " ".join(" ".join(ast.unparse(node).split()) for node in found.body)
    return text.replace(f"_f{number}", "_f").replace(f".f{number}_", ".f")


@pytest.fixture(scope="module")
def sync_client(tmp_path_factory: pytest.TempPathFactory, checker_cache: Path) -> Made:
    """The wrapper of a synchronous client with a member of each form."""
    maker = Maker(tmp_path_factory.mktemp("sync"), checker_cache)
    return made_of(maker, SYNC, list(SYNC_FORMS))


@pytest.fixture(scope="module")
def async_client(tmp_path_factory: pytest.TempPathFactory, checker_cache: Path) -> Made:
    """The wrapper of an asynchronous client with a member of each form."""
    maker = Maker(tmp_path_factory.mktemp("async"), checker_cache)
    return made_of(maker, ASYNC, list(ASYNC_FORMS))


@pytest.mark.parametrize("member", SYNC_FORMS)
def test_forms_of_a_sync_client(sync_client: Made, member: str) -> None:
    """The body holds the lease as long as the result lives: a call, a stream or a context."""
    assert body(sync_client, list(SYNC_FORMS).index(member)) == SYNC_FORMS[member]


@pytest.mark.parametrize("member", ASYNC_FORMS)
def test_forms_of_an_async_client(async_client: Made, member: str) -> None:
    """An asynchronous pool awaits what is awaited, and calls at once what is not."""
    assert body(async_client, list(ASYNC_FORMS).index(member)) == ASYNC_FORMS[member]


@pytest.mark.parametrize(
    ("other", "member", "reason"),
    [
        (SYNC * 1, "async def f(self) -> int: ...\n" + "".join(f"    def g{n}(self) -> int: ...\n" for n in range(5)), "an asynchronous member of a synchronous client"),
    ],
)  # fmt: skip
def test_what_is_skipped_has_its_reason(maker: Maker, other: str, member: str, reason: str) -> None:
    """A member that no pool can serve is left out by name, with why."""
    made = maker.make(f"{PREAMBLE}{other}    {member}\n")
    entry = made.names["f"]
    assert entry.fate.value == "skipped"
    assert reason in entry.reason
    assert not hasattr(made.wrapper, "f")


@pytest.mark.parametrize(
    ("members", "fates"),
    [
        (["def close(self) -> None: ..."], {"close": "pool"}),
        (["def close(self): ..."], {"close": "pool"}),
        (["def close(self, code: int = 1) -> None: ..."], {"close": "pool"}),
        (["def close(self, index: str) -> None: ..."], {"close": "wrapped"}),
        (["def close(self) -> dict[str, int]: ..."], {"close": "wrapped"}),
        (["def shutdown(self) -> None: ..."], {"shutdown": "pool"}),
        (
            ["def close(self) -> None: ...", "def shutdown(self) -> None: ..."],
            {"close": "pool", "shutdown": "wrapped"},
        ),
        (["def connect(self) -> None: ..."], {"connect": "broadcast"}),
        (["def connect(self, host: str) -> None: ..."], {"connect": "skipped"}),
        (["def connect(self, host: str = '') -> None: ..."], {"connect": "skipped"}),
        (["def connect(self, timeout: float = 1.0) -> None: ..."], {"connect": "broadcast"}),
        (["def connect(self, timeout=1.0): ..."], {"connect": "skipped"}),
        (["def connect(self) -> tuple[int, str]: ..."], {"connect": "broadcast"}),
        (["def connect(self, wait: bool = True) -> bool: ..."], {"connect": "broadcast"}),
        (["def connect(self, *, socket_path: str = '') -> str: ..."], {"connect": "skipped"}),
        (["def connect(self, host: str) -> Pattern[str]: ..."], {"connect": "skipped"}),
        (["def connect(self) -> socket.socket: ..."], {"connect": "wrapped"}),
        (["def connect(self, host: str) -> socket.socket: ..."], {"connect": "wrapped"}),
        (["def connect(self, keyspace: str = '') -> Pattern[str]: ..."], {"connect": "wrapped"}),
        (["def open(self, path: str) -> bytes: ..."], {"open": "wrapped"}),
        (["def open(self, path): return open_file()"], {"open": "wrapped"}),
        (["def open(self, path: str) -> Any: return open_file()"], {"open": "wrapped"}),
        (["@contextmanager\n    def open(self, path): yield path"], {"open": "wrapped"}),
        (["def open(self, path): self._path = path; return self"], {"open": "skipped"}),
        (
            [
                "def open(self, path):\n        def later(): return path\n        self._later = later"
            ],
            {"open": "skipped"},
        ),
        (["def open(self, path: str) -> None: return print(path)"], {"open": "skipped"}),
        (["def connect(self, host): return open_file()"], {"connect": "skipped"}),
        (
            ["def __enter__(self) -> Client: ...", "def __exit__(self, *e: Any) -> None: ..."],
            {"__exit__": "pool"},
        ),
        (
            ["def __exit__(self, *e: Any) -> None: ...", "def close(self) -> None: ..."],
            {"close": "pool"},
        ),
    ],
)
def test_lifecycle_is_never_balanced(
    maker: Maker, members: list[str], fates: dict[str, str]
) -> None:
    """What ends a client ends the pool, what opens one opens all; a command of that name is a command."""
    source = PREAMBLE + SYNC + "".join(f"    {member}\n" for member in members)
    made = maker.make(source)
    assert {n: e.fate.value for n, e in made.names.items() if n != "certainly"} == fates
    assert all(entry.reason for entry in made.names.values() if entry.fate.value != "wrapped")


def test_a_stub_says_what_a_function_in_c_takes(maker: Maker) -> None:
    """Where no signature is there at run time, the static one decides what opens and closes a client."""
    made = maker.of("_socket:socket")
    assert made.names["close"].fate is Fate.POOL
    assert made.names["connect"].fate is Fate.SKIPPED
    assert "close=lambda client: client.close()," in made.text


def test_the_pool_knows_how_to_close_a_client(maker: Maker) -> None:
    """The client's own way to end is what the pool runs when a member leaves."""
    for source, closer in (
        (SYNC + "    def close(self) -> None: ...\n", "client.close()"),
        (SYNC + "    def disconnect(self) -> None: ...\n", "client.disconnect()"),
        (ASYNC + "    async def aclose(self) -> None: ...\n", "client.aclose()"),
    ):
        assert f"close=lambda client: {closer}" in maker.text(PREAMBLE + source)
    assert "close=" not in maker.text(PREAMBLE + SYNC)


REMEMBERS = """
    def __init__(self) -> None: self.seen: list[object] = []
    def certainly(self) -> int: ...
    def close(self, code: int = 0, *rest: int, reason: str = "x", **more: int) -> bool:
        self.seen.append((code, rest, reason, more))
        return code < 2
"""
REMEMBERS_TOO = """
    def __init__(self) -> None: self.seen: list[object] = []
    async def certainly(self) -> int: ...
    async def disconnect(self, reason: str = "", *, wait: float = 1.0) -> bool:
        self.seen.append((reason, wait))
        return reason != "no"
"""


@pytest.mark.parametrize("mode", ["pool", "drop-in", "protocol"])
def test_closing_hands_on_its_arguments(maker: Maker, mode: str) -> None:
    """Every member is closed with what the wrapper's closing method was given, and all have to say yes."""
    made = maker.make(PREAMBLE + REMEMBERS, mode=mode, verify=True)
    first, second, early = made.client(), made.client(), made.client()
    wrapper = made.over(first, second)
    wrapper.pool.add_client(early, name="early")
    wrapper.pool.remove_client("early")
    assert early.seen == [(0, (), "x", {})]
    assert wrapper.close(1, 2, reason="bye", extra=3) is True
    assert first.seen == second.seen == [(1, (2,), "bye", {"extra": 3})]
    assert wrapper.close() is True
    assert made.over(made.client()).close(2) is False
    with made.over(last := made.client()):
        pass
    assert last.seen == early.seen


async def test_an_asynchronous_closing_hands_on_its_arguments(maker: Maker) -> None:
    """The same is true where closing is awaited."""
    made = maker.make(PREAMBLE + REMEMBERS_TOO, verify=True)
    first, second = made.client(), made.client()
    assert await made.over(first, second).disconnect("bye", wait=2.0) is True
    assert first.seen == second.seen == [("bye", 2.0)]
    assert await made.over(made.client(), made.client()).disconnect("no") is False


OPENED_AND_CLOSED = """
    def __init__(self) -> None: self.seen: list[str] = []
    async def certainly(self) -> int: ...
    def close(self{}) -> Awaitable[None]: return self.note("closed")
    def connect(self) -> Awaitable[None]: return self.note("connected")
    async def note(self, word: str) -> None: self.seen.append(word)
"""


@pytest.mark.parametrize("mode", ["pool", "drop-in", "protocol"])
@pytest.mark.parametrize("parameters", ["", ", code: int = 1"])
async def test_what_opens_and_closes_may_give_an_awaitable(
    maker: Maker, mode: str, parameters: str
) -> None:
    """A function that gives an `Awaitable[None]` opens and closes clients as a coroutine function does."""
    source = PREAMBLE + OPENED_AND_CLOSED.format(parameters)
    made = maker.make(source, mode=mode, verify=True)
    assert made.names["close"].fate is Fate.POOL
    assert made.names["connect"].fate is Fate.BROADCAST
    clients = made.client(), made.client()
    wrapper = made.over(*clients)
    await wrapper.connect()
    await wrapper.close()
    assert [client.seen for client in clients] == [["connected", "closed"]] * 2


def test_an_awaited_answer_is_a_commands(maker: Maker) -> None:
    """A `close` that gives an `Awaitable` of a value is called on one member, as any method is."""
    made = maker.make(
        PREAMBLE + ASYNC + "    def close(self) -> Awaitable[bool]: ...\n", verify=True
    )
    assert made.names["close"].fate is Fate.WRAPPED


def test_a_closing_without_types_hands_on_its_arguments(maker: Maker) -> None:
    """A client without annotations, and a stub's function, get their arguments too."""
    source = "class Client:\n    def f(self): ...\n    def close(self, code=0): self.code = code\n"
    made = maker.make(source, verify=True)
    client = made.client()
    made.over(client).close(code=4)
    assert client.code == 4


ENTER = "    def __enter__(self) -> Client:\n        {}\n"
EXIT = "    def __exit__(self, *exc: object) -> None: ...\n"
AENTER = "    async def __aenter__(self) -> Client:\n        {}\n"
AEXIT = "    async def __aexit__(self, *exc: object) -> None: ...\n"


@pytest.mark.parametrize(
    ("source", "closer"),
    [
        (SYNC + ENTER.format("return self") + EXIT, "lambda client: client.__exit__(None, None, None)"),
        (ASYNC + AENTER.format("return self") + AEXIT, "lambda client: client.__aexit__(None, None, None)"),
        (SYNC + ENTER.format("'It.'\n        return self") + EXIT, "lambda client: client.__exit__(None, None, None)"),
        (SYNC + ENTER.format("return self") + EXIT.replace("*exc: object", "*exc"), 'methodcaller("__exit__", None, None, None)'),
        (SYNC + ENTER.format("return self") + EXIT.replace("*exc: object", "a: type[BaseException], b: Any, c: Any"), 'methodcaller("__exit__", None, None, None)'),
        (SYNC + "    def __enter__(self): return self\n    def __exit__(self, a, b, c): ...\n", 'methodcaller("__exit__", None, None, None)'),
        (SYNC + ENTER.format("self.bind(); return self") + EXIT, None),
        (SYNC + ENTER.format("return Client()") + EXIT, None),
        (SYNC + ENTER.format("return self") + EXIT + "    def disconnect(self) -> None: ...\n", "lambda client: client.disconnect()"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("static", [False, True])
def test_leaving_a_client_closes_it_if_entering_does_nothing(
    maker: Maker, source: str, closer: str | None, static: bool
) -> None:
    """Where no method closes a client, a member is left as at the end of `with`, unless that may undo an entering."""
    text = maker.text(PREAMBLE + source, static=static, verify=True)
    assert ("close=" in text) == (closer is not None)
    assert closer is None or f"close={closer}," in text


LEFT_BY = """
    def __init__(self) -> None: self.seen: list[str] = []
    async def certainly(self) -> int: ...
    async def close(self, wait: float = 1.0) -> bool:
        self.seen.append("close")
        return True
    async def shutdown(self) -> None: self.seen.append("shutdown")
    async def __aexit__(self, *exc: object) -> None:
"""


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize(
    ("leaving", "closer", "fate"),
    [
        ("await self.shutdown()", "shutdown", Fate.POOL),
        ("await self.close(); await self.shutdown()", "close", Fate.POOL),
        ("await self.close()", "close", Fate.WRAPPED),
        ("...", "close", Fate.WRAPPED),
    ],
)
async def test_a_member_is_closed_as_leaving_the_client_closes_it(
    maker: Maker, leaving: str, closer: str, fate: Fate, static: bool
) -> None:
    """Of a client with `close` and `shutdown`, the pool runs the one that `__aexit__` calls, and balances neither of those."""
    made = maker.make(f"{PREAMBLE}{LEFT_BY}        {leaving}\n", static=static, verify=True)
    assert made.names["shutdown"].fate is fate
    assert made.names["close"].fate is Fate.POOL
    client = made.client()
    async with made.over(client):
        pass
    assert client.seen == [closer]
    wrapper = made.over(called := made.client())
    assert await wrapper.close(wait=0.0) is True
    assert called.seen == ["close"]


# It stops the server, as that of a database does: no advice may name it.
SHUTDOWN = "    def shutdown(self, soft: bool = False) -> dict[str, str]: ...\n"


def test_the_run_says_that_members_are_not_closed(maker: Maker) -> None:
    """Where nothing is known to close a client and something may, a note names a way to say what does."""
    entering = SYNC + ENTER.format("self.bind(); return self") + EXIT
    for source, advice in (
        (entering + "    def unbind(self, c: int = 0) -> bool: ...\n", "close=client.unbind)"),
        (entering, "close=...)"),
        (entering + "    def stop(self) -> None: ...\n", "close=client.stop)"),
        (SYNC + "    def close(self, index: str) -> None: ...\n", "close=client.close)"),
    ):
        request = maker.request(f"{maker.write(PREAMBLE + source)}:Client")
        [note] = generate(request).notes
        assert note.startswith("members are not closed when they leave")
        assert note.endswith(f"pool.add_client(client, {advice}")
    quiet = (
        "",
        "    def close(self) -> None: ...\n",
        SHUTDOWN,
        "    def stop(self) -> None: ...\n",
    )
    for source in (SYNC + more for more in quiet):
        assert not generate(maker.request(f"{maker.write(PREAMBLE + source)}:Client")).notes


def test_a_member_is_left_when_it_leaves_the_pool(maker: Maker) -> None:
    """Closing the pool leaves each client once, without an error."""
    made = maker.make(
        PREAMBLE
        + SYNC
        + "    left: tuple[object, ...] = ()\n"
        + ENTER.format("return self")
        + "    def __exit__(self, *exc: object) -> None: self.left += exc\n"
    )
    client = made.client()
    with made.over(client):
        assert client.left == ()
    assert client.left == (None, None, None)
    assert made.names["__exit__"].reason == "lifecycle: members are closed with it"


def test_an_inherited_static_view_says_so(maker: Maker) -> None:
    """A type that source cannot restate is taken from the client, and the ledger tells."""
    made = maker.make(f"{PREAMBLE}{SYNC}    def f(self, x: object) -> TypeGuard[int]: ...\n")
    assert "inherited from the client: it narrows its argument" in made.names["f"].reason
    assert made.over(made.client()).f(1) is None


def test_an_untyped_client_is_any_in_the_same_places(maker: Maker) -> None:
    """Where the client states no types, the wrapper states none but Any."""
    made = maker.make("class Client:\n    def f(self, a, *, b=1): return (a, b)\n")
    assert "def f(self, a: Any, *, b: Any = 1) -> Any:" in made.text
    assert made.over(made.client()).f(1, b=2) == (1, 2)


@pytest.mark.parametrize("name", ["__call__", "__getitem__", "__contains__", "__len__", "__iter__"])
def test_operators_of_the_client_work(maker: Maker, name: str) -> None:
    """Calls, subscripts, membership and length go to a member, like methods."""
    made = maker.make(f"{PREAMBLE}{SYNC}    def {name}(self, *a: Any) -> Any: return iter(a)\n")
    assert made.names[name].fate.value == "wrapped"


def test_dunders_that_every_object_has_are_left_alone(maker: Maker) -> None:
    """`repr`, equality, hashing and pickling are the wrapper's own, not a member's."""
    made = maker.make(
        f"{PREAMBLE}{SYNC}"
        "    def __repr__(self) -> str: return 'client'\n"
        "    def __eq__(self, other: object) -> bool: return True\n"
        "    def __hash__(self) -> int: return 1\n"
        "    def __reduce__(self) -> Any: ...\n"
    )
    assert {n for n, entry in made.names.items() if entry.fate is not Fate.POOL} == {"certainly"}
    assert not {"__repr__", "__eq__", "__reduce__"} & vars(made.wrapper).keys()


def test_a_subclass_can_take_a_method_away(maker: Maker) -> None:
    """`get = None` in a subclass means that there is no `get`."""
    made = maker.make(
        "class Base:\n    def get(self) -> int: ...\n    def put(self) -> int: ...\n"
        "class Client(Base):\n    get = None\n"
    )
    assert {n: e.fate.value for n, e in made.names.items()} == {"put": "wrapped", "get": "skipped"}


TYPED_RUNNER = "def runs(f: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:"
UNTYPED_RUNNER = "def runs(f):"


@pytest.mark.parametrize(
    ("head", "run"),
    [
        (TYPED_RUNNER, "asyncio.run(f(*a))"),
        (TYPED_RUNNER, "finished(f(*a))"),  # only types say what that gives
        (UNTYPED_RUNNER, "asyncio.run(f(*a))"),
        (UNTYPED_RUNNER, "LOOP.run_until_complete(f(*a))"),
    ],
)
@pytest.mark.parametrize("static", [False, True])
def test_a_decorator_that_runs_coroutines_makes_a_client_synchronous(
    maker: Maker, head: str, run: str, static: bool
) -> None:
    """Coroutine functions that a decorator runs to their end are plain methods of a synchronous client."""
    source = f"""
import asyncio, functools
from typing import *
P = ParamSpec("P")
T = TypeVar("T")
LOOP = asyncio.new_event_loop()
finished = LOOP.run_until_complete

{head}
    @functools.wraps(f)
    def outer(*a, **k):
        return {run}
    return outer

class Client:
    @runs
    async def get(self, key: str) -> int:
        return len(key)
    def close(self) -> None: ...
"""
    made = maker.make(source, static=static, verify=True)
    with made.over(made.client()) as wrapper:
        assert wrapper.get("abc") == 3
    assert made.names["close"].fate is Fate.POOL


@pytest.mark.parametrize("static", [False, True])
async def test_a_coroutine_below_a_decorator_without_types(maker: Maker, static: bool) -> None:
    """It is a coroutine function, which runs through all middleware, and its type stays as unknown as the client's."""
    source = (
        PREAMBLE
        + ASYNC
        + "    @loosely\n    async def get(self, key: str) -> int: return len(key)\n"
    )
    made = maker.make(source, static=static, verify=True, mode="protocol")
    wrapper, seen = made.over(made.client()), []

    async def noting(call: Any, proceed: Any) -> Any:
        seen.append(call.method.name)
        return await proceed(call)

    wrapper.pool.register_middleware(noting)
    assert inspect.iscoroutinefunction(wrapper.get)
    assert await wrapper.get("abc") == 3
    assert seen == ["get"]
    assert "def get(self, *args: Any, **kwargs: Any) -> Any: ..." in made.text
    assert "async def get(self, *args" not in made.text


def test_a_coroutine_below_a_decorator_of_a_synchronous_client(maker: Maker) -> None:
    """No pool can serve a coroutine function of a synchronous client, whether or not types say what it is."""
    plain = "".join(f"    def g{n}(self) -> int: ...\n" for n in range(9))
    made = maker.make(f"{PREAMBLE}{plain}    @loosely\n    async def f(self) -> int: ...\n")
    assert made.names["f"].reason == "an asynchronous member of a synchronous client"
