"""What breaks callers of a wrapper, and what does not: each kind of change is judged."""

from collections.abc import Callable

import pytest

from connpool_gen import generate
from connpool_gen.output.breaking_changes import Change, surface_changes
from connpool_gen.output.public_surface import read_surface
from tests.codegen.made import Maker

HEAD = """
from __future__ import annotations
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from a import Row
    from typing import Any, overload
class ClientPool:
    def __init__(self, *, name: str = "c") -> None:
        self.pool: Pool[C] = Pool()
"""
GET = "    def get(self, key: str, ttl: int = 1, *, raw: bool = False) -> Row | None: ...\n"
PUT = "    def put(self, key: str, /) -> None: ...\n"
PAIR = "    def pair(self, a: int, b: int) -> int: ...\n"
SIZE = "    @property\n    def size(self) -> int: ...\n"
PICK = """    @overload
    def pick(self, one: int) -> int: ...
    @overload
    def pick(self, one: str) -> str: ...
    def pick(self, one): ...
"""


def judged(before: str, after: str) -> dict[str, bool]:
    """Tell the changes between two bodies of a wrapper: text -> whether it breaks callers."""
    return {c.text: c.breaking for c in surface_changes(HEAD + before, HEAD + after)}


@pytest.mark.parametrize(
    ("before", "after", "text", "breaking"),
    [
        (GET, "", "method removed: get", True),
        ("", GET, "method added: get", False),
        (GET, GET.replace("def", "async def"), "get is now async", True),
        (GET, GET.replace(", ttl: int = 1", ""), "parameter removed: get(ttl)", True),
        (GET, GET.replace("ttl: int = 1", "ttl: int = 1, nx: int = 0"), "parameter added: get(nx)", False),
        (GET, GET.replace("raw: bool", "nx: int, raw: bool"), "parameter added: get(nx)", True),
        (PAIR, PAIR.replace("a: int, b: int", "b: int, a: int"), "the places of pair's parameters changed", True),
        (GET, GET.replace("ttl: int = 1", "ttl: int = 2"), "default of get(ttl) changed: 1 -> 2", True),
        (GET, GET.replace("ttl: int = 1", "ttl: int"), "default of get(ttl) changed: 1 -> none", True),
        (GET, GET.replace("key: str", "key: str = ''"), "default of get(key) changed: none -> ''", False),
        (GET, GET.replace("ttl", "*, ttl").replace("*, raw", "raw"), "kind of get(ttl) changed: positional or keyword -> keyword only", True),
        (GET, GET.replace("key: str,", "key: str, /,"), "kind of get(key) changed: positional or keyword -> positional only", True),
        (PUT, PUT.replace(", /", ""), "kind of put(key) changed: positional only -> positional or keyword", False),
        (GET, GET.replace("*, ", ""), "kind of get(raw) changed: keyword only -> positional or keyword", False),
        (GET, GET.replace("key: str", "key: str | bytes"), "get(key) takes str -> str | bytes", False),
        (GET, GET.replace("key: str", "key: bytes"), "get(key) takes str -> bytes", True),
        (GET, GET.replace("key: str", "key: Any"), "get(key) takes str -> Any", False),
        (GET, GET.replace("-> Row | None", "-> Row"), "result of get changed: Row | None -> Row", False),
        (GET, GET.replace("-> Row | None", "-> Row | None | int"), "result of get changed: Row | None -> Row | None | int", True),
        (GET, GET.replace("-> Row | None", "-> int"), "result of get changed: Row | None -> int", True),
        (GET, '    @deprecated("use put")\n' + GET, "get is deprecated: use put", False),
        (SIZE, SIZE.replace("    @property\n", ""), "size is now a method, it was a property", True),
        (SIZE, SIZE.replace("int", "str"), "type of size changed: int -> str", True),
        (SIZE + "    @size.setter\n    def size(self, value: int) -> None: ...\n", SIZE, "size cannot be set any more", True),
        (PICK, PICK.replace("one: str", "one: bytes"), "pick no longer fits (one: str) -> str", True),
        (PICK, PICK.replace("    def pick(self, one):", "    @overload\n    def pick(self, one: bytes) -> bytes: ...\n    def pick(self, one):"), "overloads of pick changed; each old one still fits", False),
        (GET, GET.replace("raw: bool = False", "raw: bool = False, **more: int"), "parameter added: get(more)", False),
    ],
)  # fmt: skip
def test_each_kind_of_change(before: str, after: str, text: str, breaking: bool) -> None:
    """The change is told once, and judged by whether some call or annotation that was right may be wrong now."""
    assert judged(before, after) == {text: breaking}


def test_a_new_parameter_before_others() -> None:
    """It is optional, but those behind it have another place now."""
    after = GET.replace("ttl: int = 1", "nx: int = 0, ttl: int = 1")
    assert judged(GET, after) == {
        "parameter added: get(nx)": False,
        "the places of get's parameters changed": True,
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (GET, GET),
        (PUT, PUT.replace("key", "name")),
        (GET + PUT, PUT + GET),
        (GET, GET.replace("...", '"""Said."""')),
        (GET + "    def _own(self) -> int: ...\n", GET),
    ],
)
def test_what_callers_cannot_notice(before: str, after: str) -> None:
    """Names of positional parameters, order, docstrings and private members are no change."""
    assert judged(before, after) == {}


def test_aliases_of_imports_are_no_change() -> None:
    """A type is compared by where it comes from: another alias is none, another module is one."""
    aliased = HEAD.replace("import Row", "import Row as _Row")
    assert surface_changes(HEAD + GET, aliased + GET.replace("Row", "_Row")) == ()
    moved = HEAD.replace("from a import", "from b import")
    [change] = surface_changes(HEAD + GET, moved + GET)
    assert change == Change("result of get changed: a.Row | None -> b.Row | None", breaking=True)


def test_names_of_the_module() -> None:
    """A wrapper of another name, an attribute that is gone: both break."""
    other = HEAD.replace("ClientPool", "Clients").replace("self.pool:", "self.members:")
    assert {c.text for c in surface_changes(HEAD, other) if c.breaking} == {
        "wrapper renamed: ClientPool -> Clients",
        "attribute removed: pool",
    }


def test_files_that_cannot_be_compared() -> None:
    """A new wrapper and one that was no Python break nobody."""
    assert [c.breaking for c in surface_changes(None, HEAD)] == [False]
    assert [c.breaking for c in surface_changes("<<<<<<<", HEAD)] == [False]


CLIENT = """
class Part:
    def __init__(self, client: "Client") -> None: ...
    def run(self, what: str) -> int: ...
class Client:
    def __init__(self) -> None:
        self.part = Part(self)
    def get(self, key: str) -> str: ...
    async def wait(self, key: str) -> str: ...
"""


@pytest.fixture
def made(maker: Maker) -> Callable[..., str]:
    """Make the text of a wrapper from a client's source, under one module name."""

    def text(source: str, mode: str = "pool") -> str:
        name = maker.write(source)
        found = generate(maker.request(f"{name}:Client", mode=mode)).text
        return found.replace(name, "app")

    return text


@pytest.mark.parametrize("mode", ["pool", "drop-in", "protocol"])
def test_real_wrappers(made: Callable[..., str], mode: str) -> None:
    """Methods of namespaces count in every mode; whoever implements a Protocol has to follow it."""
    old = made(CLIENT, mode)
    assert {"get", "wait", "part", "part.run", "pool"} <= set(read_surface(old).members)
    assert surface_changes(old, made(CLIENT, mode)) == ()
    more = made(CLIENT.replace("def run", "def go") + "    def put(self) -> int: ...\n", mode)
    texts = {c.text: c.breaking for c in surface_changes(old, more)}
    assert texts["method removed: part.run"] is True
    assert texts["method added: put"] is False
    assert texts.get("the Protocol asks for one more: put", False) is (mode == "protocol")
