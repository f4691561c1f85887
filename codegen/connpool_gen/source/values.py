"""The values that a name in a text can have, as far as the text alone shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import libcst as cst

if TYPE_CHECKING:
    from connpool_gen.source.texts import ModuleText


@dataclass(eq=False, slots=True)
class Scope:
    """The names that a module or a class body binds, in the order of their first binding.

    `checking`: the text is read as type checkers read it, so that what stands under
    `if TYPE_CHECKING:` counts. `owner` is the class whose body it is. `declared` are the annotations
    of names, `exported` is `__all__` as far as it is written out, `docs` are docstrings that are assigned
    to names afterwards, `deleted` what stood under names that `del` took away. `deferred`: annotations
    are texts.
    """

    text: ModuleText
    checking: bool
    owner: ClassValue | None = None
    names: dict[str, Value] = field(default_factory=dict[str, "Value"])
    declared: dict[str, cst.BaseExpression] = field(default_factory=dict[str, "cst.BaseExpression"])
    exported: set[str] = field(default_factory=set[str])
    docs: dict[str, cst.BaseExpression] = field(default_factory=dict[str, "cst.BaseExpression"])
    deleted: dict[str, Value] = field(default_factory=dict[str, "Value"])
    deferred: bool = False

    @property
    def module(self) -> str:
        """The name of the module."""
        return self.text.name


@dataclass(eq=False, slots=True)
class Unknown:
    """A value that the text does not determine; `why` is for the user."""

    why: str


@dataclass(frozen=True, slots=True)
class Known:
    """An object of the standard library that is known by its name: `functools.wraps`, `typing.Generic`."""

    name: str


@dataclass(frozen=True, slots=True)
class ModuleValue:
    """A module."""

    name: str


@dataclass(frozen=True, slots=True)
class Imported:
    """A name that an import binds: that of another module, or a module if `name` is None."""

    module: str
    name: str | None


@dataclass(frozen=True, slots=True)
class Constant:
    """An object that is exactly a literal, such as 30 or ("a", None); `written` is its text."""

    value: object
    written: str = ""


@dataclass(eq=False, slots=True)
class Deferred:
    """An expression that is assigned to a name; `value` is its value, once it was evaluated."""

    expression: cst.BaseExpression
    scope: Scope
    value: Value | None = None


@dataclass(eq=False, slots=True)
class Decorated:
    """A function as its text defines it, decorators not applied yet.

    `before` had its name until then, `place` is how many names its scope had.
    """

    node: cst.FunctionDef
    scope: Scope
    before: Value | None
    place: int
    value: Value | None = None


@dataclass(eq=False, slots=True)
class ClassValue:
    """A class that a text defines."""

    node: cst.ClassDef
    scope: Scope
    qualname: str
    body: Scope | None = None

    @property
    def name(self) -> str:
        """The name of the class alone."""
        return self.node.name.value


@dataclass(eq=False, slots=True)
class NativeClass:
    """A class of the module `builtins`, which exists in every process."""

    cls: type


@dataclass(frozen=True, slots=True)
class EnumMember:
    """A member of an enumeration, created by a class statement or a call of `Enum`."""

    cls: ClassValue | Deferred
    name: str

    @property
    def place(self) -> tuple[str, str] | None:
        """The module of the enumeration and the name of the member there."""
        if isinstance(self.cls, ClassValue):
            return self.cls.scope.module, f"{self.cls.qualname}.{self.name}"
        first = (
            self.cls.expression.args[0].value if isinstance(self.cls.expression, cst.Call) else None
        )
        title = first.evaluated_value if isinstance(first, cst.SimpleString) else None
        return (self.cls.scope.module, f"{title}.{self.name}") if isinstance(title, str) else None


@dataclass(eq=False, slots=True)
class Function:
    """A function with its own text, and the function that it says it wraps.

    `native`: it is the standard library's (`functools.lru_cache`), whose parameters no text shows.
    `maker` is context or async_context for what `contextlib` made of a generator. `doc_of` is the
    function whose docstring it carries, `overloads` are the signatures above it, `puzzling` are
    decorators that could not be read.
    """

    node: cst.FunctionDef | cst.Lambda | None
    scope: Scope
    wrapped: Function | None = None
    doc_of: Function | None = None
    native: bool = False
    maker: str | None = None
    abstract: bool = False
    deprecated: tuple[str, tuple[str, str] | None] | None = None
    overloads: list[Function] = field(default_factory=list["Function"])
    puzzling: list[str] = field(default_factory=list[str])
    locals: dict[str, Value] = field(default_factory=dict[str, "Value"])

    @property
    def innermost(self) -> Function:
        """The function below all decorators."""
        return self if self.wrapped is None else self.wrapped.innermost


@dataclass(eq=False, slots=True)
class Property:
    """A property, or a cached one."""

    getter: Value
    settable: bool = False
    cached: bool = False
    doc: str | None = None


@dataclass(eq=False, slots=True)
class ClassMethod:
    """A class method or a static method."""

    function: Value
    static: bool = False


@dataclass(eq=False, slots=True)
class Partial:
    """`functools.partialmethod` of a function with arguments."""

    function: Value
    given: int
    named: dict[str, Value]


@dataclass(eq=False, slots=True)
class Dispatched:
    """`functools.singledispatchmethod` of a function."""

    function: Value


@dataclass(eq=False, slots=True)
class Curried:
    """A function of the standard library with arguments, which is then called: `functools.wraps(function)`."""

    name: str
    arguments: list[Value]
    named: dict[str, Value]


@dataclass(eq=False, slots=True)
class Instance:
    """An object created by calling a class, with the function that was passed to it, if any."""

    cls: Value
    given: Value | None = None


Value = (
    Unknown
    | Known
    | ModuleValue
    | Imported
    | Constant
    | Deferred
    | Decorated
    | ClassValue
    | NativeClass
    | EnumMember
    | Function
    | Property
    | ClassMethod
    | Partial
    | Dispatched
    | Curried
    | Instance
)
