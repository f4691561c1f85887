"""The name table of a registry: which resource has which name, and which is still being created. Pure."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, cast

from connpool_runtime._concurrency.single_flight import Attempt, AttemptState
from connpool_runtime.errors import AlreadyExists, NotFound, PoolClosed

__all__ = ["NameEntry", "NameTable"]

T = TypeVar("T")


class NameEntry(Attempt, Generic[T]):
    """One name, and the attempt to create its resource. Guarded by the owner's lock.

    Arguments:
        name: the name.
        identity: the identity of its config; None if it was not given.
        gate: where callers wait while it is being created; None if it was created elsewhere.
    """

    __slots__ = ("identity", "name", "value")

    def __init__(self, name: str, identity: object, gate: Any) -> None:
        super().__init__(gate)
        self.name = name
        self.identity = identity
        self.value: T | None = None


class NameTable(Generic[T]):
    """Entries by name. Guarded by the owner's lock.

    Arguments:
        owner: what errors call the owner.
    """

    def __init__(self, owner: str) -> None:
        self.closed = False
        self._owner = owner
        self._entries: dict[str, NameEntry[T]] = {}

    def claim(self, own: NameEntry[T]) -> NameEntry[T]:
        """Return the entry of a name; a new one for the caller to fill if the name was free.

        Raises:
            PoolClosed: there are no names any more.
        """
        self.refuse_if_closed()
        return self._entries.setdefault(own.name, own)

    def ready(self, entry: NameEntry[T], value: T) -> None:
        """Fill an entry.

        Raises:
            PoolClosed: too late; the value is its maker's to close.
        """
        self.refuse_if_closed()
        entry.value = value
        # again, because `after_fork` removes it in a child process that the factory itself forked
        self._entries.setdefault(entry.name, entry)
        entry.succeed()

    def failed(self, entry: NameEntry[T], error: BaseException | None) -> None:
        """Remove the name of a resource that could not be created; see `Attempt.fail` for the error.

        Does nothing if making it has ended already.
        """
        if entry.state is AttemptState.RUNNING:
            if self._entries.get(entry.name) is entry:
                del self._entries[entry.name]
            entry.fail(error)

    def after_fork(self) -> None:
        """Remove, in a child process, names whose resources were being created: only the parent creates them."""
        self._entries = {
            name: entry
            for name, entry in self._entries.items()
            if entry.state is not AttemptState.RUNNING
        }

    def add(self, name: str, value: T, identity: object) -> None:
        """Give a name to a resource that was created elsewhere.

        Raises:
            AlreadyExists: it is taken, or a resource of this name is being created.
            PoolClosed: there are no names any more.
        """
        self.refuse_if_closed()
        if name in self._entries:
            raise AlreadyExists(f"{self._owner!r} already has {name!r}", pool=self._owner)
        entry: NameEntry[T] = NameEntry(name, identity, None)
        entry.value, entry.state = value, AttemptState.DONE
        self._entries[name] = entry

    def find(self, name: str) -> NameEntry[T]:
        """Return the filled entry of a name.

        Raises:
            NotFound: there is none.
            PoolClosed: there are no names any more.
        """
        self.refuse_if_closed()
        entry = self._entries.get(name)
        if entry is None or entry.state is not AttemptState.DONE:
            known = ", ".join(map(repr, self.names())) or "nothing"
            raise NotFound(f"{self._owner!r} has no {name!r}; it has {known}", pool=self._owner)
        return entry

    def exchange(self, name: str, value: T) -> T:
        """Give a name to another resource, and return the old one, for the caller to close.

        Raises:
            NotFound: nothing has it.
            PoolClosed: there are no names any more; the value is the caller's to close.
        """
        before = self.find(name)
        entry: NameEntry[T] = NameEntry(name, before.identity, None)
        entry.value, entry.state = value, AttemptState.DONE
        self._entries[name] = entry
        return cast("T", before.value)

    def remove(self, name: str) -> NameEntry[T]:
        """Remove a name, and return its resource, for the caller to close.

        Raises:
            NotFound: there is none.
            PoolClosed: there are no names any more.
        """
        entry = self.find(name)
        del self._entries[name]
        return entry

    def filled(self) -> list[NameEntry[T]]:
        """Return the filled entries, sorted by name."""
        found = [entry for entry in self._entries.values() if entry.state is AttemptState.DONE]
        return sorted(found, key=lambda entry: entry.name)

    def names(self) -> list[str]:
        """Return the names, sorted."""
        return [entry.name for entry in self.filled()]

    def close(self) -> list[NameEntry[T]]:
        """Refuse everything from now on; return the resources for the caller to close."""
        self.closed = True
        left = self.filled()
        for entry in left:
            del self._entries[entry.name]
        return left

    def refuse_if_closed(self) -> None:
        """Raise `PoolClosed` if the table is closed."""
        if self.closed:
            raise PoolClosed(f"{self._owner!r} is closed", pool=self._owner)
