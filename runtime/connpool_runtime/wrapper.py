"""What generated wrappers need beside the pool: answers for names that they lack, deprecated members."""

from __future__ import annotations

import functools
import inspect
import sys
import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Type checkers know this name from their own stubs; what runs is the function below, because
    # only newer Pythons have one and the runtime asks for no package.
    from typing_extensions import deprecated

__all__ = ["deprecated", "no_attribute"]

NOTHING: Mapping[str, str] = MappingProxyType({})


def no_attribute(wrapper: object, name: str, absent: Mapping[str, str] = NOTHING) -> AttributeError:
    """Make the error for a name that a wrapper lacks; it says where else the name is to be found.

    Arguments:
        wrapper: the wrapper that was asked.
        name: what was asked for.
        absent: members of the client that the wrapper leaves out, and why.
    """
    kind = type(wrapper)
    field: str = getattr(kind, "__connpool__", "")
    text = f"{kind.__name__} has no {name!r}"
    if name in absent:
        text += f": {absent[name]}"
    elif not name.startswith("_") and hasattr(vars(wrapper).get(field), name):
        text += f"; its pool does: .{field}.{name}"
    elif hasattr(kind, name):  # a property of the wrapper, which asked a member
        text = f"{name!r} of a member raised AttributeError; lease a member to see where"
    return AttributeError(text, name=name, obj=wrapper)


if not TYPE_CHECKING:

    def deprecated(
        message: str, /, *, category: type[Warning] | None = DeprecationWarning
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Mark a member as deprecated, as its client does: a call warns in the line that calls.

        Arguments:
            message: what the client says.
            category: the class of the warning; None where a call of the client's does not warn.
        """

        def mark(function: Callable[..., Any]) -> Callable[..., Any]:
            if category is None:
                function.__deprecated__ = message
                return function

            @functools.wraps(function)
            def warning(*args: Any, **kwargs: Any) -> Any:
                warnings.warn(message, category=category, stacklevel=2)
                return function(*args, **kwargs)

            warning.__deprecated__ = message
            if sys.version_info >= (3, 12) and inspect.iscoroutinefunction(function):
                return inspect.markcoroutinefunction(warning)
            return warning

        return mark
