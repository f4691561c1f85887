"""Default values of a client's parameters: those that no literal can state, and those not worth passing on."""

from __future__ import annotations

from typing import Any

__all__ = ["NOT_GIVEN", "default_of", "leading", "unless_default"]


class _NotGiven:
    """The class of `NOT_GIVEN`: one object per process, also when copied or unpickled."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NOT_GIVEN"

    def __reduce__(self) -> str:
        return "NOT_GIVEN"


#: Stands as the default of a parameter whose default only the client knows: its stub leaves it out.
#: What a caller does not give is not passed on, so the client's own default applies.
NOT_GIVEN: Any = _NotGiven()


def default_of(owner: type, method: str, parameter: str) -> Any:
    """Return the very object that is the default of a parameter.

    Generated signatures use it for defaults that cannot be written as a literal.

    Arguments:
        owner: the class, by which the method is looked up.
        method: the name of the method.
        parameter: the name of the parameter.

    Raises:
        LookupError: the method has no such parameter, or the parameter has no default.
    """
    import inspect  # see `_concurrency.introspection`

    found = inspect.signature(getattr(owner, method)).parameters.get(parameter)
    if found is None or found.default is inspect.Parameter.empty:
        raise LookupError(
            f"{owner.__qualname__}.{method} has no default for a parameter named {parameter!r}"
        )
    return found.default


def unless_default(**pairs: tuple[Any, Any]) -> dict[str, Any]:
    """Return the arguments that differ from their defaults, from pairs of value and default.

    For clients whose decorators look at which arguments a caller gave: passing a default on would
    change what they do.
    """
    return {name: value for name, (value, default) in pairs.items() if value is not default}


def leading(*values: Any) -> tuple[Any, ...]:
    """Return the values before the first one that was not given, to be passed on by position.

    Raises:
        TypeError: a value was given behind one that was not, which no call by position can say.
    """
    count = next((i for i, value in enumerate(values) if value is NOT_GIVEN), len(values))
    if any(value is not NOT_GIVEN for value in values[count:]):
        raise TypeError(
            f"argument {count + 1} was left out, but a later one was given; only the client knows the default of"
            f" argument {count + 1}, so pass it too"
        )
    return values[:count]
