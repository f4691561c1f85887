"""A caller's handle of a shared client, which it gives until the handle is released."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from connpool_runtime.errors import HandleReleased
from connpool_runtime.sharing.reference_counts import SharedReference, short_key

__all__ = ["Handle"]

C = TypeVar("C")


class _Owner(Protocol):
    def give_back(self, reference: SharedReference[Any]) -> bool: ...

    def drop(self, reference: SharedReference[Any]) -> None: ...


class Handle(Generic[C]):
    """One caller's use of a shared client; `with handle as client` releases it at the end.

    One that is dropped without being released is given back by its finalizer, and that is logged.
    May be released from any thread; an asynchronous one, on its event loop.
    """

    # On the class: at interpreter shutdown the names of modules may be gone already.
    _interpreter_ends = staticmethod(sys.is_finalizing)
    # Never held: for the finalizer after an interrupted `__init__`.
    _reference: SharedReference[Any] = SharedReference()

    def __init__(self, owner: _Owner, reference: SharedReference[Any]) -> None:
        self._reference = reference
        self._owner = owner
        self._client: C | None = None

    def give(self, client: C) -> None:
        """Set the client; for the owner of the handle."""
        self._client = client

    @property
    def client(self) -> C:
        """The client, which must not be used after `release`.

        Raises:
            HandleReleased: the handle was released.
        """
        if not self._reference.held or self._client is None:
            raise HandleReleased(f"{self!r} was released: acquire another one")
        if self._reference.abandoned:
            raise HandleReleased(
                f"{self!r} belongs to the parent of this process: acquire another one"
            )
        return self._client

    @property
    def released(self) -> bool:
        """Whether the handle was released."""
        return not self._reference.held

    def release(self) -> bool:
        """Give the client back, without waiting; return False if it was given back already."""
        released = self._owner.give_back(self._reference)
        self._client = None
        return released

    def __enter__(self) -> C:
        return self.client

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.release()

    def __repr__(self) -> str:
        entry = self._reference.entry
        key = "nothing" if entry is None else short_key(entry.key)
        return f"<{type(self).__name__} of {key}{' released' if self.released else ''}>"

    def __del__(self) -> None:
        if self._interpreter_ends():
            return
        if self._reference.held:
            self._owner.drop(self._reference)
