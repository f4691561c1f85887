"""Typing helpers of generated modules."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, overload

__all__ = ["Inherited", "Unknown", "inherited"]

T = TypeVar("T")


class Inherited(Generic[T]):
    """A member whose type is taken from the client, because no signature in source can restate it.

    Exists for type checkers: reading it through an instance gives `T`, unbound and unchanged.
    """

    @overload
    def __get__(self, instance: None, owner: type) -> Inherited[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object, owner: type) -> T | Inherited[T]:
        """Never called: only type checkers see the line that makes an `Inherited`."""
        raise TypeError("connpool_runtime.typing.inherited is for type checkers only")


def inherited(member: T) -> Inherited[T]:
    """Declare, under `if TYPE_CHECKING:`, that a member has the type of the client's member."""
    raise TypeError(f"inherited({member!r}) is for type checkers only")


class _AnythingOfIt(type):
    def __getitem__(cls, item: object) -> Any:
        return Any

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Any


class Unknown(metaclass=_AnythingOfIt):
    """Stands at run time for a type that exists only for type checkers.

    `Unknown[int]` and `Unknown.Inner` are `Any`, so that annotations with such a type can be evaluated.
    """
