"""What a generated wrapper answers when it is asked for a name that it lacks."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["no_attribute"]

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
