"""Whatever class it reads, the source reader says what the run-time reader says."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.codegen import sample_clients
from tests.codegen.made import ROOT
from tests.codegen.source.both_ways import member, read, running, write
from tests.codegen.strategies import AwkwardClass, awkward_classes

# Of these something is made while the class is created: nobody wraps an enumeration or a tuple.
MADE_WHEN_CREATED = {"Level", "Right", "Point", "Window", "Options"}
SAMPLES = [
    name
    for name, found in vars(sample_clients).items()
    if isinstance(found, type)
    and found.__module__ == sample_clients.__name__
    and name not in MADE_WHEN_CREATED
]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_client(name: str) -> None:
    """The facts of each sample client are the same in both ways."""
    module = sample_clients.__name__
    assert read([ROOT], module, name) == running(ROOT, module, name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples; each has a module name of its own."""
    return tmp_path_factory.mktemp("read")


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(drawn=awkward_classes())
@pytest.mark.filterwarnings("ignore:no longer:DeprecationWarning")
def test_an_awkward_class(folder: Path, drawn: AwkwardClass) -> None:
    """So are those of classes with hostile names, texts, defaults and decorators."""
    module = write(folder, drawn.source())
    assert read([folder], module) == running(folder, module)


BOTH_WAYS = {
    "bases of several modules in their order of resolution": """
        from concurrent.futures import Executor
        from contextlib import AbstractContextManager

        class One(dict[str, int]):
            def get_one(self): ...
            shared = 1

        class Two(AbstractContextManager["Two"]):
            def shared(self): ...

        class Client(Two, One, Executor):
            def own(self): return 1
        """,
    "definitions under conditions": """
        import os, sys
        from typing import TYPE_CHECKING

        try:
            import no_such_module
        except ImportError:
            no_such_module = None

        class Client:
            if sys.version_info >= (3, 8):
                def new(self, a, b=1): return a
            else:
                def old(self): return 1
            if TYPE_CHECKING:
                def unseen(self): ...
            if not TYPE_CHECKING and sys.platform != "nowhere":
                def here(self): return 2
            if no_such_module is None:
                def without(self): return 3
            else:
                def within(self): return 4
            if os.name == "posix" or os.name == "nt":
                def anywhere(self): return 5
            def gone(self): return 6
            del gone
        """,
    "decorators of its own": """
        import contextlib, functools, inspect

        def plain(function):
            @functools.wraps(function)
            def call(*args, **kwargs):
                return function(*args, **kwargs)
            return call

        def optional(function=None, *, times=3):
            if function is None:
                return functools.partial(optional, times=times)
            if inspect.iscoroutinefunction(function):
                @functools.wraps(function)
                async def awaiting(self, *args, **kwargs):
                    return await function(self, *args, **kwargs)
                return awaiting
            def calling(self, *args, **kwargs):
                return function(self, *args, **kwargs)
            return functools.update_wrapper(calling, function)

        def registered(name):
            def register(function):
                function.name = name
                return function
            return register

        def replaced(function):
            def other(self, whatever=None):
                '''Of the other.'''
            return other

        class Registry:
            def add(self, function):
                return plain(function)

        registry = Registry()

        class Client:
            @plain
            def a(self, x, *, y=2):
                '''Of a.'''
                return x
            @optional
            async def b(self, x): return x
            @optional(times=5)
            def c(self, x=(1, 2)): return x
            @registered("d")
            def d(self, x, /): return x
            @replaced
            def e(self, x): return x
            @registry.add
            def f(self, x): return x
            @functools.lru_cache(maxsize=2)
            def g(self, x): return x
            @contextlib.contextmanager
            def h(self, x):
                yield x
            @contextlib.asynccontextmanager
            async def i(self):
                yield 1
            @functools.singledispatchmethod
            def j(self, x): return x
            k = functools.partialmethod(d, 1)
            @property
            def l(self): return 1
            @l.setter
            def l(self, value): self.held = value
            @functools.cached_property
            def m(self): return 1
            @classmethod
            @plain
            def n(cls, x): return x
            @staticmethod
            def o(x=None): return x
            p = lambda self, x: x
            q = a
            r = plain(d)
        """,
    "attributes of instances, in the order of their assignments": """
        from dataclasses import dataclass, field

        class Part:
            def __init__(self, client): self.client = client

        class Base:
            inherited: int
            def __init__(self): self.late = 0

        class Client(Base):
            limit = 5
            untouched = 5
            declared: "str"
            __slots__ = ("slotted",)
            def __init__(self, town: str):
                self.part = Part(self)
                if town:
                    self.town, (self.first, *self.rest) = town, town
                for self.each in town: pass
                with open(town) as self.file: pass
                self._hidden = 1
            def change(self):
                self.limit = 6
                def inner(): self.untouched = 7
        """,
    "a dataclass": """
        from dataclasses import dataclass, field
        from typing import ClassVar

        @dataclass
        class Base:
            client: object
            size: int = 3

        class Client(Base):
            names: list = field(default_factory=list)
            count: ClassVar[int] = 0
            def call(self): return 1
        """,
    "abstract methods and Protocols": """
        import abc
        from typing import Protocol, TypeVar

        T = TypeVar("T")

        class Ground(Protocol[T]):
            value: int
            def get(self) -> T: ...
            @property
            def state(self) -> str: ...

        class Middle(abc.ABC):
            @abc.abstractmethod
            def put(self): ...
            @property
            @abc.abstractmethod
            def size(self): ...
            @classmethod
            @abc.abstractmethod
            def make(cls): ...

        class Client(Middle, Ground[int]):
            def put(self): return 1
        """,
    "type parameters": """
        from collections.abc import Mapping
        from typing import Generic, ParamSpec, TypeVar
        from typing_extensions import TypeVarTuple, Unpack

        K = TypeVar("K")
        V = TypeVar("V")
        P = ParamSpec("P")
        Ts = TypeVarTuple("Ts")

        class Base(Generic[K, V]):
            def get(self, key: K) -> V: ...

        class Client(Base[V, "Mapping[str, K]"], Generic[P, Unpack[Ts], V]):
            def put(self, key: K) -> V: ...
        """,
    "operators, and methods that are taken away": """
        class Base:
            def __len__(self): return 1
            def __call__(self, x): return x
            def away(self): return 1
            nothing = None

        class Client(Base):
            __hash__ = None
            away = None
            def __eq__(self, other): return True
            def __getitem__(self, key): return key
            def __contains__(self, key): return True
            def __private(self): return 1
            def update(self, /, **fields): return fields
            def mangled(self, __x, *, __y=1): return __x
        """,
    "what is added below the class": """
        def added(self, x=1):
            '''Of added.'''
            return x

        class Client:
            def told(self): return 1
            told.__doc__ = "Told later."

        Client.more = added
        """,
    "deprecated members": """
        import warnings
        from typing_extensions import deprecated

        class Gone(DeprecationWarning): ...

        class Client:
            @deprecated("use b")
            def a(self): return 1
            @deprecated("use c", category=None)
            def b(self): return 1
            @property
            @deprecated("use d", category=FutureWarning)
            def c(self): return 1
            @classmethod
            @deprecated("use e", category=Gone)
            def d(cls): return 1
        """,
}


@pytest.mark.parametrize("about", BOTH_WAYS)
def test_both_ways(tmp_path: Path, about: str) -> None:
    """Both readers agree about this."""
    module = write(tmp_path, BOTH_WAYS[about])
    ours, theirs = read([tmp_path], module), running(tmp_path, module)
    assert [m["name"] for m in ours["members"]] == [m["name"] for m in theirs["members"]]
    for one in theirs["members"]:
        assert member(ours, one["name"]) == one
    assert ours == theirs
