"""Refuses values that are not clients of a pool, before a call uses them."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable

from connpool_runtime._concurrency.introspection import is_coroutine_function

__all__ = ["ClientTypeCheck"]

_DATA = (type(None), str, bytes, bytearray, int, float, complex, list, tuple, dict, set, frozenset)
_FEW = (
    3  # methods that a message names, and that tell a synchronous client from an asynchronous one
)


class ClientTypeCheck:
    """Checks the types of clients by the methods that a pool calls. Safe for threads.

    Only classes, data, coroutines and clients of the other kind are refused: the names of methods written by hand
    are labels, and need not be attributes of the client. Data that has one of the methods is accepted, and a pool
    that was made without methods accepts all but classes.

    Arguments:
        pool: the name of the pool, for messages.
        methods: the names of the methods that the pool calls; a dotted name is of a part of the client.
        blocking: whether the pool is for threads.
    """

    __slots__ = ("_blocking", "_methods", "_pool")

    def __init__(self, pool: str, methods: Iterable[str], *, blocking: bool) -> None:
        self._pool = pool
        self._methods = tuple(methods)
        self._blocking = blocking

    def check_added(self, client: object) -> None:
        """Refuse a value that was given to `add_client` and is not a client of this kind of pool.

        Raises:
            TypeError: the value is a class, data or a coroutine, or is asynchronous and the pool is not.
        """
        if isinstance(client, type):
            raise TypeError(
                f"{client.__name__} is a class: add an instance of it, such as {client.__name__}(...)"
            )
        self._refuse_data(
            client,
            "`add_client` takes a client that is ready to use; `add_connector` and `discover` open clients of"
            " addresses",
        )
        kind = type(client)
        # A client of the other kind differs in all methods, so a few are enough to detect it.
        for name in self._methods[:_FEW] if self._blocking else ():
            if is_coroutine_function(getattr(kind, name, None)):
                raise TypeError(
                    f"{kind.__name__}.{name} is a coroutine function, but pool {self._pool!r} is for synchronous"
                    " clients"
                )

    def check_opened(self, client: object) -> None:
        """Refuse a value that a factory returned and that no call could use.

        Raises:
            TypeError: the value is data or a coroutine.
        """
        self._refuse_data(
            client, "its factory returned it, and should return the client that it opened"
        )

    def _refuse_data(self, client: object, advice: str) -> None:
        kind = type(client)
        if not self._methods:
            return
        if issubclass(kind, Coroutine):
            advice = "await it first"
        elif kind not in _DATA or any(hasattr(kind, name) for name in self._attributes()):
            return
        # The type only: a URL may hold a password.
        told = "None" if client is None else f"of type {kind.__name__}"
        names = ", ".join(self._attributes()[:_FEW])
        raise TypeError(
            f"pool {self._pool!r} calls methods of its clients such as {names}; this client is {told}: {advice}"
        )

    def _attributes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name.partition(".")[0] for name in self._methods))
