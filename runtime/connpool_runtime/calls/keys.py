"""Finds the one key that stands for all keys of a call, for methods that take several keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

from connpool_runtime._hashing import text_of
from connpool_runtime.calls.method import Method
from connpool_runtime.errors import KeysApart

__all__ = ["common_key"]


def common_key(method: Method[Any, Any], args: tuple[Any, ...], pool: str) -> object:
    """Return the first key of a call whose keys all belong together; None if it has none.

    The keys alone decide that, and never the members that they happen to be on: otherwise a call would work
    only until a member is added.

    Raises:
        KeysApart: the keys have neither the same text nor the same tag.
        TypeError: an argument can be read only once, or a key has no text of its own.
    """
    if method.hash_keys is None or not args:
        return None
    found = list(_keys_in(method.hash_keys(args), method.name))
    if len({text_of(key) for key in found}) > 1:
        raise KeysApart(
            f"the keys of this call of {method.name} may belong to different members; give them a common tag,"
            " such as '{user:1}:name' and '{user:1}:age', or make one call for each key",
            pool=pool,
        )
    return found[0] if found else None


def _keys_in(value: object, method: str) -> Iterator[object]:
    """Yield the keys in an argument: the argument itself, or its items."""
    if value is None:
        return
    if isinstance(value, (str, bytes, bytearray, memoryview)) or not isinstance(value, Iterable):
        yield value
    elif isinstance(value, Iterator):
        raise TypeError(
            f"{method} got its keys as an iterator, which can be read only once: pass a list"
        )
    else:
        for item in cast("Iterable[object]", value):
            yield from _keys_in(item, method)
