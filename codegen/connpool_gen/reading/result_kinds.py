"""Determines from mypy's types what a call returns, which decides how long its lease lasts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mypy.nodes import Decorator, FuncBase, Var
from mypy.types import (
    AnyType,
    CallableType,
    FunctionLike,
    Instance,
    NoneType,
    Overloaded,
    ProperType,
    TupleType,
    Type,
    TypeAliasType,
    TypeOfAny,
    TypeType,
    UninhabitedType,
    UnionType,
    get_proper_type,
)

from connpool_gen.reading.facts import ResultKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mypy.nodes import TypeInfo

KIND_OF_CLASS = {
    "typing.Coroutine": ResultKind.COROUTINE,
    "_asyncio.Future": ResultKind.TASK,
    "_asyncio.Task": ResultKind.TASK,
    "asyncio.futures.Future": ResultKind.TASK,
    "asyncio.tasks.Task": ResultKind.TASK,
    "typing.Iterable": ResultKind.ITERATOR,
    "typing.AsyncIterable": ResultKind.ASYNC_ITERATOR,
    "typing.Awaitable": ResultKind.AWAITABLE,
    "typing.Iterator": ResultKind.ITERATOR,
    "typing.Generator": ResultKind.ITERATOR,
    "typing.AsyncIterator": ResultKind.ASYNC_ITERATOR,
    "typing.AsyncGenerator": ResultKind.ASYNC_ITERATOR,
    "contextlib._GeneratorContextManager": ResultKind.CONTEXT,
    "contextlib._AsyncGeneratorContextManager": ResultKind.ASYNC_CONTEXT,
    "typing.AbstractContextManager": ResultKind.CONTEXT,
    "typing.AbstractAsyncContextManager": ResultKind.ASYNC_CONTEXT,
    "contextlib.AbstractContextManager": ResultKind.CONTEXT,
    "contextlib.AbstractAsyncContextManager": ResultKind.ASYNC_CONTEXT,
}
PLAINLY_AWAITED = ("typing.Coroutine", "typing.Awaitable")
# Kinds of results that are of no use but to be awaited, or else entered or iterated.
TO_BE_AWAITED = (ResultKind.AWAITABLE, ResultKind.TASK, ResultKind.PENDING)

# The same test by which the runtime distinguishes a stream from a value.
OF_STREAMS = ("__next__", "__anext__", "__exit__", "__aexit__")
# A response that is read and closed is no reader: httpx has read most of its responses before it returns them.
OF_CLOSING = ("close", "aclose")
OF_READING = ("fetch", "fetchone", "fetchmany", "fetchall", "recv", "next")
OF_TRANSACTIONS = ("commit", "rollback")


def lives_on_a_connection(type_: Type) -> bool:
    """Return whether a result lives on a connection: a cursor, a pipeline, a subscription, a transaction."""
    proper = awaited(type_)
    if isinstance(proper, UnionType):
        items = [item for item in proper.items if not isinstance(get_proper_type(item), NoneType)]
        return all(lives_on_a_connection(item) for item in items)
    return isinstance(proper, Instance) and (is_left(proper) or is_ended(proper))


def is_left(type_: Instance) -> bool:
    """Return whether a result is a context manager."""
    return any(type_.type.has_readable_member(name) for name in ("__exit__", "__aexit__"))


def is_ended(type_: Instance) -> bool:
    """Return whether a result has methods of something that its user has to end: a transaction, or a reader."""

    def has(names: Sequence[str]) -> list[bool]:
        return [is_called(type_.type, name) for name in names]

    return all(has(OF_TRANSACTIONS)) or (any(has(OF_CLOSING)) and any(has(OF_READING)))


def is_called(info: TypeInfo, name: str) -> bool:
    """Return whether a name of a class is a method, perhaps under a second name (`next = __next__`), that does not only refuse."""
    symbol = info.get(name)
    node = symbol.node if symbol is not None else None
    if isinstance(node, Decorator):
        return not node.func.is_property
    if isinstance(node, Var) and not isinstance(get_proper_type(node.type), FunctionLike):
        return False
    return isinstance(node, (FuncBase, Var)) and not is_refusal(node.type)


def is_refusal(called: Type | None) -> bool:
    """Return whether it is the type of a method that never returns, like the `__next__` of pymongo's `Database`."""
    proper = get_proper_type(called)
    items = proper.items if isinstance(proper, FunctionLike) else []
    results = [get_proper_type(item.ret_type) for item in items]
    return bool(results) and all(isinstance(result, UninhabitedType) for result in results)


def may_stream(type_: Type) -> bool:
    """Return whether a result, awaited if it is a coroutine, is an iterator or lives on a connection in some cases."""
    proper = awaited(type_)
    items = proper.items if isinstance(proper, UnionType) else [proper]
    found = [get_proper_type(item) for item in items]
    return any(
        is_ended(item) or any(has_working(item.type, name) for name in OF_STREAMS)
        for item in found
        if isinstance(item, Instance)
    )


def has_working(info: TypeInfo, name: str) -> bool:
    """Return whether a class has a special method that does not only refuse."""
    method = info.get_method(name)
    refuses = method is not None and is_refusal(method.type)
    return info.has_readable_member(name) and not refuses


def awaited(type_: Type) -> ProperType:
    """Return the result of a coroutine, or the type itself."""
    proper = get_proper_type(type_)
    if isinstance(proper, Instance) and proper.type.fullname in PLAINLY_AWAITED:
        return get_proper_type(proper.args[-1])
    return proper


def given(type_: Type) -> ProperType:
    """Return what a call gives in the end: the result of whatever is there to be awaited, or the type itself."""
    proper = get_proper_type(type_)
    if not isinstance(proper, Instance) or result_kind(proper) not in TO_BE_AWAITED:
        return awaited(proper)
    waiting = proper.type.get_method("__await__")
    called = get_proper_type(waiting.type) if waiting is not None else None
    if waiting is None or not isinstance(called, CallableType):
        return proper
    # mypy can import them only after its types.
    from mypy.expandtype import expand_type_by_instance
    from mypy.maptype import map_instance_to_supertype

    own = map_instance_to_supertype(proper, waiting.info)
    steps = get_proper_type(expand_type_by_instance(called.ret_type, own))
    if isinstance(steps, Instance) and steps.type.fullname == "typing.Generator":
        return get_proper_type(steps.args[2])
    return proper


def returned_classes(type_: Type) -> list[str]:
    """Name the possible classes of a result, awaited if it is a coroutine."""
    proper = awaited(type_)
    items = proper.items if isinstance(proper, UnionType) else [proper]
    found = [get_proper_type(item) for item in items]
    return [item.type.fullname for item in found if isinstance(item, Instance)]


def is_partly_untyped(called: CallableType) -> bool:
    """Return whether some part of a signature has no annotation, so that strict checkers reject a call."""
    return any(
        isinstance(part, AnyType) and part.type_of_any in UNKNOWN
        for part in parts_of(called, set())
    )


# An Any that was not written: a missing annotation or missing type arguments.
UNKNOWN = (
    TypeOfAny.unannotated,
    TypeOfAny.from_omitted_generics,
    TypeOfAny.from_unimported_type,
    TypeOfAny.from_error,
)


def parts_of(type_: Type, seen: set[str]) -> Iterator[ProperType]:
    """Yield a type and everything inside it; `seen` holds aliases, so that recursive ones end."""
    if isinstance(type_, TypeAliasType) and type_.alias is not None:
        if type_.alias.fullname in seen:
            return
        seen.add(type_.alias.fullname)
    proper = get_proper_type(type_)
    yield proper
    for inner in inner_types(proper):
        yield from parts_of(inner, seen)


def inner_types(type_: ProperType) -> Sequence[Type]:
    """List the types inside a type."""
    if isinstance(type_, Instance):
        return type_.args
    if isinstance(type_, CallableType):
        return [*type_.arg_types, type_.ret_type]
    if isinstance(type_, (UnionType, TupleType, Overloaded)):
        return type_.items
    return [type_.item] if isinstance(type_, TypeType) else []


def deprecated(called: CallableType) -> str | None:
    """Return what checkers report about a direct call of something deprecated."""
    return deprecation_of(called.definition)


def deprecation_of(node: object) -> str | None:
    """Return what checkers report about a deprecated function, in the client's own words."""
    # Read from source, the definition is the decorator; read from the cache, the function below it.
    node = node.func if isinstance(node, Decorator) else node
    said: str | None = getattr(node, "deprecated", None)
    # mypy puts "function m.Client.get is deprecated: " before it.
    return said.partition(" is deprecated: ")[2] if said is not None else None


def result_kind(type_: Type) -> ResultKind:
    """Return the kind of a call's result, from its type."""
    proper = get_proper_type(type_)
    if isinstance(proper, AnyType):
        return ResultKind.ANY
    if isinstance(proper, UnionType):
        inner = {result_kind(item) for item in proper.items}
        awaited_perhaps = {ResultKind.COROUTINE, ResultKind.AWAITABLE, ResultKind.ANY}
        return ResultKind.MAYBE_AWAITABLE if inner & awaited_perhaps else ResultKind.VALUE
    if not isinstance(proper, Instance):
        return ResultKind.VALUE
    return instance_kind(proper)


def instance_kind(type_: Instance) -> ResultKind:
    """Return the kind of an instance, from its class's name or methods."""
    name = type_.type.fullname
    if name in KIND_OF_CLASS:
        return KIND_OF_CLASS[name]
    if not type_.type.has_readable_member("__await__"):
        return ResultKind.VALUE
    if has_own_members(type_):  # it must stay what it is
        return ResultKind.VALUE if is_left(type_) else ResultKind.MAYBE_AWAITABLE
    others = ("__aenter__", "__aiter__")
    either = any(type_.type.has_readable_member(name) for name in others)
    return ResultKind.PENDING if either else ResultKind.AWAITABLE


def has_own_members(type_: Instance) -> bool:
    """Return whether a result has methods beside those of await, `async with` and `async for`."""
    names = {n for base in type_.type.mro[:-1] for n in base.names if not n.startswith("_")}
    plumbing = {"send", "throw", "close"}
    return any(n not in plumbing and not n.startswith(("cr_", "gi_")) for n in names)
