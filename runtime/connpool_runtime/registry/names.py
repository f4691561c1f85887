"""The table of a registry: which resource has which name, and which is still being made. Decides only."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, cast

from connpool_runtime._concurrency.once import Attempt, AttemptState
from connpool_runtime.errors import AlreadyExists, NotFound, PoolClosed

__all__ = ["NameEntry", "NameTable"]

T = TypeVar("T")


class NameEntry(Attempt, Generic[T]):
    """One name, and the attempt at making what it stands for. Guarded by the lock of its owner.

    Arguments:
        name: the name.
        identity: what tells its config from others; None if nobody said.
        gate: what those wait at who find it being made; None if it was made elsewhere.
    """

    __slots__ = ("identity", "name", "value")

    def __init__(self, name: str, identity: object, gate: Any) -> None:
        super().__init__(gate)
        self.name = name
        self.identity = identity
        self.value: T | None = None


class NameTable(Generic[T]):
    """Entries by name. Guarded by its owner's lock.

    Arguments:
        owner: what errors call the owner.
    """

    def __init__(self, owner: str) -> None:
        self.closed = False
        self._owner = owner
        self._entries: dict[str, NameEntry[T]] = {}

    def claim(self, own: NameEntry[T]) -> NameEntry[T]:
        """Return the entry that a name has; the caller's own, for it to fill, if the name was free.

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
        self._entries.setdefault(entry.name, entry)  # it may be a child's, whose factory has forked
        entry.succeed()

    def failed(self, entry: NameEntry[T], error: BaseException | None) -> None:
        """Forget a name whose resource could not be made; see `Attempt.fail` for the error.

        Does nothing if making it has ended already.
        """
        if entry.state is AttemptState.RUNNING:
            if self._entries.get(entry.name) is entry:
                del self._entries[entry.name]
            entry.fail(error)

    def after_fork(self) -> None:
        """Forget, in a child process, the names whose resources are being made: their makers are not here."""
        self._entries = {
            name: entry
            for name, entry in self._entries.items()
            if entry.state is not AttemptState.RUNNING
        }

    def add(self, name: str, value: T, identity: object) -> None:
        """Give a name to what was made elsewhere.

        Raises:
            AlreadyExists: it is taken, or somebody is making something of this name.
            PoolClosed: there are no names any more.
        """
        self.refuse_if_closed()
        if name in self._entries:
            raise AlreadyExists(f"{self._owner!r} has a {name!r} already", pool=self._owner)
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
        """Give a name to something else; what had it is the caller's to close.

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
        """Forget a name; what had it is the caller's to close.

        Raises:
            NotFound: there is none.
            PoolClosed: there are no names any more.
        """
        entry = self.find(name)
        del self._entries[name]
        return entry

    def filled(self) -> list[NameEntry[T]]:
        """Return the entries that are filled, sorted by name."""
        found = [entry for entry in self._entries.values() if entry.state is AttemptState.DONE]
        return sorted(found, key=lambda entry: entry.name)

    def names(self) -> list[str]:
        """Return the names, sorted."""
        return [entry.name for entry in self.filled()]

    def close(self) -> list[NameEntry[T]]:
        """Refuse everything from now on; return what is the caller's to close."""
        self.closed = True
        left = self.filled()
        for entry in left:
            del self._entries[entry.name]
        return left

    def refuse_if_closed(self) -> None:
        """Raise `PoolClosed` if there are no names any more."""
        if self.closed:
            raise PoolClosed(f"{self._owner!r} is closed", pool=self._owner)
