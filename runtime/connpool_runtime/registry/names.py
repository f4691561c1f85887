"""What has which name, and who is making what is still missing. Decides only."""

from __future__ import annotations

from enum import Enum
from typing import Any, Generic, TypeVar

from connpool_runtime.errors import AlreadyExists, NotFound, PoolClosed

__all__ = ["Directory", "Slot", "SlotState"]

T = TypeVar("T")


class SlotState(Enum):
    """How far a name has come."""

    MAKING = "making"  # its first caller is at it, others wait
    READY = "ready"
    FAILED = "failed"  # everybody who waited gets the error
    ABANDONED = "abandoned"  # its first caller was interrupted: somebody else has to make it


class Slot(Generic[T]):
    """One name. Guarded by the lock of its owner; only the directory changes it."""

    __slots__ = ("error", "gate", "identity", "name", "state", "value")

    def __init__(self, name: str, identity: object, gate: Any) -> None:
        self.name = name
        self.identity = identity  # what it is made from; None when nobody said
        self.gate = gate  # of the owner's colour; opens when MAKING is over
        self.state = SlotState.MAKING
        self.value: T | None = None
        self.error: Exception | None = None


class Directory(Generic[T]):
    """Slots by name. Guarded by its owner's lock.

    Arguments:
        owner: what errors call the owner.
    """

    def __init__(self, owner: str) -> None:
        self.closed = False
        self._owner = owner
        self._slots: dict[str, Slot[T]] = {}

    def claim(self, own: Slot[T]) -> Slot[T]:
        """Return the slot that a name has; the caller's own, for it to fill, if the name was free.

        Raises:
            PoolClosed: there are no names any more.
        """
        self.refuse_if_closed()
        return self._slots.setdefault(own.name, own)

    def ready(self, slot: Slot[T], value: T) -> None:
        """Fill a slot.

        Raises:
            PoolClosed: too late; the value is its maker's to close.
        """
        self.refuse_if_closed()
        slot.value, slot.state = value, SlotState.READY
        slot.gate.open()

    def failed(self, slot: Slot[T], error: Exception | None) -> None:
        """Forget a name that could not be made; without an error, others may try.

        Harmless when making it has ended already.
        """
        if slot.state is SlotState.MAKING:
            if self._slots.get(slot.name) is slot:
                del self._slots[slot.name]
            slot.error = error
            slot.state = SlotState.ABANDONED if error is None else SlotState.FAILED
            slot.gate.open()

    def add(self, name: str, value: T, identity: object) -> None:
        """Give a name to what was made elsewhere.

        Raises:
            AlreadyExists: it is taken, or somebody is making something of this name.
            PoolClosed: there are no names any more.
        """
        self.refuse_if_closed()
        if name in self._slots:
            raise AlreadyExists(f"{self._owner!r} has a {name!r} already", pool=self._owner)
        slot: Slot[T] = Slot(name, identity, None)
        slot.value, slot.state = value, SlotState.READY
        self._slots[name] = slot

    def find(self, name: str) -> Slot[T]:
        """Return the filled slot of a name.

        Raises:
            NotFound: there is none.
            PoolClosed: there are no names any more.
        """
        self.refuse_if_closed()
        slot = self._slots.get(name)
        if slot is None or slot.state is not SlotState.READY:
            known = ", ".join(map(repr, self.names())) or "nothing"
            raise NotFound(f"{self._owner!r} has no {name!r}; it has {known}", pool=self._owner)
        return slot

    def remove(self, name: str) -> Slot[T]:
        """Forget a name; what had it is the caller's to close.

        Raises:
            NotFound: there is none.
            PoolClosed: there are no names any more.
        """
        slot = self.find(name)
        del self._slots[name]
        return slot

    def filled(self) -> list[Slot[T]]:
        """Return the slots that are filled, sorted by name."""
        found = [slot for slot in self._slots.values() if slot.state is SlotState.READY]
        return sorted(found, key=lambda slot: slot.name)

    def names(self) -> list[str]:
        """Return the names, sorted."""
        return [slot.name for slot in self.filled()]

    def close(self) -> list[Slot[T]]:
        """Refuse everything from now on; return what is the caller's to close."""
        self.closed = True
        left = self.filled()
        for slot in left:
            del self._slots[slot.name]
        return left

    def refuse_if_closed(self) -> None:
        """Raise `PoolClosed` if there are no names any more."""
        if self.closed:
            raise PoolClosed(f"{self._owner!r} is closed", pool=self._owner)
