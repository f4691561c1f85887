"""What a registry for threads and one for tasks have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar, cast

from connpool_runtime._concurrency import threads
from connpool_runtime._validation import seconds
from connpool_runtime.errors import AcquireTimeout, ConfigConflict
from connpool_runtime.registry.names import Directory, Slot, SlotState
from connpool_runtime.registry.resources import can_be_closed, close_thing, is_healthy

__all__ = ["BaseRegistry", "Names", "check_name", "identity_of"]

T = TypeVar("T")

Names: TypeAlias = list[str]


Things: TypeAlias = list[object]


class BaseRegistry(Generic[T]):
    """The colour-free part of `Registry` and `AsyncRegistry`. Safe for threads.

    Lock discipline as in `engine.py`: nothing of the user's runs under `_lock`.
    """

    def __init__(
        self,
        name: str = "registry",
        *,
        close: Callable[[T], object] | None = None,
        create_timeout: float = 30.0,
        drain_timeout: float = 30.0,
    ) -> None:
        seconds("create_timeout", create_timeout)
        seconds("drain_timeout", drain_timeout)
        self._name = name
        self._close_thing = close
        self._create_timeout = create_timeout
        self._drain_timeout = drain_timeout
        self._lock = threads.Lock()
        self._directory: Directory[T] = Directory(name)

    @property
    def name(self) -> str:
        """What errors call this registry."""
        return self._name

    @property
    def closed(self) -> bool:
        """Whether the registry was closed."""
        return self._directory.closed

    def get(self, name: str) -> T:
        """Return what has a name.

        Raises:
            NotFound: nothing has it; what is still being made has it when it is made.
            PoolClosed: the registry was closed.
        """
        with self._lock:
            return cast("T", self._directory.find(name).value)

    def has(self, name: str) -> bool:
        """Tell whether something has a name."""
        with self._lock:
            return name in self._directory.names()

    def list(self) -> Names:
        """Return the names, sorted."""
        with self._lock:
            return self._directory.names()

    def add(self, name: str, thing: T, *, config: object = None) -> None:
        """Give a name to a thing, which is the registry's to close from now on.

        Arguments:
            name: not empty.
            thing: a pool, a generated wrapper, a connector, or whatever `close` knows how to close.
            config: what it was made from, for `get_or_create` to compare with.

        Raises:
            AlreadyExists: the name is taken.
            PoolClosed: the registry was closed; the thing stays the caller's.
            ValueError, TypeError: it is no name, or nothing that can be closed.
        """
        check_name(name)
        self._check_thing(thing)
        identity = identity_of(config)
        with self._lock:
            self._directory.add(name, thing, identity)

    def health(self) -> dict[str, bool]:
        """Tell how everything is, without I/O: a pool is well if it has a member to call.

        A connector is as its last check was.
        """
        slots = self._slots()
        return {slot.name: is_healthy(slot.value) for slot in slots}

    def __repr__(self) -> str:
        closed = " closed" if self.closed else ""
        return f"<{type(self).__name__} {self._name!r}{closed} {self.list()}>"

    # What does not wait in making and closing

    def _claim(self, own: Slot[T]) -> Slot[T]:
        with self._lock:
            slot = self._directory.claim(own)
        wanted = own.identity
        if slot is not own and wanted is not None and slot.identity not in (None, wanted):
            raise ConfigConflict(
                f"{own.name!r} of {self._name!r} was made from another config", pool=self._name
            )
        return slot

    def _fill(self, slot: Slot[T], thing: T) -> T:
        self._check_thing(thing)
        with self._lock:
            self._directory.ready(slot, thing)
        return thing

    def _fail(self, slot: Slot[T], error: BaseException) -> None:
        with self._lock:
            self._directory.failed(slot, error if isinstance(error, Exception) else None)

    def _made(self, slot: Slot[T], waited: float) -> bool:
        """Look at what somebody else makes; False says that we have to.

        Raises:
            AcquireTimeout: it is not ready yet.
            Exception: what kept the other caller from making it.
        """
        if slot.error is not None:
            raise slot.error
        if slot.state is SlotState.MAKING:
            raise AcquireTimeout(
                f"another caller was still making {slot.name!r} of {self._name!r} after"
                f" {waited:g} s",
                pool=self._name,
            )
        return slot.state is SlotState.READY

    def _slots(self) -> tuple[Slot[T], ...]:
        with self._lock:
            return tuple(self._directory.filled())

    def _check_thing(self, thing: object) -> None:
        if self._close_thing is None:
            can_be_closed(thing)

    def _close_one(self, thing: object, drain_timeout: float) -> object:
        if self._close_thing is not None:
            return self._close_thing(cast("T", thing))
        return close_thing(thing, drain_timeout)

    def _take_out(self, name: str) -> object:
        with self._lock:
            return self._directory.remove(name).value

    def _take_all_out(self) -> Things:
        with self._lock:
            return [slot.value for slot in self._directory.close()]

    def _drain_limit(self, given: float | None) -> float:
        if given is None:
            return self._drain_timeout
        seconds("drain_timeout", given)
        return given


def identity_of(config: object) -> object:
    """Return what tells a config from others: its key, if it has one."""
    key = getattr(config, "key", None)
    return key() if callable(key) else config


def check_name(name: object) -> None:
    """Refuse what is no name."""
    if not isinstance(name, str) or not name:
        raise ValueError(f"name must be a text that is not empty, not {name!r}")
