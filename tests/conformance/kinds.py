"""What kind of thing a call of each method gives, from the client alone."""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import re
from collections.abc import Iterator
from enum import Enum
from typing import Any, get_args


class Kind(Enum):
    """The kinds of results that a lease follows in different ways."""

    VALUE = "value"
    NEVER = "error"
    BOUND = "value that lives on its connection"
    AWAITED_BOUND = "coroutine of a value that lives on its connection"
    CLIENT = "the client itself"
    AWAITED_CLIENT = "coroutine of the client itself"
    COROUTINE = "coroutine"
    AWAITABLE = "awaitable"
    AWAITABLE_BOUND = "awaitable of a value that lives on its connection"
    MAYBE = "value or awaitable"
    GENERATOR = "generator"
    RETURNING_GENERATOR = "generator whose return value counts"
    ITERATOR = "iterator"
    ASYNC_GENERATOR = "async generator"
    ASYNC_ITERATOR = "async iterator"
    CONTEXT = "context manager"
    ASYNC_CONTEXT = "async context manager"
    AWAITED_OR_ENTERED = "awaitable and async context manager"
    BOUND_OR_ENTERED = "the same, and what it gives when awaited lives on its connection"
    AWAITED_OR_ITERATED = "awaitable and async iterator"
    ANYTHING = "unknown"


BY_NAME = {
    "typing.Coroutine": Kind.COROUTINE,
    "typing.Awaitable": Kind.AWAITABLE,
    "typing.Generator": Kind.ITERATOR,
    "typing.Iterator": Kind.ITERATOR,
    "typing.AsyncGenerator": Kind.ASYNC_ITERATOR,
    "typing.AsyncIterator": Kind.ASYNC_ITERATOR,
    "contextlib._GeneratorContextManager": Kind.CONTEXT,
    "contextlib._AsyncGeneratorContextManager": Kind.ASYNC_CONTEXT,
    "contextlib.AbstractContextManager": Kind.CONTEXT,
    "contextlib.AbstractAsyncContextManager": Kind.ASYNC_CONTEXT,
    "typing.ContextManager": Kind.CONTEXT,
    "typing.AsyncContextManager": Kind.ASYNC_CONTEXT,
}
AWAITED = {Kind.BOUND: Kind.AWAITED_BOUND, Kind.CLIENT: Kind.AWAITED_CLIENT}
GIVING_BOUND = {
    Kind.AWAITABLE: Kind.AWAITABLE_BOUND,
    Kind.AWAITED_OR_ENTERED: Kind.BOUND_OR_ENTERED,
}
READ_BY = ("fetch", "fetchone", "fetchmany", "fetchall", "recv", "next")
COROUTINES = {Kind.COROUTINE, Kind.AWAITED_BOUND, Kind.AWAITED_CLIENT}
RETURNS_NOTHING = re.compile(r"-> typing\.(Iterator\[|Generator\[.*, None\]$)")
COROUTINE_NAMES = {"close", "send", "throw"}


def kind_of(cls: type, name: str, revealed: str, *, of_part: bool) -> Kind:
    """The running function tells what it can; for the rest there is what mypy revealed.

    A part of a client that returns another object of its own class returns no client.
    """
    client = None if of_part else cls
    function = inspect.getattr_static(cls, name)
    function = getattr(function, "__func__", function)
    found = running_kind(function)
    results = set(results_in(revealed))
    kinds = {kind_of_result(result, client) for result in results - {"None"} or results}
    if found is Kind.GENERATOR and not RETURNS_NOTHING.search(revealed):
        return Kind.RETURNING_GENERATOR
    if found not in (None, Kind.COROUTINE):
        return found
    if len(kinds) == 1:
        return kinds.pop()
    if kinds and kinds <= COROUTINES:
        return Kind.COROUTINE
    if kinds & {Kind.COROUTINE, Kind.AWAITABLE}:
        return Kind.MAYBE
    if found or inspect.iscoroutinefunction(inspect.unwrap(function)):
        return Kind.COROUTINE
    return Kind.VALUE if kinds else Kind.ANYTHING


def running_kind(function: object) -> Kind | None:
    """The kind of a function that needs no types to be known."""
    code = getattr(function, "__code__", None)
    if code is not None and code.co_filename == contextlib.__file__:
        inner = inspect.unwrap(function)  # type: ignore[arg-type]  # it has code, so it is a function
        return Kind.ASYNC_CONTEXT if inspect.isasyncgenfunction(inner) else Kind.CONTEXT
    if inspect.iscoroutinefunction(function):
        return Kind.COROUTINE
    if inspect.isasyncgenfunction(function):
        return Kind.ASYNC_GENERATOR
    if inspect.isgeneratorfunction(function):
        return Kind.GENERATOR
    return None


def results_in(revealed: str) -> list[str]:
    """The result types of all signatures in what mypy revealed."""
    found: list[str] = []
    for place in signature_starts(revealed):
        end = closing(revealed, place)
        result = revealed[end + 1 : result_end(revealed, end + 1)].removeprefix(" -> ")
        found += [part.strip() for part in split_union(result)]
    return found


def signature_starts(revealed: str) -> Iterator[int]:
    """Where the parameters of the signature begin, or of each one of an overload."""
    if revealed.startswith("Overload("):
        begins = [len("Overload("), *(m.end(1) for m in re.finditer(r"(, )def ", revealed))]
    else:
        begins = [0]
    depth = depths(revealed)
    for begin in begins:
        if revealed.startswith("def ", begin) and depth[begin] == depth[begins[0]]:
            at = begin + len("def ")
            yield closing(revealed, at) + 2 if revealed[at] == "[" else at


def depths(text: str) -> list[int]:
    """How many brackets are open before each character; the `>` of an arrow closes nothing."""
    found, depth = [], 0
    for char in text:
        found.append(depth)
        depth += (char in "([{") - (char in ")]}")
    return [*found, depth]


def closing(text: str, opening: int) -> int:
    """Where the bracket at a place is closed."""
    depth = depths(text[opening:])
    return opening + next(i for i in range(1, len(depth)) if depth[i] == 0) - 1


def result_end(text: str, start: int) -> int:
    """Where a result type ends: at the next overload, or the end of all."""
    depth = depths(text[start:])
    for place in range(start, len(text)):
        if depth[place - start] < 0 or (depth[place - start] == 0 and text[place] in ",)"):
            return place
    return len(text)


def split_union(text: str) -> list[str]:
    """`A | B[C | D]` -> `A`, `B[C | D]`."""
    parts, depth, current = [], 0, ""
    for char in text:
        depth += {"[": 1, "(": 1, "]": -1, ")": -1}.get(char, 0)
        if char == "|" and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += char
    return [*parts, current]


def kind_of_result(result: str, client: type | None) -> Kind:
    """The kind of what a call gives at once: pages to iterate later ask their client meanwhile."""
    found = kind_named(result, client)
    pages = hasattr(class_named(result.partition("[")[0]), "__anext__")
    return Kind.BOUND if found is Kind.VALUE and pages else found


def kind_named(result: str, client: type | None) -> Kind:
    """The kind of one result type, from its name or from what its class can do."""
    name, _, arguments = result.removesuffix("]").partition("[")
    if name in ("Never", "NoReturn"):
        return Kind.NEVER
    if name == "Any":
        return Kind.ANYTHING
    if name == "typing.Coroutine":
        return AWAITED.get(only_kind(arguments[len("Any, Any, ") :], client), Kind.COROUTINE)
    found = class_named(name)
    if found is not None and found is client:
        return Kind.CLIENT
    kind = BY_NAME.get(name) or kind_of_class(found)
    given = arguments or arguments_of_base(found)
    holds = kind in GIVING_BOUND and given and only_kind(given, client) is Kind.BOUND
    return GIVING_BOUND[kind] if holds else kind


def only_kind(types: str, client: type | None) -> Kind:
    """The kind of a union of result types if all are of one, but for None."""
    names = {name.strip() for name in split_union(types)}
    kinds = {kind_named(name, client) for name in names - {"None"} or names}
    return kinds.pop() if len(kinds) == 1 else Kind.VALUE


def arguments_of_base(found: type | None) -> str:
    """The type argument with which a class derives from a generic one: `File` of `class Opening(Pending[File])`."""
    bases = [get_args(base) for base in getattr(found, "__orig_bases__", ())]
    given = [one for arguments in bases for one in arguments if isinstance(one, type)]
    return f"{given[0].__module__}.{given[0].__qualname__}" if len(given) == 1 else ""


def kind_of_class(found: type | None) -> Kind:
    """The kind of an instance: whether it can be awaited, entered, iterated."""
    awaitable, entered = hasattr(found, "__await__"), hasattr(found, "__aexit__")
    public = {name for name in dir(found) if not name.startswith("_")}
    if awaitable and public <= COROUTINE_NAMES:
        if hasattr(found, "__aiter__"):
            return Kind.AWAITED_OR_ITERATED
        return Kind.AWAITED_OR_ENTERED if entered else Kind.AWAITABLE
    return Kind.BOUND if entered or hasattr(found, "__exit__") or is_ended(found) else Kind.VALUE


def is_ended(found: type | None) -> bool:
    """Whether its user has to end an object: by `commit` or `rollback`, or by closing it after reading."""

    def has(*names: str) -> bool:
        return any(callable(getattr(found, name, None)) for name in names)

    return (has("commit") and has("rollback")) or (has("close", "aclose") and has(*READ_BY))


@functools.cache
def class_named(name: str) -> type | None:
    """The class of a full name, if it can be imported."""
    module, _, attribute = name.rpartition(".")
    try:
        found: Any = getattr(importlib.import_module(module), attribute) if module else None
    except (ImportError, AttributeError):
        return None
    return found if isinstance(found, type) else None
