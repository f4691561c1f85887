"""Helpers of generated modules that have to do with types."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, overload

__all__ = ["Inherited", "Unknown", "inherited"]

T = TypeVar("T")


class Inherited(Generic[T]):
    """A member whose type is taken from the client, because no signature in source restates it.

    Exists for type checkers: reading it through an instance gives `T`, unbound and unchanged.
    """

    @overload
    def __get__(self, instance: None, owner: type) -> Inherited[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object, owner: type) -> T | Inherited[T]:
        """Never called: the line that makes an `Inherited` is for type checkers only."""
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
    """Stands at run time for a type that only type checkers know.

    `Unknown[int]` and `Unknown.Inner` are `Any`, so that annotations with such a type can be evaluated.
    """
