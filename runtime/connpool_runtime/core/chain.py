"""Puts layers around a call, the first registered outermost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from connpool_runtime.core.call import Call

__all__ = ["Layer", "Proceed", "around"]

Proceed: TypeAlias = Callable[[Call], Any]
"""Runs what lies further in; each time is one attempt, on a member picked anew."""

Layer: TypeAlias = Callable[[Call, Proceed], Any]
"""A middleware: a function, or an object that can be called, of the call and what lies inside.

For a `Pool` it is an ordinary function, for an `AsyncPool` a coroutine function.
"""


def around(innermost: Proceed, layers: Sequence[Layer]) -> Proceed:
    """Return a function that runs a call through all layers."""
    proceed = innermost
    for layer in reversed(layers):
        proceed = _wrapped(layer, proceed)
    return proceed


def _wrapped(layer: Layer, inner: Proceed) -> Proceed:
    def proceed(call: Call) -> Any:
        return layer(call, inner)

    return proceed
