"""What a call to a method of the real client accepts, found out from the running class."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

Signature = inspect.Signature
POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def accepted_signature(cls: type, name: str, revealed: str) -> Signature | None:
    """The parameters after the receiver; None where C code does not tell.

    A decorated method shows the signature of what it wraps. Where the decorator's own is explicit,
    that one counts. Where it takes anything, it may still put in arguments of its own, which only
    the type checker knows: then what it reveals chooses among the parameters that are shown.
    """
    function = getattr(cls, name)
    bound = inspect.ismethod(function) or isinstance(
        inspect.getattr_static(cls, name), staticmethod
    )
    shown = signature_of(function, bound=bound, follow=True)
    outer = signature_of(function, bound=bound, follow=False)
    if shown is None or outer is None or shown == outer:
        return shown
    if not takes_anything(outer):
        return outer
    return without_injected(shown, revealed)


def signature_of(function: Callable[..., Any], *, bound: bool, follow: bool) -> Signature | None:
    """The signature without the receiver."""
    try:
        signature = inspect.signature(function, follow_wrapped=follow)
    except (TypeError, ValueError):
        return None
    parameters = list(signature.parameters.values())
    if not bound and parameters and parameters[0].kind in POSITIONAL:
        parameters = parameters[1:]
    return signature.replace(parameters=parameters)


def takes_anything(signature: Signature) -> bool:
    """Whether it is nothing but `*args, **kwargs`."""
    return [p.kind for p in signature.parameters.values()] == list(VARIADIC)


def without_injected(shown: Signature, revealed: str) -> Signature:
    """Leave out what the type checker says a caller cannot give."""
    names = revealed_names(revealed)
    if names is None or not names <= set(shown.parameters):
        return shown
    chosen = [p for name, p in shown.parameters.items() if name in names]
    return shown.replace(parameters=chosen)


def revealed_names(revealed: str) -> set[str] | None:
    """The parameter names of all signatures that mypy revealed; None if it did not name them."""
    if ("def (" not in revealed and "def [" not in revealed) or "(*Any" in revealed:
        return None
    return set(re.findall(r"[(,] ?\*{0,2}(\w+):", revealed))


def same_default(ours: Any, theirs: Any) -> bool:
    """The same object, or an equal literal of the same type."""
    if ours is theirs:
        return True
    if type(ours) is not type(theirs):
        return False
    if type(ours) is tuple:
        return len(ours) == len(theirs) and all(map(same_default, ours, theirs))
    return type(ours) in (bool, bytes, complex, float, int, str) and ours == theirs
