"""Refuses values that are no client of a pool, before calls meet them."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable

__all__ = ["ExpectedClient"]

_DATA = (type(None), str, bytes, bytearray, int, float, complex, list, tuple, dict, set, frozenset)
_NAMED = 3  # methods that the message names


class ExpectedClient:
    """The methods by which a pool recognizes its clients. Safe for threads.

    Only data and coroutines are refused: the names of methods written by hand are labels, and need not be
    attributes of the client. Data that has one of the methods is accepted, and a pool that was made without
    methods accepts everything.

    Arguments:
        pool: the name of the pool, for messages.
        methods: the names of the methods that the pool calls; a dotted name is of a part of the client.
    """

    __slots__ = ("_methods", "_pool")

    def __init__(self, pool: str, methods: Iterable[str]) -> None:
        self._pool = pool
        self._methods = tuple(dict.fromkeys(name.partition(".")[0] for name in methods))

    def refuse_unfit(self, client: object, advice: str) -> None:
        """Refuse a value that no call could use.

        The message names the type only: a URL may hold a password.

        Arguments:
            client: a client that was given or opened.
            advice: what the user should have done, as the last words of the message.

        Raises:
            TypeError: the value is a coroutine, or data that has none of the methods.
        """
        if not self._methods:
            return
        kind = type(client)
        if issubclass(kind, Coroutine):
            advice = "await it first"
        elif kind not in _DATA or any(hasattr(kind, name) for name in self._methods):
            return
        told = "None" if client is None else f"of type {kind.__name__}"
        names = ", ".join(self._methods[:_NAMED])
        raise TypeError(
            f"pool {self._pool!r} calls methods of its clients such as {names}; this client is {told}: {advice}"
        )
