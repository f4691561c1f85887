# ruff: noqa: B006, B008, D300, D301, D415, D419
"""Client classes with every shape of member that is awkward to wrap; the bodies record and return little.

Fully typed, so that the generated wrappers can be held to the strictest settings of the type checkers.
"""

from __future__ import annotations

import enum
import functools
import json
import math
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Concatenate,
    Final,
    Generic,
    Literal,
    NamedTuple,
    ParamSpec,
    Protocol,
    Self,
    TypedDict,
    TypeVar,
    Unpack,
    overload,
)

if TYPE_CHECKING:
    import decimal
    from fractions import Fraction as Share

K = TypeVar("K")
V = TypeVar("V")
R = TypeVar("R")
P = ParamSpec("P")


# ---------------------------------------------------------------- values that serve as defaults


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Right(enum.Flag):
    READ = 1
    WRITE = 2


class Omit:
    """A sentinel's type; its repr is no expression."""

    def __repr__(self) -> str:
        return "<omit>"


class Hostile:
    """Its repr would be code if anybody pasted it into source."""

    def __repr__(self) -> str:
        return "__import__('os').abort()"


class Deceiving(str):
    """A str whose repr is not a string literal."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "print('repr became code')"


@dataclass(frozen=True)
class Options:
    size: int = 1


class Point(NamedTuple):
    x: int
    y: int


class Window(TypedDict, total=False):
    start: int
    end: int


OMIT: Final = Omit()
LIMITS: Final[Mapping[str, int]] = {"a": 1}
Reply = dict[str, list[int]]


def shout(text: str) -> str:
    return text.upper()


# ---------------------------------------------------------------- parameters and defaults


class Parameters:
    """Each kind of parameter, alone and together."""

    def positional_only(self, key: str, default: str | None = None, /) -> str:
        return f"{key}{default}"

    def keyword_only(self, *, ttl: int, nx: bool = False) -> int:
        return ttl + nx

    def variadic(self, *keys: str, **fields: float) -> list[str]:
        return [*keys, *fields]

    def everything(
        self, a: int, b: int = 2, /, c: int = 3, *rest: int, d: int, e: int = 5, **more: int
    ) -> tuple[object, ...]:
        return (a, b, c, rest, d, e, more)

    def positional_then_star(
        self, first: str, second: str = "2", *rest: str, last: str = "z"
    ) -> str:
        return first + second + "".join(rest) + last

    def unpacked(self, **window: Unpack[Window]) -> int:
        return len(window)

    def nothing(self) -> None:
        return None

    def required_after_optional(self, *, first: int = 1, second: int) -> int:
        return first + second


class Defaults:
    """Defaults that are no literal, or whose text lies."""

    marker: ClassVar[Omit] = Omit()

    def sentinel(self, value: str | Omit = OMIT) -> None: ...

    def member(self, colour: Colour = Colour.RED, level: Level = Level.HIGH) -> None: ...

    def flags(self, right: Right = Right.READ | Right.WRITE) -> None: ...

    def mutable(self, items: list[int] = [], *, table: dict[str, int] = {}) -> None: ...

    def constant(self, limits: Mapping[str, int] = LIMITS) -> None: ...

    def made(self, encoder: json.JSONEncoder = json.JSONEncoder()) -> None: ...

    def function(
        self, convert: Callable[[str], str] = shout, size: Callable[..., int] = len
    ) -> None: ...

    def anonymous(self, key: Callable[[int], int] = lambda item: -item) -> None: ...

    def class_attribute(self, marker: Omit = marker) -> None: ...

    def a_class(self, kind: type[Exception] = KeyError) -> None: ...

    def frozen(self, options: Options = Options()) -> None: ...

    def hostile(self, value: Hostile = Hostile()) -> None: ...

    def deceiving(self, value: str = Deceiving("x")) -> None: ...

    def numbers(
        self,
        nan: float = math.nan,
        inf: float = math.inf,
        small: float = -0.0,
        big: int = 10**30,
        imaginary: complex = 1 - 2j,
        minus: int = -1,
    ) -> None: ...

    def texts(
        self,
        quotes: str = "'\"",
        slash: str = "\\",
        lines: str = "a\nb",
        brace: str = "{{ x }} {% if %} {# #}",
        raw: bytes = b"\x00\xff'",
        strange: str = "\u202e\u2028\x00",
    ) -> None: ...

    def containers(
        self,
        pair: tuple[int, str] = (1, "a"),
        point: Point = Point(1, 2),
        nested: tuple[tuple[int, ...], ...] = ((1,), ()),
        names: frozenset[str] = frozenset({"a", "b"}),
        span: range = range(3),
    ) -> None: ...

    def ellipsis(self, value: object = ..., none: None = None) -> None: ...


class Names:
    """Members and parameters named like things that a wrapper or its module needs."""

    def pool(self, Pool: str) -> str:
        return Pool

    def add_client(self, client: str, name: str = "n") -> str:
        return client + name

    def self_(self, args: int, kwargs: int = 1) -> int:
        return args + kwargs

    def print(self, print: str, result: str = "r") -> str:
        return print + result

    def list(self) -> dict[str, int]:
        return {}

    def set(self, list: str, dict: str, tuple: str, object: str) -> bool:
        return bool(list and dict and tuple and object)

    def int(self) -> float:
        return 1.0

    def after_int(self, value: str) -> Sequence[str]:
        return [value]

    def Method(self, Method: str, Unpack: str = "u", TYPE_CHECKING: bool = False) -> str:
        return Method + Unpack + str(TYPE_CHECKING)

    def Names(self, Names: str, NamesPool: str = "p") -> str:
        return Names + NamesPool

    def lambda_args(self, args: str, _args: str = "", _GET: str = "") -> str:
        return args + _args + _GET

    def items(self, items: Iterable[str], value: str = "v", item: str = "i") -> Iterator[str]:
        yield from items
        yield value + item

    def property(self) -> None: ...

    def overload(self) -> None: ...

    def typing(self, annotations: str = "a") -> str:
        return annotations

    def execute(self, sample_clients: str, tests: str = "t") -> str:
        return sample_clients + tests

    def naïve_été(self, größe: str = "ß") -> str:
        return größe

    def match(self, case: str, type: str, _: str = "_") -> str:
        return case + type + _


class AsyncNames:
    """Parameters named like the locals of a wrapper's methods."""

    async def items(self, items: int, item: str = "i", value: bytes = b"v") -> AsyncIterator[str]:
        yield f"{items}{item}{value!r}"

    @asynccontextmanager
    async def value(self, value: str, items: int = 1) -> AsyncIterator[int]:
        yield len(value) * items

    async def result(self, result: K, pool: str = "p") -> dict[str, K]:
        return {pool: result}

    async def self_(self, lease: str, call: int = 1) -> str:
        return lease * call

    @classmethod
    def create(cls, AsyncNames: str) -> str:
        return AsyncNames

    @staticmethod
    def result_of(result: K) -> list[K]:
        return [result]


class Receivers:
    """Methods that call their receiver something else, and have a parameter named `self` or `cls`."""

    def ask(this, self: str, cls: str = "c") -> str:
        return self + cls

    @staticmethod
    def fixed(self: str) -> str:
        return self

    def mangled(self, __key: str, __deep: int = 1) -> str:
        return __key * __deep

    def dashed(self, _key: str, _: int = 1) -> str:
        return _key * _


# ---------------------------------------------------------------- text


class Documented:
    r"""A docstring with \backslashes, "quotes" and '''more'''."""

    def quotes(self) -> None:
        '''He said """hello""" and left; "'''

    def slashes(self) -> None:
        r"""C:\new\table \N{BULLET} \x41 \u1234 ends in one \\"""

    def template(self) -> None:
        """{{ 7 * 7 }} {% for x in y %} {# gone #} {{ module.wrapper }} {% raw %}"""

    def format(self) -> None:
        """{0} %s %(name)s ${HOME} f'{1/0}'"""

    def lines(self) -> None:
        """First line.

            Indented code:
                >>> print("x")

        Tab\there, trailing blanks   \x20
        Last line with \x00 nul, \x1b escape and \u202e override.
        """

    def one_quote(self) -> None:
        '''"'''

    def only_slash(self) -> None:
        """\\"""

    def not_ascii(self) -> None:
        """Größe: ∑, 日本語, 🦆."""

    # Set when the class is made: newer Pythons compile no such literal as a docstring.
    not_ascii.__doc__ = "Größe: ∑, 日本語, 🦆. \ud800."

    def empty(self) -> None:
        """ """


# ---------------------------------------------------------------- static views


class Base(Generic[K, V]):
    """Base with type variables that subclasses bind."""

    def get(self, key: K) -> V | None:
        raise NotImplementedError(key)

    def put(self, key: K, value: V) -> None:
        raise NotImplementedError(key, value)

    def overridden(self, key: K) -> str:
        """The base's words."""
        return str(key)


class Mixin:
    def from_mixin(self, count: int = 1) -> Colour:
        return Colour.RED


class Inherited(Base[str, bytes], Mixin):
    """Binds the variables of its base."""

    def get(self, key: str) -> bytes | None:
        return None if key else b""

    def put(self, key: str, value: bytes) -> None: ...

    def overridden(self, key: str, extra: int = 0) -> str:
        return key * extra


class Bound(Base[int, Reply]):
    """Adds one method, inherits the rest bound to its own types."""

    def get(self, key: int) -> Reply | None:
        return None

    def own(self) -> Reply:
        return {}


class Box(Generic[K, V]):
    """Generic itself."""

    def __init__(self, first: V) -> None:
        self.first = first

    def read(self, key: K) -> V:
        return self.first

    def read_many(self, keys: Sequence[K]) -> dict[K, V]:
        return dict.fromkeys(keys, self.first)

    def convert(self, key: K, with_: Callable[[V], R]) -> R:
        return with_(self.first)


class Speaks(Protocol):
    """A Protocol with a method that has no body and one that has."""

    def ask(self, question: str, /) -> str: ...

    def repeat(self, text: str, times: int = 2) -> str:
        return text * times


class Checked:
    """Annotations that only type checkers can resolve."""

    def price(self, of: str) -> decimal.Decimal:
        raise NotImplementedError(of)

    def share(self, of: Share, *, least: Share | None = None) -> dict[str, Share]:
        return {str(least): of}

    def untouched(self, value: Any) -> Any:
        return value

    def literal(
        self, mode: Literal["r", "w"] = "r", way: Literal[Colour.RED] = Colour.RED
    ) -> Literal[1]:
        return 1

    def callback(self, run: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return run(*args, **kwargs)

    def same(self, value: K) -> K:
        return value

    def alias(self, reply: Reply) -> Reply:
        return reply

    def point(self, at: Point) -> tuple[Point, ...]:
        return (at,)


class IsSync(Protocol):
    _is_async: Literal[False]


class IsAsync(Protocol):
    _is_async: Literal[True]


class Commands:
    """Overloads chosen by arguments, and by the type of `self`."""

    @overload
    def get(self, key: str) -> bytes: ...
    @overload
    def get(self, key: str, *, decode: Literal[True]) -> str: ...
    @overload
    def get(self, key: str, *, decode: bool) -> bytes | str: ...
    def get(self, key: str, *, decode: bool = False) -> bytes | str:
        """Bytes, or text when decoded."""
        return key if decode else key.encode()

    @overload
    def size(self: IsSync) -> int: ...
    @overload
    def size(self: IsAsync) -> Awaitable[int]: ...
    def size(self) -> int | Awaitable[int]:
        return 1

    @overload
    def first(self, items: Sequence[R], default: None = None) -> R | None: ...
    @overload
    def first(self, items: Sequence[R], default: R) -> R: ...
    def first(self, items: Sequence[R], default: R | None = None) -> R | None:
        return items[0] if items else default


class Overloaded(Commands):
    """The commands, answered at once."""

    _is_async: Literal[False] = False


class AsyncOverloaded(Commands):
    """The same commands, to be awaited."""

    _is_async: Literal[True] = True

    async def ping(self) -> bool:
        return True


def wrapped(function: Callable[P, R]) -> Callable[P, R]:
    """Keeps the signature."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(*args, **kwargs)

    return call


def connected(function: Callable[Concatenate[Any, str, P], R]) -> Callable[Concatenate[Any, P], R]:
    """Gives the first argument itself, yet shows it."""

    @functools.wraps(function)
    def call(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return function(self, "connection", *args, **kwargs)

    return call


def hidden_async(
    function: Callable[P, Coroutine[Any, Any, R]],
) -> Callable[P, Coroutine[Any, Any, R]]:
    """A plain function around a coroutine function."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        return function(*args, **kwargs)

    return call


def doubled(function: Callable[P, R]) -> Callable[P, list[R]]:
    """Changes the result."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> list[R]:
        return [function(*args, **kwargs)] * 2

    return call


class Decorated:
    """Signatures that a decorator keeps, cuts or changes."""

    @wrapped
    def kept(self, key: str, *, limit: int = 1) -> str:
        return key * limit

    @connected
    def cut(self, connection: str, key: str, limit: int = 1) -> str:
        return connection + key * limit

    @doubled
    def changed(self, key: str) -> str:
        return key

    @wrapped
    @doubled
    def stacked(self, key: str, /) -> str:
        return key

    renamed = kept


# ---------------------------------------------------------------- results


class Streams:
    """Results that outlive the call, synchronous."""

    def scan(self, match: str = "*", *, count: int = 10) -> Iterator[str]:
        """Generator function."""
        for number in range(count):
            yield match + str(number)

    def talk(self, start: int) -> Generator[int, str, bytes]:
        sent = yield start
        return sent.encode()

    def rows(self) -> Iterator[int]:
        """A plain function that returns an iterator."""
        return iter([1, 2, 3])

    @contextmanager
    def pipeline(self, name: str = "p") -> Iterator[list[str]]:
        yield [name]

    def transaction(self) -> AbstractContextManager[int]:
        return self._transaction()

    @contextmanager
    def _transaction(self) -> Iterator[int]:
        yield 1

    def values(self) -> list[int]:
        return [1]

    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __getitem__(self, key: str) -> int:
        return len(key)

    def __contains__(self, key: object) -> bool:
        return True

    def __len__(self) -> int:
        return 1


def prefixing(
    function: Callable[Concatenate[Any, str, P], AsyncIterator[R]],
) -> Callable[Concatenate[Any, P], AsyncIterator[R]]:
    """Give a stream a prefix that callers do not know of."""

    @functools.wraps(function)
    async def streaming(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[R]:
        async for item in function(self, "> ", *args, **kwargs):
            yield item

    return streaming


class AsyncStreams:
    """Results that outlive the call, asynchronous."""

    async def get(self, key: str, *, default: bytes | None = None) -> bytes | None:
        """Coroutine function."""
        return default or key.encode()

    def soon(self, key: str) -> Awaitable[bytes | None]:
        """A plain function that returns an awaitable."""
        return self.get(key)

    def later(self, key: str) -> Coroutine[Any, Any, bytes | None]:
        return self.get(key)

    @hidden_async
    async def hidden(self, key: str, limit: int = 1) -> int:
        return len(key) * limit

    async def notifies(self, count: int = 3) -> AsyncGenerator[int, None]:
        """Async generator function."""
        for number in range(count):
            yield number

    @overload
    def lines(self, raw: Literal[True]) -> AsyncIterator[bytes]: ...
    @overload
    def lines(self, raw: Literal[False] = ...) -> AsyncIterator[str]: ...
    async def lines(self, raw: bool = False) -> AsyncIterator[Any]:
        yield b"line" if raw else "line"

    @prefixing
    async def prefixed(self, prefix: str, count: int) -> AsyncIterator[str]:
        for number in range(count):
            yield f"{prefix}{number}"

    def rows(self) -> AsyncIterator[int]:
        return self.notifies()

    @asynccontextmanager
    async def lock(self, name: str) -> AsyncIterator[str]:
        yield name

    def connect_to(self, name: str) -> AbstractAsyncContextManager[str]:
        return self.lock(name)

    def format(self, value: int) -> str:
        """No I/O, not asynchronous."""
        return str(value)

    async def aclose(self) -> None: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()


class Attributes:
    """Members that are no methods."""

    limit: int = 5
    Meta: ClassVar[type[Options]] = Options

    def __init__(self) -> None:
        self.made_in_init = 1
        self._value = 1

    @property
    def name(self) -> str:
        """The name."""
        return "name"

    @property
    def value(self) -> int:
        return self._value

    @value.setter
    def value(self, value: int) -> None:
        self._value = value

    @cached_property
    def cached(self) -> dict[str, int]:
        """Made once per client."""
        return {}

    @classmethod
    def create(cls, url: str, *, retries: int = 3) -> str:
        return f"{cls.__name__}{url}{retries}"

    @staticmethod
    def join(first: str, *rest: str) -> str:
        return "/".join([first, *rest])

    def ping(self) -> bool:
        return True


class Lifecycle:
    """Methods that open and close a client."""

    def connect(self) -> None: ...

    def open(self, host: str) -> None: ...

    def ping(self) -> bool:
        return True

    def shutdown(self) -> None: ...


class AsyncLifecycle:
    async def connect(self) -> None: ...

    async def ping(self) -> bool:
        return True

    async def close(self, code: int = 1000) -> None: ...


class Outer:
    """Holds the client."""

    class Inner:
        class Answer:
            text = "x"

        def get(self, key: str) -> Outer.Inner.Answer:
            return Outer.Inner.Answer()

        def again(self, reply: Answer) -> Outer.Inner:
            return self


# ---------------------------------------------------------------- nothing to wrap


class Empty:
    """Only private names."""

    def _hidden(self) -> None: ...


class Dynamic:
    """Answers whatever it is asked."""

    def __getattr__(self, name: str) -> Callable[..., str]:
        return lambda *args, **kwargs: name


def a_function() -> None: ...


a_value = 3


# The classes that can be wrapped.
CLIENTS = (
    *(
        "Parameters",
        "Defaults",
        "Names",
        "AsyncNames",
        "Receivers",
        "Documented",
        "Inherited",
        "Bound",
        "Box",
    ),
    *("Speaks", "Checked", "Overloaded", "AsyncOverloaded", "Decorated", "Streams", "AsyncStreams"),
    *("Attributes", "Lifecycle", "AsyncLifecycle", "Outer.Inner"),
)
