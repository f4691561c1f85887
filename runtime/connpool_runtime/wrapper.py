"""What generated wrappers need beside the pool: how they close it, explanations of missing names, deprecated members."""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    # Type checkers know this name from their own stubs. At run time the function below is used, because only
    # newer Pythons have the name and the runtime has no dependency that brings it.
    from typing_extensions import deprecated

    from connpool_runtime import AsyncPool, Pool

__all__ = ["Closer", "deprecated", "explain_missing"]

C = TypeVar("C")
R = TypeVar("R")
NOTHING: Mapping[str, str] = MappingProxyType({})


class Closer(Generic[C]):
    """Closes the members of a wrapper's pool, where the client's closing method takes arguments or gives an answer.

    The pool calls it with the client of each member that leaves; a member that was added with a way to be
    closed of its own is closed in that way.

    Arguments:
        close: closes a client; may be a coroutine function.
    """

    def __init__(self, close: Callable[[C], object]) -> None:
        self._close: Callable[[C], object] = close

    def __call__(self, client: C) -> object:
        """Close one client."""
        return self._close(client)

    def close(self, pool: Pool[C], close: Callable[[C], R]) -> list[R]:
        """Close a pool, its members from now on by `close`; return what that gave for those closed in time."""
        given: list[R] = []

        def closing(client: C) -> None:
            given.append(close(client))

        self._close = closing
        pool.close()
        return given.copy()

    async def aclose(self, pool: AsyncPool[C], close: Callable[[C], Awaitable[R]]) -> list[R]:
        """Do the same for a coroutine function."""
        given: list[R] = []

        async def closing(client: C) -> None:
            given.append(await close(client))

        self._close = closing
        await pool.aclose()
        return given.copy()


def explain_missing(
    wrapper: type[Any], pool: type[Any], absent: Mapping[str, str] = NOTHING
) -> None:
    """Make a wrapper class explain a missing name: it is on the pool, or it was left out, and why.

    Called once, below the class. `hasattr` is False for such names, and a type checker knows none of them.

    Arguments:
        wrapper: the generated class; its `__connpool__` names the attribute with the pool.
        pool: the class of that pool, whose public names are looked for on wrappers by mistake.
        absent: members of the client that the wrapper leaves out, and why.
    """
    if sys.version_info >= (3, 12):

        def refuse(self: object, name: str) -> Any:
            if hasattr(wrapper, name):  # a property of the wrapper raised this on a member
                text = f"{name!r} of a member raised AttributeError; lease a member to see where"
                raise AttributeError(text, name=name, obj=self)
            raise no_attribute(self, name, absent)

        wrapper.__getattr__ = refuse
        return
    # CPython 3.11 does not specialize attribute access on a class with `__getattr__`, and each call of a
    # wrapper reads its pool. So the class holds one descriptor for each name with an explanation.
    looked_for = {name for name in dir(pool) if not name.startswith("_")}
    for name in looked_for | set(absent):
        if not hasattr(wrapper, name) and name != wrapper.__connpool__:
            setattr(wrapper, name, Missing(name, absent))


class Missing:
    """A name that a wrapper class lacks: reading it raises an AttributeError with the explanation."""

    __slots__ = ("_absent", "_name")

    def __init__(self, name: str, absent: Mapping[str, str]) -> None:
        self._name = name
        self._absent = absent

    def __get__(self, wrapper: object | None, kind: type[Any]) -> Any:
        raise no_attribute(kind if wrapper is None else wrapper, self._name, self._absent)


def no_attribute(wrapper: object, name: str, absent: Mapping[str, str]) -> AttributeError:
    """Return the error for a name that a wrapper, or its class, lacks."""
    kind = wrapper if isinstance(wrapper, type) else type(wrapper)
    field: str = getattr(kind, "__connpool__", "")
    text = f"{kind.__name__} has no {name!r}"
    if name in absent:
        text += f": {absent[name]}"
    elif not name.startswith("_") and hasattr(vars(wrapper).get(field), name):
        text += f"; its pool does: .{field}.{name}"
    return AttributeError(text, name=name, obj=wrapper)


if not TYPE_CHECKING:

    def deprecated(
        message: str, /, *, category: type[Warning] | None = DeprecationWarning
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Mark a member as deprecated, as its client does: a call warns in the line that calls.

        Arguments:
            message: what the client says.
            category: the class of the warning; None where a call of the client's does not warn.
        """

        def mark(function: Callable[..., Any]) -> Callable[..., Any]:
            if category is None:
                function.__deprecated__ = message
                return function

            @functools.wraps(function)
            def warning(*args: Any, **kwargs: Any) -> Any:
                warnings.warn(message, category=category, stacklevel=2)
                return function(*args, **kwargs)

            warning.__deprecated__ = message
            import inspect  # see `_concurrency.introspection`

            if sys.version_info >= (3, 12) and inspect.iscoroutinefunction(function):
                return inspect.markcoroutinefunction(warning)
            return warning

        return mark
