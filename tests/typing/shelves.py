"""Clients of a user's with what is hard to type: type parameters, overloads, streams, context managers."""

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Generic, Literal, TypeVar, overload

T = TypeVar("T")


class Shelf(Generic[T]):
    """Things by key, asked for by threads."""

    def __init__(self, things: dict[str, T]) -> None:
        self._things = things

    @overload
    def find(self, key: str) -> T | None: ...
    @overload
    def find(self, key: str, *, required: Literal[True]) -> T: ...
    def find(self, key: str, *, required: bool = False) -> T | None:
        """Return a thing, or None for none unless there has to be one."""
        return self._things[key] if required else self._things.get(key)

    def put(self, key: str, thing: T) -> None:
        """Keep a thing."""
        self._things[key] = thing

    def keys(self, *, prefix: str = "") -> Iterator[str]:
        """Yield the keys that begin so."""
        yield from (key for key in self._things if key.startswith(prefix))

    @contextmanager
    def borrow(self, key: str) -> Generator[T, None, None]:
        """Take a thing, and put it back in the end."""
        thing = self._things.pop(key)
        yield thing
        self._things[key] = thing

    @property
    def size(self) -> int:
        """How many things there are."""
        return len(self._things)


class AsyncShelf(Generic[T]):
    """Things by key, asked for by tasks."""

    def __init__(self, things: dict[str, T]) -> None:
        self._things = things

    @overload
    async def find(self, key: str) -> T | None: ...
    @overload
    async def find(self, key: str, *, required: Literal[True]) -> T: ...
    async def find(self, key: str, *, required: bool = False) -> T | None:
        """Return a thing, or None for none unless there has to be one."""
        return self._things[key] if required else self._things.get(key)

    async def put(self, key: str, thing: T) -> None:
        """Keep a thing."""
        self._things[key] = thing

    async def keys(self, *, prefix: str = "") -> AsyncIterator[str]:
        """Yield the keys that begin so."""
        for key in self._things:
            if key.startswith(prefix):
                yield key

    @asynccontextmanager
    async def borrow(self, key: str) -> AsyncGenerator[T, None]:
        """Take a thing, and put it back in the end."""
        thing = self._things.pop(key)
        yield thing
        self._things[key] = thing
