"""The ways to call a method: with everything by keyword, by position, and with no more than it needs."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.conformance.accepted import POSITIONAL
from tests.conformance.recorder import Sentinel

Parameter = inspect.Parameter


@dataclass
class Given:
    """The arguments of one call, a sentinel of its own for each parameter."""

    words: str
    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)


def ways_to_call(signature: inspect.Signature) -> Iterator[Given]:
    """All that a signature allows, in three ways."""
    parameters = list(signature.parameters.values())
    yield given("required only", [p for p in parameters if needed(p)], by_position=False)
    variadic = any(p.kind is Parameter.VAR_POSITIONAL for p in parameters)
    if not variadic:
        yield given("all by keyword", parameters, by_position=False)
    yield given("all by position", parameters, by_position=True)


def required_only(signature: inspect.Signature) -> Given:
    """The shortest call."""
    return next(ways_to_call(signature))


def needed(parameter: Parameter) -> bool:
    """Whether a call cannot do without it."""
    return parameter.default is parameter.empty and parameter.kind not in (
        Parameter.VAR_POSITIONAL,
        Parameter.VAR_KEYWORD,
    )


def given(words: str, parameters: list[Parameter], *, by_position: bool) -> Given:
    """A sentinel for each parameter, two for each of `*args` and `**kwargs`."""
    call = Given(words)
    for parameter in parameters:
        name = parameter.name
        if parameter.kind is Parameter.VAR_POSITIONAL:
            call.args += [Sentinel(f"{name}[0]"), Sentinel(f"{name}[1]")]
        elif parameter.kind is Parameter.VAR_KEYWORD:
            call.kwargs |= {f"{name}_{n}": Sentinel(f"{name}_{n}") for n in ("one", "two")}
        elif goes_by_position(parameter, by_position=by_position):
            call.args.append(Sentinel(name))
        else:
            call.kwargs[name] = Sentinel(name)
    return call


def goes_by_position(parameter: Parameter, *, by_position: bool) -> bool:
    """Also `__x`, which type checkers take for positional-only by old convention."""
    if parameter.kind is Parameter.POSITIONAL_ONLY or "__" in parameter.name.rstrip("_"):
        return parameter.kind in POSITIONAL
    return by_position and parameter.kind in POSITIONAL
