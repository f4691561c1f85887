"""Classes as their texts define them: bases, method resolution order, type parameters, fields."""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, cast

import libcst as cst

from connpool_gen.source.constants import NotConstant, dotted_name
from connpool_gen.source.names import unsubscripted
from connpool_gen.source.values import (
    ClassValue,
    Constant,
    Deferred,
    Function,
    Instance,
    Known,
    NativeClass,
    Scope,
    Unknown,
    Value,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connpool_gen.source.evaluate import Evaluator

Base = ClassValue | NativeClass | Known
# Classes of `typing` that stand for others at run time.
STAND_FOR = {
    "typing.ContextManager": "contextlib.AbstractContextManager",
    "typing.AsyncContextManager": "contextlib.AbstractAsyncContextManager",
    "typing.AbstractSet": "collections.abc.Set",
    "typing.Dict": "builtins.dict",
    "typing.List": "builtins.list",
    "typing.Set": "builtins.set",
    "typing.FrozenSet": "builtins.frozenset",
    "typing.Tuple": "builtins.tuple",
    "typing.Type": "builtins.type",
}
# Bases that contribute no public members.
PLAIN = frozenset({"builtins.object", "typing.Generic", "typing.Protocol", "abc.ABC"})
VARIABLES = ("typing.TypeVar", "typing.ParamSpec", "typing.TypeVarTuple")


@dataclass(frozen=True, slots=True)
class TypeParameter:
    """A type parameter: its kind, its module, its name."""

    kind: str
    module: str
    name: str


class Classes:
    """Answers questions about classes. `unread` are bases whose text was not found."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self.names = evaluator.names
        self.unread: dict[str, None] = {}
        self._orders: dict[int, list[Base]] = {}
        self._functions: dict[ClassValue, list[Function]] = {}

    # ------------------------------------------------------------ bases

    def bases(self, cls: ClassValue) -> list[Base]:
        """List the bases of a class; one that cannot be read is left out and noted."""
        found: list[Base] = []
        for argument in cls.node.bases:
            if argument.star:
                continue
            base = self.as_class(self.evaluator.value(argument.value, cls.scope, {}), cls)
            if base is None:
                written = cst.Module([]).code_for_node(argument.value)
                self.unread[f"{written}, a base of {cls.qualname} in {cls.scope.module}"] = None
            else:
                found.append(base)
        return found

    def as_class(self, found: Value, cls: ClassValue) -> Base | None:
        """Return a value as a class; None if it is none, or unknown."""
        if isinstance(found, (ClassValue, NativeClass)):
            return found
        if isinstance(found, Instance) and isinstance(found.cls, Known):
            return (
                found.cls if found.cls.name in ("typing.NamedTuple", "typing.TypedDict") else None
            )
        return self._known(found.name, cls) if isinstance(found, Known) else None

    def _known(self, name: str, cls: ClassValue) -> Base | None:
        """Open a class of the standard library, of which only the name is known."""
        name = STAND_FOR.get(name, name)
        if name in PLAIN:
            return Known(name)
        module, _, qualname = name.rpartition(".")
        if module == "builtins":
            return native(qualname)
        for home in homes_of(module):
            scope = self.names.module(home, checking=cls.scope.checking)
            if scope is not None and qualname in scope.names:
                found = self.evaluator.settled(scope.names[qualname], scope)
                if isinstance(found, (ClassValue, NativeClass)):
                    return found
        return Known(name) if module == "typing" else None

    def order(self, cls: ClassValue) -> list[Base]:
        """Return the method resolution order, the class itself first."""
        if id(cls) not in self._orders:
            self._orders[id(cls)] = [cls]  # a class among its own bases
            above = self.bases(cls)
            lines = [self._line(base) for base in above]
            self._orders[id(cls)] = [cls, *merged([*lines, list(above)])]
        return self._orders[id(cls)]

    def _line(self, base: Base) -> list[Base]:
        if isinstance(base, ClassValue):
            return list(self.order(base))
        if isinstance(base, NativeClass):
            above = (native(one.__name__) for one in base.cls.__mro__[:-1])
            return [one for one in above if one is not None]
        return [base]

    def own_order(self, cls: ClassValue) -> list[ClassValue]:
        """Return the classes of the order whose text is known."""
        return [base for base in self.order(cls) if isinstance(base, ClassValue)]

    def is_one(self, cls: ClassValue, name: str) -> bool:
        """Return whether a class is derived from a class of the standard library."""
        return any(
            isinstance(base, Known) and base.name == name for base in self.order(cls)
        ) or any(f"{base.scope.module}.{base.qualname}" == name for base in self.own_order(cls))

    def finds(self, cls: ClassValue, name: str) -> Value | None:
        """Find a name in the classes of the order."""
        for base in self.order(cls):
            if isinstance(base, ClassValue):
                body = self.names.body(base)
                if name in body.names:
                    return self.evaluator.settled(body.names[name], body)
            elif isinstance(base, NativeClass) and name in vars(base.cls):
                return Unknown("a builtin's")
        return None

    def is_protocol(self, cls: ClassValue) -> bool:
        """Return whether a class is itself a Protocol, not only derived from one."""
        return Known("typing.Protocol") in self.bases(cls)

    def has_abstract_meta(self, cls: ClassValue) -> bool:
        """Return whether abstract methods keep a class from being instantiated."""
        if any(
            isinstance(b, Known) and b.name in ("abc.ABC", "typing.Protocol")
            for b in self.order(cls)
        ):
            return True
        for base in self.own_order(cls):
            for keyword in base.node.keywords:
                if keyword.keyword is None or keyword.keyword.value != "metaclass":
                    continue
                if self._is_abstract_meta(self.evaluator.value(keyword.value, base.scope, {})):
                    return True
        return False

    def _is_abstract_meta(self, meta: Value) -> bool:
        if isinstance(meta, ClassValue):
            return any(self._is_abstract_meta(base) for base in self.bases(meta)) or (
                f"{meta.scope.module}.{meta.qualname}" == "abc.ABCMeta"
            )
        return meta == Known("abc.ABCMeta")

    # ------------------------------------------------------------ type parameters

    def type_parameters(self, cls: ClassValue) -> list[TypeParameter]:
        """List the type parameters, as `__parameters__` of the running class does."""
        if cls.node.type_parameters is not None:
            return [own_parameter(one.param) for one in cls.node.type_parameters.params]
        subscripted = [a.value for a in cls.node.bases if isinstance(a.value, cst.Subscript)]
        found: list[TypeParameter] = []
        for node in subscripted:
            base = self.as_class(self.evaluator.value(node.value, cls.scope, {}), cls)
            variables = list(dict.fromkeys(self._variables(node, cls)))
            if base == Known("typing.Generic") or (base == Known("typing.Protocol") and variables):
                return variables
            if isinstance(base, ClassValue) and self._is_generic(base):
                found += variables
        return list(dict.fromkeys(found))

    def _is_generic(self, cls: ClassValue) -> bool:
        kinds = ("typing.Generic", "typing.Protocol")
        order = self.order(cls)
        written = any(isinstance(base, Known) and base.name in kinds for base in order)
        return written or any(
            isinstance(base, ClassValue) and base.node.type_parameters is not None for base in order
        )

    def _variables(self, node: cst.Subscript, cls: ClassValue) -> Iterator[TypeParameter]:
        for element in node.slice:
            if isinstance(element.slice, cst.Index):
                yield from self._in_argument(element.slice.value, cls)

    def _in_argument(self, node: cst.BaseExpression, cls: ClassValue) -> Iterator[TypeParameter]:
        dotted = dotted_name(node)
        if dotted is not None:
            variable = self._variable(self.names.find(dotted, cls.scope))
            if variable is not None:
                yield variable
        elif isinstance(node, cst.Subscript):
            yield from self._variables(node, cls)
        elif isinstance(node, (cst.Tuple, cst.List)):
            for element in node.elements:
                yield from self._in_argument(element.value, cls)
        elif isinstance(node, cst.BinaryOperation):
            yield from self._in_argument(node.left, cls)
            yield from self._in_argument(node.right, cls)

    def _variable(self, found: Value) -> TypeParameter | None:
        if isinstance(found, Known) and found.name == "typing.AnyStr":
            return TypeParameter("TypeVar", "typing", "AnyStr")
        if not isinstance(found, Deferred) or not isinstance(found.expression, cst.Call):
            return None
        maker = self.evaluator.value(found.expression.func, found.scope, {})
        if not isinstance(maker, Known) or maker.name not in VARIABLES:
            return None
        first = found.expression.args[0].value if found.expression.args else None
        name = first.evaluated_value if isinstance(first, cst.SimpleString) else None
        kind = maker.name.rpartition(".")[2]
        return TypeParameter(kind, found.scope.module, name) if isinstance(name, str) else None

    # ------------------------------------------------------------ dataclasses, slots

    def dataclass_options(self, cls: ClassValue) -> dict[str, object] | None:
        """Return the arguments of `@dataclass`; None for another class."""
        for decorator in cls.node.decorators:
            node = decorator.decorator
            called = node.func if isinstance(node, cst.Call) else node
            dotted = dotted_name(called)
            if dotted is None or self.names.find(dotted, cls.scope) != Known(
                "dataclasses.dataclass"
            ):
                continue
            given = node.args if isinstance(node, cst.Call) else ()
            return {
                a.keyword.value: value.value
                for a in given
                if a.keyword is not None
                and isinstance(value := self.evaluator.value(a.value, cls.scope, {}), Constant)
            }
        return None

    def fields(self, cls: ClassValue) -> dict[str, ClassValue]:
        """List the fields of a dataclass in the order of `dataclasses.fields`, with the class of each."""
        found: dict[str, ClassValue] = {}
        for base in reversed(self.own_order(cls)):
            if self.dataclass_options(base) is None:
                continue
            body = self.names.body(base)
            for name, annotation in body.declared.items():
                if not self._is_no_field(annotation, base):
                    found.setdefault(name, base)
        return found

    def initialised(self, cls: ClassValue) -> list[str] | None:
        """List the fields that the `__init__` generated by `@dataclass` sets; None if another one is used."""
        for base in self.own_order(cls):
            options = self.dataclass_options(base)
            if options is not None and options.get("init", True):
                return list(self.fields(base))
            if "__init__" in self.names.body(base).names:
                return None
        return None

    def _is_no_field(self, annotation: cst.BaseExpression, cls: ClassValue) -> bool:
        """Return whether an annotation is `ClassVar[...]`, `InitVar[...]` or `KW_ONLY`."""
        if isinstance(annotation, cst.SimpleString):
            return "ClassVar" in annotation.value or "InitVar" in annotation.value
        dotted = dotted_name(unsubscripted(annotation))
        found = self.names.find(dotted, cls.scope) if dotted is not None else None
        names = ("typing.ClassVar", "dataclasses.InitVar", "dataclasses.KW_ONLY")
        return isinstance(found, Known) and found.name in names

    def is_class_variable(self, annotation: cst.BaseExpression) -> bool:
        """Return whether an annotation says that the class has the attribute, not each instance."""
        named = dotted_name(unsubscripted(annotation)) or ""
        return named.rpartition(".")[2] == "ClassVar"

    def slots(self, cls: ClassValue) -> list[str]:
        """List the names of `__slots__`, sorted as the running class has them."""
        held = self.names.body(cls).names.get("__slots__")
        if not isinstance(held, Deferred):
            return []
        node = held.expression
        if isinstance(node, cst.Call):
            return self._listed(node, held.scope)
        if isinstance(node, cst.SimpleString):
            return [str(node.evaluated_value)]
        if isinstance(node, cst.Dict):
            keys = [e.key for e in node.elements if isinstance(e, cst.DictElement)]
            return sorted(str(k.evaluated_value) for k in keys if isinstance(k, cst.SimpleString))
        if not isinstance(node, (cst.Tuple, cst.List, cst.Set)):
            return []
        try:
            values = [self.names.constant(e.value, held.scope) for e in node.elements]
        except NotConstant:
            return []
        return sorted(value for value in values if isinstance(value, str))

    def _listed(self, node: cst.BaseExpression, scope: Scope) -> list[str]:
        """Return the names in `"a b c".split()`."""
        try:
            found = self.names.constant(node, scope)
        except NotConstant:
            return []
        names = cast("tuple[object, ...]", found) if isinstance(found, tuple) else ()
        return sorted(map(str, names))

    # ------------------------------------------------------------ functions

    def functions(self, cls: ClassValue) -> list[Function]:
        """List all functions of a class and its bases behind its methods and properties."""
        return [one for base in self.own_order(cls) for one in self.own_functions(base)]

    def own_functions(self, cls: ClassValue) -> list[Function]:
        """List the functions behind the values in the body of one class, as the probe does."""
        known = self._functions.get(cls)
        if known is None:
            known = self._functions[cls] = list(self._find_functions(cls))
        return known

    def _find_functions(self, cls: ClassValue) -> Iterator[Function]:
        from connpool_gen.source.values import ClassMethod, Property

        body = self.names.body(cls)
        for held in list(body.names.values()):
            value = self.evaluator.settled(held, body)
            if isinstance(value, ClassMethod) and value.static:
                value = value.function
            if isinstance(value, Property) and not value.cached:
                if isinstance(value.getter, Function):
                    yield value.getter
            elif isinstance(value, Function):
                yield value.innermost


@cache
def native(name: str) -> NativeClass | None:
    """Return a class of the module `builtins`; always the same object for the same class."""
    found = getattr(builtins, name, None)
    return NativeClass(found) if isinstance(found, type) else None


def homes_of(module: str) -> tuple[str, ...]:
    """List the modules in which a class of the standard library may be defined."""
    if module == "collections.abc":
        return ("_collections_abc",)
    if module == "typing":
        return ("_collections_abc", "typing")
    return (module,)


def own_parameter(
    param: cst.TypeVar | cst.ParamSpec | cst.TypeVarTuple,
) -> TypeParameter:
    """Describe a parameter of `class Client[T]:`, which is in no module."""
    return TypeParameter(type(param).__name__, "", param.name.value)


def merged(lines: Sequence[list[Base]]) -> list[Base]:
    """Merge orders as Python does (C3); if there is no such order, take each class once."""
    rest = [list(line) for line in lines if line]
    result: list[Base] = []
    while rest:
        free = (line[0] for line in rest if not any(same_in(line[0], o[1:]) for o in rest))
        head = next(free, rest[0][0])
        result.append(head)
        rest = [[b for b in line if not same(b, head)] for line in rest]
        rest = [line for line in rest if line]
    return result


def same(one: Base, other: Base) -> bool:
    """Return whether two bases are the same class."""
    return one is other or (isinstance(one, Known) and one == other)


def same_in(one: Base, others: Sequence[Base]) -> bool:
    """Return whether a base is among others."""
    return any(same(one, other) for other in others)
