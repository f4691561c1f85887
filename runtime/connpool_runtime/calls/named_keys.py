"""Locates the key parameters of a method, given by name, among its packed arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["key_getter"]


def key_getter(text: str, names: Sequence[str]) -> int | Callable[[Any], object]:
    """Return the index of a method's only key, or a function that returns all keys from the packed arguments.

    Arguments:
        text: the parameters that hold keys: `name`, `*names`, `source, *others`, or `*args[:count]` for the first
            `count` of `args`.
        names: the parameters in the order in which the wrapper packs them.

    Raises:
        ValueError: a parameter of that name is not packed.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) == 1 and not text.startswith("*"):
        return _place(text, names)
    getters = [_getter(part.removeprefix("*"), names) for part in parts]
    if len(getters) == 1:
        return getters[0]
    return lambda packed: tuple(get(packed) for get in getters)


def _getter(part: str, names: Sequence[str]) -> Callable[[Any], object]:
    """Return a function that returns one parameter, or its first items: `args`, `args[:count]`."""
    name, _, rest = part.partition("[:")
    place = _place(name, names)
    if not rest:
        return lambda packed: packed[place]
    count = _place(rest.removesuffix("]"), names)
    return lambda packed: packed[place][: packed[count]]


def _place(name: str, names: Sequence[str]) -> int:
    if name not in names:
        raise ValueError(
            f"hash_key: {name!r} is not one of the packed arguments: {', '.join(names)}"
        )
    return list(names).index(name)
