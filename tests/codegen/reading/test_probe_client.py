"""The run-time reader: what exists in a class, as a call accepts it, with the very default objects."""

import functools
import importlib
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from connpool_gen.errors import ReadError, TargetError
from connpool_gen.reading.facts import Kind, Ref, RuntimeClass, RuntimeMember
from connpool_gen.reading.probe_client import read_runtime
from tests.codegen.made import Maker, importable
from tests.left_out import need

# What hangs on purpose ends by itself should nobody end it.
END_IN_ANY_CASE = "import signal\nsignal.alarm(30)\n"


def read(maker: Maker, source: str, client: str = "Client", **options: Any) -> RuntimeClass:
    return read_runtime(maker.request(f"{maker.write(source)}:{client}", **options))


def member(maker: Maker, source: str, name: str = "f") -> RuntimeMember:
    return {m.name: m for m in read(maker, source).members}[name]


def shape(params: Any) -> list[tuple[str, Kind, str | None]]:
    return [(p.name, p.kind, p.default.text if p.default else None) for p in params]


@pytest.mark.parametrize(
    ("body", "form"),
    [
        ("def f(self): ...", "function"),
        ("async def f(self): ...", "coroutine"),
        ("def f(self): yield", "generator"),
        ("async def f(self): yield", "asyncgen"),
        ("@classmethod\n    def f(cls): ...", "classmethod"),
        ("@staticmethod\n    def f(): ...", "staticmethod"),
        ("@property\n    def f(self): ...", "property"),
        ("@functools.cached_property\n    def f(self): ...", "cached_property"),
        ("f = 1", "data"),
        ("class f: ...", "class"),
        ("f = functools.partialmethod(lambda self, a: a, 1)", "function"),
        ("f = len", "data"),
        ("def __init__(self): self.f = 1", "instance"),
        ("f: int", "instance"),
    ],
)
def test_forms(maker: Maker, body: str, form: str) -> None:
    """Each kind of member is told apart as Python itself does."""
    assert member(maker, f"import functools\nclass Client:\n    {body}\n").form == form


def test_parameters_without_the_receiver(maker: Maker) -> None:
    """All five kinds are kept, in order, with the text of literal defaults; the receiver is gone."""
    found = member(
        maker, "class Client:\n    def f(this, a, b=1, /, c='x', *d, e, g=None, **h): ...\n"
    )
    assert found.params is not None
    assert shape(found.params) == [
        ("a", Kind.POSITIONAL_ONLY, None),
        ("b", Kind.POSITIONAL_ONLY, "1"),
        ("c", Kind.POSITIONAL_OR_KEYWORD, "'x'"),
        ("d", Kind.VAR_POSITIONAL, None),
        ("e", Kind.KEYWORD_ONLY, None),
        ("g", Kind.KEYWORD_ONLY, "None"),
        ("h", Kind.VAR_KEYWORD, None),
    ]


def test_a_receiver_among_the_rest(maker: Maker) -> None:
    """`def f(*args)` takes its receiver from the rest, which stays."""
    found = member(maker, "class Client:\n    def f(*args, **kwargs): ...\n")
    assert found.params is not None
    assert [p.name for p in found.params] == ["args", "kwargs"]


def test_mangled_names_are_those_of_the_running_function(maker: Maker) -> None:
    """`__key` inside a class is `_Client__key` for a caller."""
    found = member(maker, "class Client:\n    def f(self, __key, __end__): ...\n")
    assert found.params is not None
    assert [p.name for p in found.params] == ["_Client__key", "__end__"]


def test_c_code_without_a_signature(maker: Maker) -> None:
    """Where C shows no signature there are no parameters, rather than wrong ones."""
    found = member(maker, "class Client(dict): ...\n", "update")
    assert found.form == "function"
    assert found.params is None


def test_a_decorator_shows_more_than_it_takes(maker: Maker) -> None:
    """The signature that is shown and the one that is called are both kept when they differ."""
    source = """
        import functools
        def connected(function):
            @functools.wraps(function)
            def call(self, *args, **kwargs):
                return function(self, "connection", *args, **kwargs)
            return call
        class Client:
            @connected
            def f(self, connection, key): ...
        """
    found = member(maker, source)
    assert found.params is not None
    assert found.outer is not None
    assert [p.name for p in found.params] == ["connection", "key"]
    assert [p.name for p in found.outer] == ["args", "kwargs"]


def test_async_behind_a_decorator(maker: Maker) -> None:
    """A coroutine function inside a plain wrapper is still one."""
    source = """
        import functools
        def plain(function):
            @functools.wraps(function)
            def call(*args, **kwargs): return function(*args, **kwargs)
            return call
        class Client:
            @plain
            async def f(self): ...
        """
    assert member(maker, source).form == "coroutine"


def test_context_managers_are_known(maker: Maker) -> None:
    """What contextlib made of a generator function is marked; an ordinary method is not."""
    source = """
        import contextlib
        class Client:
            @contextlib.contextmanager
            def f(self): yield
            @contextlib.asynccontextmanager
            async def g(self): yield
            def h(self): ...
        """
    marks = {m.name: m.context_manager for m in read(maker, source).members}
    assert marks == {"f": "context", "g": "async_context", "h": None}


def test_members_of_all_bases_once(maker: Maker) -> None:
    """Inherited members are there, what a subclass overrides is there once, private ones are not."""
    source = """
        class Base:
            def a(self): ...
            def b(self, x): ...
            def _c(self): ...
        class Mixin:
            def d(self): ...
        class Client(Base, Mixin):
            def b(self, y): ...
            def e(self): ...
        """
    found = read(maker, source)
    assert [m.name for m in found.members] == ["b", "e", "a", "d"]
    [override] = [m for m in found.members if m.name == "b"]
    assert override.params is not None
    assert override.params[0].name == "y"


def test_properties_tell_what_they_can(maker: Maker) -> None:
    """Settable and awaitable properties are told from plain ones."""
    source = """
        class Client:
            @property
            def a(self): ...
            @property
            def b(self): ...
            @b.setter
            def b(self, value): ...
            @property
            async def c(self): ...
        """
    found = {m.name: (m.settable, m.async_getter) for m in read(maker, source).members}
    assert found == {"a": (False, False), "b": (True, False), "c": (False, True)}


def test_kinds_of_classes(maker: Maker) -> None:
    """Protocols, dynamic classes and type parameters are noted."""
    source = """
        from typing import Generic, Protocol, TypeVar
        T = TypeVar("T")
        class Speaks(Protocol):
            def f(self): ...
        class Dynamic:
            def __getattr__(self, name): ...
        class Box(Generic[T]):
            def f(self): ...
        """
    name = maker.write(source)
    facts = {c: read_runtime(maker.request(f"{name}:{c}")) for c in ("Speaks", "Dynamic", "Box")}
    assert [facts[c].protocol for c in facts] == [True, False, False]
    assert [facts[c].dynamic for c in facts] == [False, True, False]
    assert facts["Box"].type_params == (Ref(name, "T"),)


# ---------------------------------------------------------------- defaults

DEFAULTS = """
import enum, json, math
from decimal import Decimal as D
class Colour(enum.Enum):
    RED = 1
class Level(enum.IntEnum):
    LOW = 1
class Flag(enum.Flag):
    A = 1
    B = 2
class Text(str): ...
class Holder:
    value = object()
    class Inner:
        value = object()
SENTINEL = object()
def helper(): ...
class Client:
    own = object()
    def f(
        self, *, enum=Colour.RED, int_enum=Level.LOW, flag=Flag.A | Flag.B, text=Text("x"), held=Holder.value,
        deep=Holder.Inner.value, sentinel=SENTINEL, function=helper, method=str.upper, built=len, kind=D,
        module=json, made=object(), items=[], table={}, nan=math.nan, inf=math.inf, own=own, anonymous=lambda: 0,
        nested=(1, (SENTINEL,)), literal=(1, ("a", None)), big=10**50, negative=-1, data=b"x", nothing=None, dots=...,
    ): ...
"""


@pytest.fixture(scope="module")
def defaults(tmp_path_factory: pytest.TempPathFactory) -> tuple[RuntimeMember, Any]:
    """The member with all those defaults as it was read, and the function itself."""
    folder = tmp_path_factory.mktemp("defaults")
    maker = Maker(folder, folder)
    name = maker.write(DEFAULTS)
    [found] = [m for m in read_runtime(maker.request(f"{name}:Client")).members if m.name == "f"]
    with importable(folder):
        return found, importlib.import_module(name).Client.f


def test_a_default_is_the_very_object(defaults: tuple[RuntimeMember, Any]) -> None:
    """Each default has the text of an equal literal, a name of the same object, or neither."""
    found, function = defaults
    assert found.params is not None
    for param in found.params:
        assert param.default is not None
        value = function.__kwdefaults__[param.name]
        if param.default.text is not None:
            assert eval(param.default.text, {}) == value
            assert type(eval(param.default.text, {})) is type(value)
        if param.default.ref is not None:
            ref = param.default.ref
            module = importlib.import_module(ref.module)
            assert functools.reduce(getattr, ref.qualname.split("."), module) is value, param.name


def test_how_each_default_is_told(defaults: tuple[RuntimeMember, Any]) -> None:
    """Only exact literals are text, what has a name is named, everything else stays with the function."""
    found, _ = defaults
    assert found.params is not None
    told = {
        p.name: "text" if p.default.text is not None else "name" if p.default.ref else "object"
        for p in found.params
        if p.default is not None
    }
    text = {"literal", "big", "negative", "data", "nothing", "dots"}
    objects = {"flag", "method", "text", "made", "items", "table", "anonymous", "nested", "own"}
    expected = {n: "text" if n in text else "object" if n in objects else "name" for n in told}
    assert told == expected


def test_a_name_leads_to_where_it_lives(defaults: tuple[RuntimeMember, Any]) -> None:
    """A name that the client's module only imported is taken from its own home."""
    found, _ = defaults
    assert found.params is not None
    refs = {p.name: p.default.ref for p in found.params if p.default and p.default.ref}
    assert refs["kind"] == Ref("decimal", "Decimal")
    assert refs["nan"] == Ref("math", "nan")
    assert refs["enum"].qualname == "Colour.RED"
    assert refs["deep"].qualname == "Holder.Inner.value"


def test_hostile_defaults_do_not_run(maker: Maker) -> None:
    """Objects that raise or lie when looked at are fetched by reference, and nothing of them is text."""
    source = """
        class Hostile:
            def __getattr__(self, name): raise RuntimeError(name)
            def __eq__(self, other): raise RuntimeError
            def __bool__(self): raise RuntimeError
            def __repr__(self): raise RuntimeError
            def __hash__(self): raise RuntimeError
        class Named:
            __qualname__ = "print('x')"
            __module__ = "os"
            __name__ = "system"
        class Client:
            def f(self, a=Hostile(), b=Named()): ...
        """
    found = member(maker, source)
    assert found.params is not None
    assert all(p.default is not None and p.default.text is None for p in found.params)
    assert found.params[0].default == found.params[1].default


# ---------------------------------------------------------------- the process


def test_a_target_cannot_end_the_run(maker: Maker) -> None:
    """`sys.exit` on import, a hang and a killed process are three errors, and the run goes on."""
    with pytest.raises(TargetError, match="SystemExit: 3"):
        read(maker, "import sys\nsys.exit(3)\n")
    with pytest.raises(ReadError, match="took longer than"):
        read(maker, f"{END_IN_ANY_CASE}while True: pass\n", import_timeout=0.2)
    with pytest.raises(ReadError, match="ended with exit code"):
        read(maker, "import os\nos.abort()\n")


def test_a_hanging_target_is_gone_afterwards(maker: Maker, tmp_path: Path) -> None:
    """The process of a target that hangs does not stay behind."""
    pid = tmp_path / "pid"
    source = f"""
        import os, pathlib, signal, threading
        signal.alarm(60)
        pathlib.Path({str(pid)!r}).write_text(str(os.getpid()))
        threading.Event().wait()
        """
    for patience in (0.5, 5.0, 30.0):  # a busy machine may need long to come to the hang
        with pytest.raises(ReadError, match="took longer than"):
            read(maker, source, import_timeout=patience)
        if pid.exists() and pid.read_text():
            break
    assert not Path("/proc", pid.read_text()).exists()


def test_what_sys_exit_hides_in_a_member(maker: Maker) -> None:
    """A class whose attributes raise when they are read is described without reading them."""
    source = """
        class Angry:
            def __get__(self, instance, owner): raise SystemExit("read")
            def __call__(self): ...
        class Client:
            f = Angry()
            def g(self): ...
        """
    names = {m.name for m in read(maker, source).members}
    assert "g" in names


def test_a_class_with_a_metaclass_that_lies(maker: Maker) -> None:
    """What a metaclass answers to `dir` or attribute access does not hide what the class has."""
    source = dedent("""
        class Meta(type):
            def __dir__(cls): return ["x", 3, None]
            def __getattribute__(cls, name):
                if name == "f": raise AttributeError(name)
                return super().__getattribute__(name)
        class Client(metaclass=Meta):
            def f(self, a): ...
            def g(self): ...
        """)
    assert {"f", "g"} <= {m.name for m in read(maker, source).members}


def test_callables_of_generated_grpc_code_without_types(maker: Maker) -> None:
    """What a channel makes in `__init__` is told by the name of the channel's method."""
    need("grpc")
    source = """
        import grpc

        class Client:
            def __init__(self, channel):
                self.Check = channel.unary_unary("/health/Check", _registered_method=True)
                self.Watch = channel.unary_stream("/health/Watch")
                self.other = channel.something("/else")
        """
    found = {m.name: m.value_class for m in read(maker, source).members}
    assert found == {
        "Check": Ref("grpc", "UnaryUnaryMultiCallable"),
        "Watch": Ref("grpc", "UnaryStreamMultiCallable"),
        "other": None,
    }


def test_annotations_tell_what_has_to_be_left(maker: Maker) -> None:
    """A class of context managers is known by its annotation, written as text or not."""
    preamble = "from io import BytesIO\nclass Client:\n    def f(self) -> {}: ..."
    for annotation, leavable in {
        "BytesIO": True,
        "'BytesIO'": True,
        "int": False,
        "'int'": False,
        "'X'": False,
    }.items():
        assert member(maker, preamble.format(annotation)).leavable is leavable
