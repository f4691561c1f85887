"""Which parameter of a method bounds how long its call takes, so that the caller's deadline can reach the client.

A wrong guess would change what a call does: a lock that expires, a queue that is not waited for. So a parameter
is only taken if its name, its type and its default all say so, and no word in the method's name says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from connpool_gen.config.deadline_parameter import parameter_named
from connpool_gen.errors import RequestError
from connpool_gen.planning.plan import Form, Plan
from connpool_gen.planning.signature import Param
from connpool_gen.reading.facts import VARIADIC

# The names by which clients call it, with the unit that they say.
NAMES = {
    "timeout": "",
    "timeout_s": "",
    "timeout_sec": "",
    "timeout_seconds": "",
    "request_timeout": "",
    "_request_timeout": "",
    "rpc_timeout": "",
    "timeout_ms": " in ms",
    "timeout_millis": " in ms",
    "timeout_milliseconds": " in ms",
    "request_timeout_ms": " in ms",
}
# Types that hold how long the parts of a call may take, for which a number stands too, or the client's own.
TIMEOUT_TYPES = ("ClientTimeout", "Timeout", "TimeoutTypes")
# By the name of the classifier that knows the library: why none of its parameters is meant.
OTHER_MEANING = {
    "redis": "in redis it is how long the server blocks, or when a lock expires",
    "pymongo": "in pymongo it is how long a server is looked for",
}
# Methods whose parameter says when something expires, or how long to wait for something to happen.
OTHER_WORDS = frozenset(
    [
        "acquire",
        "consume",
        "expire",
        "grant",
        "keepalive",
        "lease",
        "listen",
        "lock",
        "next",
        "poll",
        "receive",
        "recv",
        "sleep",
        "subscribe",
        "ttl",
        "wait",
        "watch",
    ]
)
NO_CALL = (Form.BROADCAST, Form.ABROADCAST, Form.CLOSE, Form.ACLOSE)


class Found(NamedTuple):
    """The text for the method table, None if there is no such parameter; and why one was left alone."""

    text: str | None
    left_alone: str = ""


def deadline_parameter(plan: Plan, library: str | None, said: str | bool | None) -> Found:
    """Find the parameter that bounds how long a call of a method takes.

    `said` is what the user's policy says: a parameter with its unit, False for none, None to find out. Raises
    RequestError for a parameter that the method does not have.
    """
    if plan.form is Form.CALLABLE:
        return Found(None if said is False else f"run({said or 'timeout'})")
    if isinstance(said, str):
        refuse_unknown(plan, said)
        return Found(said)
    if said is False or plan.is_value or plan.form in NO_CALL:
        return Found(None)
    named = [param for param in plan.params if param.name in NAMES]
    if not named:
        return Found(None)
    why = reason_against(plan, named, library)
    if why:
        listed = ", ".join(param.name for param in named)
        return Found(None, f"the deadline does not reach {listed}: {why}")
    (param,) = named
    return Found(param.name + (NAMES[param.name] or unit_of(plan, param)))


def refuse_unknown(plan: Plan, said: str) -> None:
    """Raise RequestError for a parameter that the method does not have, or that holds several."""
    names = [param.name for param in plan.params if param.kind not in VARIADIC]
    if parameter_named(said) not in names:
        raise RequestError(f"deadline-parameter {said!r}: {plan.label} has no such parameter")


def reason_against(plan: Plan, named: Sequence[Param], library: str | None) -> str:
    """Say why a parameter is not meant, in spite of its name; nothing if it is."""
    if len(named) > 1:
        return "several could be meant"
    if library in OTHER_MEANING:
        return OTHER_MEANING[library]
    words = OTHER_WORDS.intersection(plan.label.rpartition(".")[2].lower().split("_"))
    if words:
        return f"{min(words)!r} says that it may be something else"
    param = named[0]
    if param.default is None:
        return "it has to be given"
    if is_zero_or_less(param.default.plain):
        return f"its default is {param.default.plain}"
    types = types_of(plan, param)
    if not types & {"float", "int", *TIMEOUT_TYPES}:
        return "its type is not known to be a number"
    return ""


def unit_of(plan: Plan, param: Param) -> str:
    """Find what its type says beside its name: a client that takes no fractions gets whole seconds."""
    types = types_of(plan, param)
    return " in whole seconds" if "int" in types and not types & {"float", *TIMEOUT_TYPES} else ""


def types_of(plan: Plan, param: Param) -> set[str]:
    """List the types that a parameter may have, each by its bare name."""
    signatures = [plan.params, plan.static_params or (), *(one.params for one in plan.overloads)]
    annotations = [
        other.annotation.plain
        for params in signatures
        for other in params
        if other.name == param.name and other.annotation is not None
    ]
    parts = [part.strip() for text in annotations for part in text.split("|")]
    return {part.partition("[")[0].rpartition(".")[2] for part in parts}


def is_zero_or_less(default: str) -> bool:
    """Whether a default has a meaning of its own, such as for ever, or at once."""
    try:
        return float(default) <= 0
    except ValueError:
        return False
