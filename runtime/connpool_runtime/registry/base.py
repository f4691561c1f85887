"""What `Registry` and `AsyncRegistry` share: everything that does not wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar, cast

from connpool_runtime._concurrency.forks import new_lock, renew_after_fork
from connpool_runtime.errors import AcquireTimeout, ConfigConflict
from connpool_runtime.options.validation import is_text, seconds
from connpool_runtime.registry.names import NameEntry, NameTable
from connpool_runtime.registry.resources import can_be_closed, close_resource, is_healthy

__all__ = ["BaseRegistry", "Names", "check_name", "identity_of"]

T = TypeVar("T")

Names: TypeAlias = list[str]


Resources: TypeAlias = list[object]


class BaseRegistry(Generic[T]):
    """What `Registry` and `AsyncRegistry` share: everything that does not wait. Safe for threads.

    Nothing of the user's runs under `_lock`, which guards the names.
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
        self._close_resource = close
        self._create_timeout = create_timeout
        self._drain_timeout = drain_timeout
        self._lock = new_lock()
        self._names: NameTable[T] = NameTable(name)
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Start anew in a child process; the resources do so by themselves."""
        self._names.after_fork()

    @property
    def name(self) -> str:
        """The name of this registry in errors."""
        return self._name

    @property
    def drain_timeout(self) -> float:
        """Seconds that a leaving pool waits for its calls, unless a call gives another limit."""
        return self._drain_timeout

    @property
    def closed(self) -> bool:
        """Whether the registry was closed."""
        return self._names.closed

    def get(self, name: str) -> T:
        """Return the resource of a name.

        Raises:
            NotFound: no resource has this name; a resource gets its name only once it has been created.
            PoolClosed: the registry was closed.
        """
        with self._lock:
            return cast("T", self._names.find(name).value)

    def has(self, name: str) -> bool:
        """Return whether a name is taken."""
        with self._lock:
            return name in self._names.names()

    def list(self) -> Names:
        """Return the names, sorted."""
        with self._lock:
            return self._names.names()

    def add(self, name: str, resource: T, *, config: object = None) -> None:
        """Add a resource under a name; from now on the registry is responsible for closing it.

        Arguments:
            name: not empty.
            resource: a pool, a generated wrapper, a connector, or whatever `close` knows how to close.
            config: what it was made from, for `get_or_create` to compare with.

        Raises:
            AlreadyExists: the name is taken.
            PoolClosed: the registry was closed; the resource stays the caller's.
            ValueError, TypeError: the name is not valid, or the resource cannot be closed.
        """
        check_name(name)
        self._check_resource(resource)
        identity = identity_of(config)
        with self._lock:
            self._names.add(name, resource, identity)

    def exchange(self, name: str, resource: T) -> T:
        """Give a name to another resource, which is found from then on.

        Arguments:
            name: of the resource that goes.
            resource: what comes; from now on the registry closes it.

        Returns:
            The resource that had the name; the caller has to close it.

        Raises:
            NotFound: nothing has the name.
            PoolClosed: the registry was closed; the resource stays the caller's.
            TypeError: the resource cannot be closed.
        """
        self._check_resource(resource)
        with self._lock:
            return self._names.exchange(name, resource)

    def take(self, name: str) -> T:
        """Remove a resource without closing it; closing is up to the caller.

        Raises:
            NotFound: nothing has this name.
        """
        return cast("T", self._take_out(name))

    def set_drain_timeout(self, seconds_to_wait: float) -> None:
        """Change how long pools that leave later wait for their calls.

        Raises:
            ValueError: it is not a number of seconds.
        """
        self._drain_timeout = seconds("drain_timeout", seconds_to_wait)

    def health(self) -> dict[str, bool]:
        """Return the health of each resource, without I/O.

        A pool is healthy if it has a member to call, a connector if its last check passed.
        """
        entries = self._entries()
        return {entry.name: is_healthy(entry.value) for entry in entries}

    def __repr__(self) -> str:
        closed = " closed" if self.closed else ""
        return f"<{type(self).__name__} {self._name!r}{closed} {self.list()}>"

    # Creating and closing

    def _claim(self, own: NameEntry[T]) -> NameEntry[T]:
        with self._lock:
            entry = self._names.claim(own)
        wanted = own.identity
        if entry is not own and wanted is not None and entry.identity not in (None, wanted):
            raise ConfigConflict(
                f"{own.name!r} of {self._name!r} was made from another config", pool=self._name
            )
        return entry

    def _fill(self, entry: NameEntry[T], resource: T) -> T:
        self._check_resource(resource)
        with self._lock:
            self._names.ready(entry, resource)
        return resource

    def _fail(self, entry: NameEntry[T], error: BaseException) -> None:
        with self._lock:
            self._names.failed(entry, error)

    def _still_making(self, entry: NameEntry[T]) -> AcquireTimeout:
        return AcquireTimeout(
            f"another caller was still making {entry.name!r} of {self._name!r} after"
            f" {self._create_timeout:g} s",
            pool=self._name,
        )

    def _entries(self) -> tuple[NameEntry[T], ...]:
        with self._lock:
            return tuple(self._names.filled())

    def _check_resource(self, resource: object) -> None:
        if self._close_resource is None:
            can_be_closed(resource)

    def _close_one(self, resource: object, drain_timeout: float) -> object:
        if self._close_resource is not None:
            return self._close_resource(cast("T", resource))
        return close_resource(resource, drain_timeout)

    def _take_out(self, name: str) -> object:
        with self._lock:
            return self._names.remove(name).value

    def _take_all_out(self) -> Resources:
        with self._lock:
            return [entry.value for entry in self._names.close()]

    def _drain_limit(self, given: float | None) -> float:
        if given is None:
            return self._drain_timeout
        seconds("drain_timeout", given)
        return given


def identity_of(config: object) -> object:
    """Return the identity of a config: its key, if it has one."""
    key = getattr(config, "key", None)
    return key() if callable(key) else config


def check_name(name: object) -> None:
    """Raise `ValueError` if a name is not a text with at least one character."""
    if not is_text(name) or not name:
        raise ValueError(f"name must be a non-empty string, not {name!r}")
