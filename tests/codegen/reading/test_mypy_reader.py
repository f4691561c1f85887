"""The type checker as a reader: the type of each bound member, restated with names still as references."""

from pathlib import Path

import pytest

from connpool_gen.reading.facts import Expression, Ref, ResultKind, StaticMember, StaticSignature
from connpool_gen.reading.read import read
from connpool_gen.reading.type_checker import TypeChecker
from tests.codegen.made import Maker

PREAMBLE = """
from __future__ import annotations
from collections.abc import *
from contextlib import *
from typing import *
T = TypeVar("T")
P = ParamSpec("P")
"""


def read_all(maker: Maker, source: str) -> dict[str, StaticMember]:
    """The type checker's view of every member of `Client`."""
    request = maker.request(f"{maker.write(PREAMBLE + source)}:Client")
    with TypeChecker(request.cache_dir) as checker:
        return read(request, checker).static


def read_one(maker: Maker, source: str) -> StaticMember:
    """The type checker's view of `Client.f`."""
    return read_all(maker, source)["f"]


def text(expression: Expression | None) -> str:
    assert expression is not None
    return "".join(p if isinstance(p, str) else p.qualname for p in expression.parts)


SAME = (
    "int",
    "int | None",
    "list[dict[str, bytes]]",
    "tuple[int, ...]",
    "tuple[int, str]",
    "tuple[()]",
    "type[int]",
    "Callable[[int], str]",
    "Callable[..., str]",
    "Literal[1]",
    "Never",
    "Any",
    "object",
    "Sequence[Mapping[str, int]]",
    "AbstractContextManager[int, bool | None]",
    "Client",
)
RESTATED = {
    "Optional[int]": "int | None",
    "Union[int, str]": "int | str",
    "List[int]": "list[int]",
    "Dict[str, int]": "dict[str, int]",
    "Type[int]": "type[int]",
    "Literal[b'x']": "Literal[b'x']",
    "Literal['a\"b']": "Literal['a\"b']",
    "NoReturn": "Never",
    "'int'": "int",
}
KINDS = {
    "float": "value",
    "Any": "any",
    "Iterator[int]": "iterator",
    "Generator[int, None, None]": "iterator",
    "list[int]": "value",
    "Awaitable[int]": "awaitable",
    "Coroutine[Any, Any, int]": "coroutine",
    "AsyncIterator[int]": "async_iterator",
    "AsyncGenerator[int, None]": "async_iterator",
    "AbstractContextManager[int]": "context",
    "AbstractAsyncContextManager[int]": "async_context",
    "int | Awaitable[int]": "maybe_awaitable",
    "Both": "pending",
}
BOTH = """
class Both:
    def __await__(self) -> Generator[Any, Any, int]: ...
    async def __aenter__(self) -> int: ...
    async def __aexit__(self, *exc: Any) -> None: ...
"""


@pytest.fixture(scope="module")
def results(
    tmp_path_factory: pytest.TempPathFactory, checker_cache: Path
) -> dict[str, StaticSignature]:
    """Signatures of methods that return each annotation of the tables above, read in one go."""
    annotations = [*SAME, *RESTATED, *KINDS]
    methods = [f"    def f{n}(self) -> {a}: ...\n" for n, a in enumerate(annotations)]
    maker = Maker(tmp_path_factory.mktemp("results"), checker_cache)
    source = f"{BOTH}class Client:\n{''.join(methods)}"
    found = read_all(maker, source)
    return {a: found[f"f{n}"].signatures[0] for n, a in enumerate(annotations)}


@pytest.mark.parametrize("annotation", SAME)
def test_a_type_is_restated(results: dict[str, StaticSignature], annotation: str) -> None:
    """What the author wrote comes back as a person would write it."""
    assert text(results[annotation].returns) == annotation


@pytest.mark.parametrize("annotation", RESTATED)
def test_old_spellings_become_new_ones(
    results: dict[str, StaticSignature], annotation: str
) -> None:
    """Aliases of `typing` and strings come out in today's form, with the same meaning."""
    assert text(results[annotation].returns) == RESTATED[annotation]


@pytest.mark.parametrize("annotation", KINDS)
def test_what_a_call_gives(results: dict[str, StaticSignature], annotation: str) -> None:
    """The kind of the result, on which the length of a lease depends, is read from the type."""
    assert results[annotation].result == KINDS[annotation]


def test_a_coroutine_tells_what_it_yields(maker: Maker) -> None:
    """The result of an `async def` is a coroutine whose inner type is known."""
    source = "class Client:\n    async def f(self) -> dict[str, int]: ...\n"
    [signature] = read_one(maker, source).signatures
    assert (signature.result, text(signature.inner)) == ("coroutine", "dict[str, int]")


def test_kinds_and_what_is_required(maker: Maker) -> None:
    """Every kind of parameter is told, and whether a caller must give it."""
    source = "class Client:\n    def f(self, a: int, /, b: int = 1, *c: str, d: int, e: int = 2, **g: bytes) -> None: ...\n"
    [signature] = read_one(maker, source).signatures
    told = [(p.name, p.kind.name, p.required, text(p.annotation)) for p in signature.params]
    assert [t[1:] for t in told] == [
        ("POSITIONAL_ONLY", True, "int"),
        ("POSITIONAL_OR_KEYWORD", False, "int"),
        ("VAR_POSITIONAL", False, "str"),
        ("KEYWORD_ONLY", True, "int"),
        ("KEYWORD_ONLY", False, "int"),
        ("VAR_KEYWORD", False, "bytes"),
    ]
    assert [t[0] for t in told[1:]] == ["b", "c", "d", "e", "g"]


def test_variables_of_a_base_are_bound(maker: Maker) -> None:
    """What a subclass fixes for its generic base stands in the inherited member."""
    source = """
class Base(Generic[T]):
    def f(self, x: T) -> list[T]: ...
class Client(Base[bytes]): ...
"""
    [signature] = read_one(maker, source).signatures
    assert (text(signature.params[0].annotation), text(signature.returns)) == (
        "bytes",
        "list[bytes]",
    )


def test_overloads_that_fit_this_self(maker: Maker) -> None:
    """Of overloads chosen by `self`, only those that fit the class are left."""
    source = """
class Sync(Protocol):
    _is_async: Literal[False]
class Async(Protocol):
    _is_async: Literal[True]
class Base:
    @overload
    def f(self: Sync) -> int: ...
    @overload
    def f(self: Async) -> Awaitable[int]: ...
    def f(self) -> Any: ...
class Client(Base):
    _is_async: Literal[True] = True
"""
    [signature] = read_one(maker, source).signatures
    assert text(signature.returns) == "Awaitable[int]"


def test_all_overloads_are_kept_in_order(maker: Maker) -> None:
    """Overloads chosen by arguments come in the order of the source."""
    source = """
class Client:
    @overload
    def f(self, x: int) -> str: ...
    @overload
    def f(self, x: str) -> bytes: ...
    def f(self, x: Any) -> Any: ...
"""
    signatures = read_one(maker, source).signatures
    assert [text(s.returns) for s in signatures] == ["str", "bytes"]


def test_a_decorated_signature(maker: Maker) -> None:
    """What a decorator makes of a signature is what counts."""
    source = """
def listed(function: Callable[Concatenate[Any, int, P], T]) -> Callable[Concatenate[Any, P], list[T]]: ...
class Client:
    @listed
    def f(self, hidden: int, key: str) -> bytes: ...
"""
    [signature] = read_one(maker, source).signatures
    assert [p.name for p in signature.params][-1] == "key"
    assert text(signature.returns) == "list[bytes]"


def test_names_under_type_checking(maker: Maker) -> None:
    """A name that does not exist at run time leads to the module that defines it."""
    source = """
if TYPE_CHECKING:
    from decimal import Decimal as Money
class Client:
    def f(self) -> Money: ...
"""
    [signature] = read_one(maker, source).signatures
    assert Ref("decimal", "Decimal") in signature.returns.parts


def test_aliases_stay(maker: Maker) -> None:
    """The author's alias for a long type is what the reader sees."""
    source = "Reply = dict[str, list[int]]\nclass Client:\n    def f(self) -> Reply: ...\n"
    [signature] = read_one(maker, source).signatures
    assert text(signature.returns) == "Reply"


def test_attributes_that_init_sets(maker: Maker) -> None:
    """Members that only `__init__` makes have their type too."""
    source = "class Client:\n    def __init__(self) -> None:\n        self.f: dict[str, int] = {}\n"
    assert text(read_one(maker, source).value) == "dict[str, int]"


def test_what_cannot_be_restated_says_why(maker: Maker) -> None:
    """A type without a spelling is a problem with a reason, never a wrong type."""
    source = "class Client:\n    def f(self, x: object) -> TypeGuard[int]: ...\n"
    found = read_one(maker, source)
    assert found.signatures == ()
    assert found.problem is not None
    assert "TypeGuard" in found.problem


def test_an_untyped_class_is_any(maker: Maker) -> None:
    """Where there are no types there is Any, in the same places."""
    found = read_one(maker, "class Client:\n    def f(self, a, b=1): ...\n")
    [signature] = found.signatures
    assert [text(p.annotation) for p in signature.params] == ["Any", "Any"]
    assert (text(signature.returns), signature.result) == ("Any", "any")


def test_a_user_configuration_changes_nothing(
    maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mypy.ini or pyproject.toml in the working directory does not reach the reader."""
    monkeypatch.chdir(maker.folder)
    (maker.folder / "mypy.ini").write_text("[mypy]\nfollow_imports = skip\nplugins = nowhere.py\n")
    (maker.folder / "pyproject.toml").write_text("[tool.mypy]\npython_version = '3.1'\n")
    source = "class Client:\n    def f(self) -> Sequence[int]: ...\n"
    assert text(read_one(maker, source).signatures[0].returns) == "Sequence[int]"


def test_errors_in_the_client_do_not_stop_the_reader(maker: Maker) -> None:
    """A client with type errors of its own is read all the same."""
    source = "class Client:\n    def f(self) -> int:\n        return 'no'\n    x: Missing = None\n"
    [signature] = read_one(maker, source).signatures
    assert text(signature.returns) == "int"


def test_the_same_name_twice(maker: Maker) -> None:
    """Two classes of one name in two modules stay two references."""
    other = maker.write("class Reply: ...\n")
    source = f"import {other}\nclass Reply: ...\nclass Client:\n    def f(self, x: Reply) -> {other}.Reply: ...\n"
    [signature] = read_one(maker, source).signatures
    [mine] = signature.params[0].annotation.parts
    [theirs] = signature.returns.parts
    assert mine.qualname == theirs.qualname == "Reply"
    assert mine.module != theirs.module == other


def lines(*texts: str) -> str:
    return "\n".join(texts) + "\n"


@pytest.mark.parametrize(
    "client",
    [
        lines("import {b}", "class Client:", "    def f(self) -> {b}.Reply: ..."),
        lines("from {b} import Reply", "class Client:", "    def f(self) -> Reply: ..."),
        lines("from {b} import *", "class Client:", "    def f(self) -> list[Reply]: ..."),
        lines(
            "from {b} import *", "Alias = Reply", "class Client:", "    def f(self) -> Alias: ..."
        ),
        lines("from {c} import Reply", "class Client:", "    def f(self) -> Reply: ..."),
        lines(
            "import {b}", "X: TypeAlias = {b}.Reply", "class Client:", "    def f(self) -> X: ..."
        ),
        lines("from {c} import Base as Client"),
        lines("from {b} import *", "class Client(Base): ..."),
        lines("from {b} import *", "class Client(Base):", "    f = decorated(Base.f)"),
        lines("from {b} import *", "class Client:", "    f = Base().f"),
    ],
)
def test_what_the_client_takes_from_where_it_is_not_exported_is_known(
    maker: Maker, client: str
) -> None:
    """Packages import their own names from anywhere, which strict code may not do: their types are read all the same."""
    a = maker.write("""
        class Reply: ...
        class Base:
            def f(self) -> Reply: ...
        def decorated(x: object) -> Base: ...
        """)
    b = maker.write(f"from {a} import Base, Reply, decorated")
    c = maker.write(f"from {b} import *")
    member = read_one(maker, client.format(b=b, c=c))
    shown = [text(one.returns) for one in member.signatures] or [text(member.value)]
    assert shown[0] in ("Reply", "list[Reply]", "Base", "X")
    assert ResultKind.ANY not in [one.result for one in member.signatures]


def test_a_base_from_where_it_is_not_exported(maker: Maker) -> None:
    """What only type checkers know of such a base is known too."""
    a = maker.write("class Base:\n    if not True:\n        def g(self) -> int: ...\n")
    b = maker.write(f"from {a} import Base")
    client = "from {b} import *\nclass Client(Base):\n    def f(self) -> int: ...\n"
    assert text(read_all(maker, client.format(b=b))["g"].signatures[0].returns) == "int"


@pytest.mark.parametrize(
    "member",
    [
        "async def f(self) -> int: ...",
        "async def f(self) -> AsyncIterator[int]: yield 1",
        "def f(self, x: Any) -> dict[str, Any]: ...",
        "def f(self, x): ...",
        "def f(self) -> Callable[..., int]: ...",
    ],
)
def test_any_is_no_sign_of_something_unknown(
    maker: Maker, monkeypatch: pytest.MonkeyPatch, member: str
) -> None:
    """Where all types are known, the client's modules are not searched for what they do not export."""
    monkeypatch.setattr("connpool_gen.reading.mypy_reader.depends_on_reexports", None)
    assert read_one(maker, f"class Client:\n    {member}\n").problem is None
