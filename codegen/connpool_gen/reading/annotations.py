"""Write mypy's types as annotations that a person would have written, names still as references."""

from __future__ import annotations

import ast
from functools import singledispatchmethod
from itertools import groupby
from typing import TYPE_CHECKING, Protocol, cast

from mypy.nodes import ARG_NAMED, ARG_NAMED_OPT, ARG_OPT, ARG_POS, ARG_STAR, ARG_STAR2
from mypy.types import (
    AnyType,
    CallableType,
    Instance,
    LiteralType,
    NoneType,
    Overloaded,
    Parameters,
    ParamSpecType,
    ProperType,
    TupleType,
    Type,
    TypeAliasType,
    TypedDictType,
    TypeOfAny,
    TypeType,
    TypeVarLikeType,
    TypeVarTupleType,
    TypeVarType,
    UnboundType,
    UninhabitedType,
    UnionType,
    UnpackType,
    get_proper_type,
    has_type_vars,
)

from connpool_gen.reading.facts import (
    Expression,
    Kind,
    OwnVariable,
    Ref,
    ResultKind,
    StaticKey,
    StaticParam,
    StaticSignature,
)
from connpool_gen.reading.result_kinds import (
    deprecated,
    given,
    is_partly_untyped,
    lives_on_a_connection,
    may_stream,
    parts_of,
    result_kind,
    returned_classes,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

ABC_NAMES = {
    "AbstractSet": "Set",
    **{
        name: name
        for name in [
            "AsyncGenerator",
            "AsyncIterable",
            "AsyncIterator",
            "Awaitable",
            "Callable",
            "Collection",
            "Container",
            "Coroutine",
            "Generator",
            "Hashable",
            "ItemsView",
            "Iterable",
            "Iterator",
            "KeysView",
            "Mapping",
            "MappingView",
            "MutableMapping",
            "MutableSequence",
            "MutableSet",
            "Reversible",
            "Sequence",
            "Sized",
            "ValuesView",
        ]
    },
}
MOVED = {
    "typing.AbstractContextManager": Ref("contextlib", "AbstractContextManager"),
    "typing.AbstractAsyncContextManager": Ref("contextlib", "AbstractAsyncContextManager"),
    "typing.ContextManager": Ref("contextlib", "AbstractContextManager"),
    "typing.AsyncContextManager": Ref("contextlib", "AbstractAsyncContextManager"),
    "typing.Match": Ref("re", "Match"),
    "typing.Pattern": Ref("re", "Pattern"),
    "builtins.ellipsis": Ref("types", "EllipsisType"),
    "builtins.function": Ref("types", "FunctionType"),
    **{f"typing.{old}": Ref("collections.abc", new) for old, new in ABC_NAMES.items()},
}
YIELDED = {
    "typing.Coroutine": 2,
    "typing.Awaitable": 0,
    "typing.Generator": 2,
    "contextlib._GeneratorContextManager": 0,
    "contextlib._AsyncGeneratorContextManager": 0,
}
KINDS = {
    ARG_POS: (Kind.POSITIONAL_OR_KEYWORD, True),
    ARG_OPT: (Kind.POSITIONAL_OR_KEYWORD, False),
    ARG_NAMED: (Kind.KEYWORD_ONLY, True),
    ARG_NAMED_OPT: (Kind.KEYWORD_ONLY, False),
    ARG_STAR: (Kind.VAR_POSITIONAL, False),
    ARG_STAR2: (Kind.VAR_KEYWORD, False),
}
ANY = Ref("typing", "Any")
UNPACK = Ref("typing", "Unpack")
# What mypy takes for Any because it could not find it; what has no type, as the class of a call of NewType, is
# among it.
UNKNOWN = (TypeOfAny.from_error, TypeOfAny.from_unimported_type, TypeOfAny.special_form)
# The class that makes each kind of type variable.
VARIABLES: dict[type[TypeVarLikeType], str] = {
    TypeVarType: "TypeVar",
    ParamSpecType: "ParamSpec",
    TypeVarTupleType: "TypeVarTuple",
}


class Unprintable(Exception):
    """The type cannot be written in source; the message has the reason."""


class NameFinder(Protocol):
    """Where a full name is imported from."""

    def ref(self, fullname: str) -> Ref:
        """Return the reference to write for a full name."""
        ...

    def is_target(self, fullname: str | None) -> bool:
        """Return whether a class is the one to wrap."""
        ...

    def has_variable(self, variable: TypeVarLikeType) -> bool:
        """Return whether a type variable can be imported by its full name."""
        ...

    def is_any_elsewhere(self, fullname: str) -> bool:
        """Return whether a name is Any for mypy, which reads the output but not the module of the name."""
        ...

    def is_variable_for_some(self, fullname: str) -> bool:
        """Return whether an alias is defined in two ways, so that it is a variable for pyright."""
        ...


class AnnotationPrinter:
    """Prints types. Method-local TypeVars are named where their module defines them.

    `version` is that of the Python on which the client runs.
    """

    def __init__(self, names: NameFinder, version: tuple[int, int]) -> None:
        self._names = names
        self._version = version
        self._stand_ins: dict[str, Ref | None] = {}
        self.met_unknown = False
        """Whether a type was restated that mypy could not find, so that it takes it for Any."""

    def stands_for(self, fullname: str, variable: Ref | None) -> None:
        """Write the client's type variable for one of the probe module's; None if it cannot be written."""
        self._stand_ins[fullname] = variable

    # ------------------------------------------------------------ signatures

    def signature(self, called: CallableType, receiver: Iterable[Type] = ()) -> StaticSignature:
        """Restate the signature of a bound callable; `receiver` are the arguments of a client's type."""
        if called.type_guard is not None or called.type_is is not None:
            raise Unprintable("it narrows its argument (TypeGuard)")
        returned = get_proper_type(called.ret_type)
        inner = None
        if isinstance(returned, Instance) and returned.type.fullname in YIELDED:
            inner = self.annotation(returned.args[YIELDED[returned.type.fullname]])
        return StaticSignature(
            params=tuple(self._params(called)),
            returns=self.annotation(called.ret_type),
            result=result_kind(called.ret_type),
            inner=inner,
            generic=has_type_vars(called.ret_type),
            bound=lives_on_a_connection(given(called.ret_type)),
            receiver=tuple(self.annotation(argument) for argument in receiver),
            gives_stream=isinstance(returned, Instance)
            and returned.type.fullname == "typing.Coroutine"
            and result_kind(returned.args[2]) is ResultKind.ASYNC_ITERATOR,
            may_stream=may_stream(called.ret_type),
            returns_client=self.is_client(called.ret_type),
            holds_client=any(map(self.is_client, parts_of(called.ret_type, set()))),
            deprecated=deprecated(called),
            untyped=called.implicit or is_partly_untyped(called) or deprecated(called) is not None,
        )

    def _params(self, called: CallableType) -> list[StaticParam]:
        params: list[StaticParam] = []
        for name, kind, type_ in zip(
            called.arg_names, called.arg_kinds, called.arg_types, strict=True
        ):
            form, required = KINDS[kind]
            if name is None and form is Kind.POSITIONAL_OR_KEYWORD:
                form = Kind.POSITIONAL_ONLY
            annotation = self.param_annotation(type_, form, called.unpack_kwargs)
            params.append(
                StaticParam(
                    name=name,
                    kind=form,
                    required=required,
                    annotation=annotation,
                    generic=has_type_vars(type_),
                    keys=self._keys(type_) if called.unpack_kwargs else (),
                )
            )
        return params

    def _keys(self, type_: Type) -> tuple[StaticKey, ...]:
        """List the keys that `**kwargs: Unpack[...]` declares; other parameters have none."""
        declared = get_proper_type(type_)
        if not isinstance(declared, TypedDictType):
            return ()
        return tuple(
            StaticKey(name=name, required=name in declared.required_keys, annotation=self._known(t))
            for name, t in declared.items.items()
        )

    def _known(self, type_: Type) -> Expression:
        """Restate a type that the output may omit."""
        try:
            return self.annotation(type_)
        except Unprintable:
            return Expression.of(Ref("typing", "Any"))

    def param_annotation(self, type_: Type, form: Kind, unpack: bool) -> Expression:
        """Restate one parameter's annotation; `**kwargs: Unpack[...]` keeps its form."""
        inner = self.annotation(type_)
        if form is Kind.VAR_KEYWORD and unpack:
            return Expression.of(Ref("typing", "Unpack"), "[", inner, "]")
        return inner

    # ------------------------------------------------------------ types

    def annotation(self, type_: Type) -> Expression:
        """Restate one type, keeping the author's aliases."""
        if isinstance(type_, TypeAliasType):
            return self._alias(type_)
        return self._print(get_proper_type(type_))

    @singledispatchmethod
    def _print(self, type_: ProperType) -> Expression:
        """Refuse a kind of type that cannot be written in source, or is unknown here."""
        self.met_unknown |= isinstance(type_, UnboundType)
        raise Unprintable(f"mypy's {type(type_).__name__} has no spelling in source")

    def is_client(self, type_: Type) -> bool:
        """Return whether a value, or what a coroutine gives, may be a client."""
        return any(map(self._names.is_target, returned_classes(type_)))

    def class_ref(self, type_: ProperType) -> Ref | None:
        """Find where the class of an instance is imported from, whatever its type arguments."""
        if not isinstance(type_, Instance):
            return None
        return self._names.ref(type_.type.fullname)

    def _alias(self, type_: TypeAliasType) -> Expression:
        """The alias by its name; what it stands for where the name is local, would be Any, or is no alias for pyright."""
        alias = type_.alias
        if alias is None:
            raise Unprintable("an alias could not be resolved")
        self._note_unknown(get_proper_type(type_))
        if "@" in alias.name or alias.fullname.count(".") == 0:
            return self.annotation(get_proper_type(type_))
        names = self._names
        spelled_out = names.is_any_elsewhere(alias.fullname) or names.is_variable_for_some(
            alias.fullname
        )
        if spelled_out and not type_.is_recursive:
            return self.annotation(get_proper_type(type_))
        ref = self._names.ref(alias.fullname)
        return self._applied(ref, type_.args)

    def _applied(self, ref: Ref, args: list[Type] | tuple[Type, ...]) -> Expression:
        if not args:
            return Expression.of(ref)
        inner = Expression.join(", ", [self.annotation(arg) for arg in args])
        return Expression.of(ref, "[", inner, "]")

    @_print.register
    def _print_instance(self, type_: Instance) -> Expression:
        """`Class[args]`, where the class can be imported."""
        fullname = type_.type.fullname
        if "@" in fullname:
            raise Unprintable(f"{type_.type.name} is local to a function")
        if type_.type.is_intersection:
            raise Unprintable(f"{type_.type.name} exists only in the type checker")
        ref = MOVED.get(fullname) or self._names.ref(fullname)
        args = list(type_.args)
        if fullname == "builtins.tuple":
            return Expression.of(ref, "[", self.annotation(args[0]), ", ...]")
        if fullname == "typing.Coroutine":
            # For a coroutine function mypy puts in for the first two a kind of Any that stands for much else.
            known = self.met_unknown
            open_to_all = [self.annotation(arg) for arg in args[:2]]
            self.met_unknown = known
            inner = Expression.join(", ", [*open_to_all, self.annotation(args[2])])
            return Expression.of(ref, "[", inner, "]")
        return self._applied(ref, args)

    @_print.register
    def _print_any_type(self, type_: AnyType) -> Expression:
        """`Any`."""
        self._note_unknown(type_)
        return Expression.of(ANY)

    def _note_unknown(self, type_: ProperType) -> None:
        if isinstance(type_, AnyType) and (type_.source_any or type_).type_of_any in UNKNOWN:
            self.met_unknown = True

    @_print.register
    def _print_none_type(self, type_: NoneType) -> Expression:
        """`None`."""
        return Expression.of("None")

    @_print.register
    def _print_uninhabited_type(self, type_: UninhabitedType) -> Expression:
        """`Never`."""
        return Expression.of(Ref("typing", "Never"))

    @_print.register
    def _print_union_type(self, type_: UnionType) -> Expression:
        """`A | B`; literals that follow each other share one `Literal[...]`, as in the client's own text."""
        written: list[Expression] = []
        for kind, items in groupby(type_.items, type):
            if kind is LiteralType:
                written.append(self._literals(cast("Iterable[LiteralType]", items)))
            else:
                written += [self.annotation(item) for item in items]
        return Expression.join(" | ", written)

    @_print.register
    def _print_tuple_type(self, type_: TupleType) -> Expression:
        """`tuple[A, B]`, or the name of a named tuple."""
        fallback = type_.partial_fallback
        if fallback.type.fullname != "builtins.tuple":
            return self._applied(self._names.ref(fallback.type.fullname), fallback.args)
        if not type_.items:
            return Expression.of(Ref("builtins", "tuple"), "[()]")
        inner = Expression.join(", ", [self.annotation(item) for item in type_.items])
        return Expression.of(Ref("builtins", "tuple"), "[", inner, "]")

    @_print.register
    def _print_typed_dict_type(self, type_: TypedDictType) -> Expression:
        """The name of a TypedDict."""
        fallback = type_.fallback.type
        if fallback.fullname in ("typing._TypedDict", "typing_extensions._TypedDict"):
            raise Unprintable("an anonymous TypedDict has no name")
        return Expression.of(self._names.ref(fallback.fullname))

    @_print.register
    def _print_literal_type(self, type_: LiteralType) -> Expression:
        """`Literal[value]`."""
        return self._literals([type_])

    def _literals(self, types: Iterable[LiteralType]) -> Expression:
        values = Expression.join(", ", [self._literal_value(each) for each in types])
        return Expression.of(Ref("typing", "Literal"), "[", values, "]")

    def _literal_value(self, type_: LiteralType) -> Expression:
        fallback = type_.fallback
        if type_.is_enum_literal():
            return Expression.of(self._names.ref(fallback.type.fullname), f".{type_.value}")
        if fallback.type.fullname == "builtins.bytes":
            return Expression.of(bytes_literal(str(type_.value)))
        return Expression.of(repr(type_.value))

    @_print.register
    def _print_type_type(self, type_: TypeType) -> Expression:
        """`type[A]`."""
        if type_.is_type_form:
            raise Unprintable("it takes any type expression (TypeForm)")
        return Expression.of(Ref("builtins", "type"), "[", self.annotation(type_.item), "]")

    @_print.register
    def _print_type_var_type(self, type_: TypeVarType) -> Expression:
        """The name of a type variable."""
        if type_.name == "Self":
            raise Unprintable("it is typed by Self")
        return Expression.of(self._variable(type_))

    def _variable(self, type_: TypeVarLikeType) -> Ref:
        """Find a type variable where the client's module has it; else the output declares one."""
        if type_.fullname in self._stand_ins:
            known = self._stand_ins[type_.fullname]
            if known is None:
                raise Unprintable(f"the client's type parameter {type_.name} has no spelling")
            return known
        if self._names.has_variable(type_):
            return self._names.ref(type_.fullname)
        return self.own_variable(type_)

    def own_variable(self, type_: TypeVarLikeType) -> OwnVariable:
        """Declare a type variable like one that cannot be imported; its types are in quotes there."""
        arguments: list[str | Expression] = []
        if isinstance(type_, TypeVarType):
            arguments += [part for value in type_.values for part in (", ", self._quoted(value))]
            bound = get_proper_type(type_.upper_bound)
            if not (isinstance(bound, Instance) and bound.type.fullname == "builtins.object"):
                arguments += [", bound=", self._quoted(bound)] if not type_.values else []
        if type_.has_default():
            arguments += [", default=", self._default(type_.default)]
        # Older Pythons have no defaults; a client that uses them there imports them from this package.
        newer = type_.has_default() and self._version < (3, 13)
        kind = Ref("typing_extensions" if newer else "typing", VARIABLES[type(type_)])
        return OwnVariable("", type_.name, kind, Expression.of(*arguments))

    def _quoted(self, type_: Type) -> Expression:
        """Write a type as a text, so that its names need not be imported when the module runs."""
        written = self.annotation(type_)
        if any(sign in written.plain for sign in '"\\'):
            raise Unprintable("the bound of its type variable has no spelling in quotes")
        return Expression.of('"', written, '"')

    def _default(self, type_: Type) -> Expression:
        """Write the default of a type variable: that of a ParamSpec or TypeVarTuple cannot be in quotes."""
        if isinstance(type_, TupleType):
            return Expression.of(UNPACK, "[", self.annotation(type_), "]").running()
        if isinstance(type_, (Parameters, UnpackType)):
            return self.annotation(type_).running()
        return self._quoted(type_)

    @_print.register
    def _print_param_spec_type(self, type_: ParamSpecType) -> Expression:
        """The name of a ParamSpec, or its `.args` and `.kwargs`."""
        suffix = {0: "", 1: ".args", 2: ".kwargs"}[type_.flavor]
        if type_.prefix.arg_types:
            raise Unprintable("a ParamSpec with a prefix has no spelling here")
        return Expression.of(self._variable(type_), suffix)

    @_print.register
    def _print_parameters(self, type_: Parameters) -> Expression:
        """What stands for a ParamSpec: `[int, str]`, as long as the parameters have no names."""
        if takes_anything(type_):
            return Expression.of("...")
        if any(kind != ARG_POS for kind in type_.arg_kinds) or any(type_.arg_names):
            raise Unprintable("parameters with names have no spelling as type arguments")
        inner = Expression.join(", ", [self.annotation(arg) for arg in type_.arg_types])
        return Expression.of("[", inner, "]")

    @_print.register
    def _print_type_var_tuple_type(self, type_: TypeVarTupleType) -> Expression:
        """The name of a TypeVarTuple."""
        return Expression.of(self._variable(type_))

    @_print.register
    def _print_unpack_type(self, type_: UnpackType) -> Expression:
        """`Unpack[A]`."""
        return Expression.of(UNPACK, "[", self.annotation(type_.type), "]")

    @_print.register
    def _print_overloaded(self, type_: Overloaded) -> Expression:
        """Refuse: several signatures at once cannot be written."""
        raise Unprintable("an overloaded callable as a value has no spelling")

    @_print.register
    def _print_callable_type(self, type_: CallableType) -> Expression:
        """`Callable[[A], B]`, or `type[A]` for a class."""
        if type_.type_guard is not None or type_.type_is is not None:
            raise Unprintable("it takes a function that narrows its argument (TypeGuard)")
        if type_.is_type_obj():
            return Expression.of(Ref("builtins", "type"), "[", self.annotation(type_.ret_type), "]")
        called = Ref("collections.abc", "Callable")
        if type_.is_ellipsis_args:
            return Expression.of(called, "[..., ", self.annotation(type_.ret_type), "]")
        if any(kind != ARG_POS for kind in type_.arg_kinds):
            return self._callable_with_spec(type_)
        inner = Expression.join(", ", [self.annotation(arg) for arg in type_.arg_types])
        return Expression.of(called, "[[", inner, "], ", self.annotation(type_.ret_type), "]")

    def _callable_with_spec(self, type_: CallableType) -> Expression:
        """`Callable[P, B]` or `Callable[Concatenate[A, P], B]`."""
        spec = type_.param_spec()
        if spec is None or any(kind != ARG_POS for kind in type_.arg_kinds[:-2]):
            raise Unprintable("a callable with optional or keyword arguments has no spelling")
        before = [self.annotation(arg) for arg in type_.arg_types[:-2]]
        params = Expression.of(self._variable(spec))
        if before:
            inner = Expression.join(", ", [*before, params])
            params = Expression.of(Ref("typing", "Concatenate"), "[", inner, "]")
        called = Ref("collections.abc", "Callable")
        return Expression.of(called, "[", params, ", ", self.annotation(type_.ret_type), "]")


def takes_anything(type_: Parameters) -> bool:
    """Return whether what stands for a ParamSpec is `...`, a fact that mypy's cache does not keep."""
    either = list(type_.arg_kinds) == [ARG_STAR, ARG_STAR2]
    return type_.is_ellipsis_args or (
        either and all(isinstance(get_proper_type(arg), AnyType) for arg in type_.arg_types)
    )


def bytes_literal(escaped: str) -> str:
    """Write a literal of bytes from the value that mypy keeps, which is escaped already."""
    quote = "'" if '"' in escaped else '"'
    return repr(ast.literal_eval(f"b{quote}{escaped}{quote}"))
