"""A Prometheus collector that exists once per registry; needs prometheus-client (extra `prometheus`)."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self
from weakref import WeakKeyDictionary, ref

from connpool_runtime._concurrency.forks import new_lock
from connpool_runtime._extras import extra

with extra("prometheus"):
    from prometheus_client.registry import Collector, CollectorRegistry

__all__ = ["RegisteredCollector"]

_joining = new_lock()
# Weak references on both sides: a registry that is gone, or has dropped its collector, keeps nothing alive.
_registered: WeakKeyDictionary[CollectorRegistry, dict[type, ref[Any]]] = WeakKeyDictionary()


class RegisteredCollector(Collector):
    """Base of collectors that exist once per registry, since a registry accepts each metric from one collector only.

    Creating another one for the same registry returns the existing one. So a subclass creates its attributes
    in `_begin`; its `__init__` runs each time, and only adds to them.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Return the collector of the `registry` among the arguments, created and registered if there is none.

        Raises:
            ValueError: the registry has metrics of these names from elsewhere.
        """
        fresh = super().__new__(cls)
        fresh._begin()
        registry: CollectorRegistry | None = kwargs.get("registry")
        if registry is None:
            return fresh
        with _joining:
            known = _registered.setdefault(registry, {})
            there = known[cls]() if cls in known else None
            try:
                # A registry cannot list its collectors, but it refuses a second one.
                registry.register(fresh)
            except ValueError:
                if not isinstance(there, cls):
                    raise
                return there
            known[cls] = ref(fresh)
            return fresh

    @abstractmethod
    def _begin(self) -> None:
        """Initialise the collector without any sources."""
