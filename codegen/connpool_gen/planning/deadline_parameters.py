"""Finds the parameter by which a client limits how long a call takes, to pass on the caller's deadline.

It is one of these, and the first that there is counts:

- an option of the client, for all of its methods: `client.options(request_timeout=...)` of Elasticsearch;
- a parameter of the method;
- a key of its `**kwargs`, which `Unpack[TypedDict]` declares, the docstring describes, or a table here lists.

A wrong guess would change what a call does: a lock that expires, a queue that is not waited for. So a
parameter is only taken if its name, its type and its default all indicate a limit, and no word in the
method's name contradicts that. A name that mentions the request is less ambiguous: it needs no further
evidence, and wins over other names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from connpool_gen.config.deadline_parameter import bound_named
from connpool_gen.errors import RequestError
from connpool_gen.planning.documented_parameters import Documented, documented_parameters
from connpool_gen.planning.plan import Form, Plan
from connpool_gen.planning.signature import Param
from connpool_gen.reading.facts import VARIADIC, ClassFacts, Expression, Kind

# Names of such parameters in clients, with the unit that the name implies.
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
# Names that can only mean a limit of the request.
OF_THE_REQUEST = frozenset(name for name in NAMES if "request" in name or "rpc" in name)
# By the name of the library's classifier: the client's method that returns a client with options, and the
# option.
CLIENT_OPTIONS = {"elasticsearch": ("options", "request_timeout")}
# By the name of the classifier: the key of `**kwargs` that these methods pass on to the request, which neither
# a type nor a docstring shows.
KNOWN_KEYS = {
    "pymilvus": (
        "timeout",
        frozenset(
            [
                "alter_database_properties",
                "describe_database",
                "drop_database",
                "drop_database_properties",
                "list_collections",
                "list_indexes",
                "use_database",
            ]
        ),
    )
}
# Types for the parts of a timeout, in whose place a number may be given, or the client's own type.
TIMEOUT_TYPES = ("ClientTimeout", "Timeout", "TimeoutTypes")
# By the name of the library's classifier: why none of its parameters is a limit.
OTHER_MEANING = {
    "redis": "in redis it is how long the server blocks, or when a lock expires",
    "pymongo": "in pymongo it is how long a server is looked for",
}
# Methods in which the parameter is an expiry time, or the time to wait for an event.
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
# Words in the description of a key that show it is something else: a limit kept by the server, a lease.
OTHER_DESCRIPTION = re.compile(
    r"server[- ]?side|\bserver\b|\bexpir|\bttl\b|\block\b|\blease\b|\bpoll", re.IGNORECASE
)
NO_CALL = (Form.BROADCAST, Form.ABROADCAST, Form.CLOSE, Form.ACLOSE)


class Found(NamedTuple):
    """The text for the method table, None if there is no such parameter; and why a similar one was not used."""

    text: str | None
    left_alone: str = ""


class Candidate(NamedTuple):
    """A possible parameter, by its name.

    Attributes:
        name: of the parameter or key.
        text: how the method table names it.
        types: that it may have, each by its bare name.
        default: as it is written, None if it has to be given.
        says: its description, where it is known from there alone.
    """

    name: str
    text: str
    types: frozenset[str]
    default: str | None
    says: str | None = None


def deadline_parameter(
    plan: Plan, library: str | None, said: str | bool | None, facts: ClassFacts
) -> Found:
    """Find the parameter by which the client limits how long a call of a method takes.

    `said` is what the user's policy says: a parameter with its unit, False for none, None to find out. Raises
    RequestError for a parameter that the method does not have.
    """
    if plan.form is Form.CALLABLE:
        return Found(None if said is False else f"run({said or 'timeout'})")
    if isinstance(said, str):
        return Found(as_said(plan, said, facts))
    if said is False or plan.is_value or plan.form in NO_CALL:
        return Found(None)
    option = CLIENT_OPTIONS.get(library or "")
    if option is not None and has_option(facts, *option):
        return Found(None if plan.returns_client else "client.{}({})".format(*option))
    candidates = [*named(plan), *keys(plan, library)]
    sure = [one for one in candidates if one.name in OF_THE_REQUEST]
    candidates = sure or candidates
    if not candidates:
        return Found(None)
    why = reason_against(plan, candidates, library)
    if why:
        listed = ", ".join(one.name for one in candidates)
        return Found(None, f"the deadline does not reach {listed}: {why}")
    (found,) = candidates
    return Found(found.text + (NAMES[found.name] or unit_of(found)))


def as_said(plan: Plan, said: str, facts: ClassFacts) -> str:
    """Return the parameter that the user names: itself, a key of `**kwargs` by its bare name, and so on.

    Raises:
        RequestError: the method has no such thing.
    """
    bound = bound_named(said)
    names = [param.name for param in plan.params]
    catching = [param.name for param in plan.params if param.kind is Kind.VAR_KEYWORD]
    plain = [param.name for param in plan.params if param.kind not in VARIADIC]
    if bound is not None and bound.maker is not None and bound.option is not None:
        if not has_option(facts, bound.maker, bound.option):
            raise RequestError(
                f"deadline-parameter {said!r}: the client has no {bound.maker}({bound.option}=...)"
            )
        return said
    if bound is not None and bound.parameter in plain:
        return said
    if bound is not None and bound.key is not None and bound.parameter in names:
        return said
    if bound is not None and bound.key is None and catching:
        _, _, unit = said.partition(" in ")
        return f"{catching[0]}[{bound.parameter}]" + (f" in {unit}" if unit else "")
    raise RequestError(f"deadline-parameter {said!r}: {plan.label} has no such parameter")


def has_option(facts: ClassFacts, maker: str, option: str) -> bool:
    """Return whether the client has a method that takes an option; namespaces use that of the outermost client."""
    return any(
        member.name == maker and any(param.name == option for param in member.params or ())
        for member in facts.runtime.members
    )


def named(plan: Plan) -> Iterator[Candidate]:
    """Yield the parameters whose names suggest a limit."""
    for param in plan.params:
        if param.name in NAMES and param.kind not in VARIADIC:
            default = None if param.default is None else param.default.plain
            yield Candidate(param.name, param.name, types_of(plan, param), default)


def keys(plan: Plan, library: str | None) -> Iterator[Candidate]:
    """Yield the keys of `**kwargs` whose names suggest a limit: declared ones, else known or documented ones."""
    catching = [param for param in plan.params if param.kind is Kind.VAR_KEYWORD]
    if not catching:
        return
    (into,) = catching
    known = {param.name for param in plan.params}
    views = [*plan.params, *(plan.static_params or ())]
    declared = {key.name: key for param in views for key in param.keys}
    for one in declared.values():
        if one.name in NAMES and one.name not in known:
            default = None if one.required else ""
            yield Candidate(one.name, f"{into.name}[{one.name}]", types_in(one.annotation), default)
    key, methods = KNOWN_KEYS.get(library or "", ("", frozenset[str]()))
    if plan.label in methods and key not in known:
        yield Candidate(key, f"{into.name}[{key}]", frozenset(["float"]), "")
        return
    documented = documented_parameters(plan.doc) if plan.doc and not declared else {}
    for name, about in documented.items():
        if name in NAMES and name not in known:
            types = about.types or guessed_types(name, about)
            yield Candidate(name, f"{into.name}[{name}]", frozenset(types), "", about.text)


def guessed_types(name: str, about: Documented) -> set[str]:
    """Guess the type of an undeclared key: a number, if its name or its description says so.

    A whole number: some clients silently ignore a fraction, and then wait without limit.
    """
    sure = name in OF_THE_REQUEST or re.search(r"second|number|float", about.text, re.IGNORECASE)
    return {"int"} if sure else set()


def reason_against(plan: Plan, candidates: Sequence[Candidate], library: str | None) -> str:
    """Say why a parameter is no limit in spite of its name; nothing if it may be one."""
    if len(candidates) > 1:
        return "several could be meant"
    if library in OTHER_MEANING:
        return OTHER_MEANING[library]
    found = candidates[0]
    words = OTHER_WORDS.intersection(plan.label.rpartition(".")[2].lower().split("_"))
    if words and found.name not in OF_THE_REQUEST:
        return f"{min(words)!r} says that it may be something else"
    other = OTHER_DESCRIPTION.search(found.says or "")
    if other is not None:
        return f"{other[0]!r} in its description says that it may be something else"
    if found.default is None:
        return "it has to be given"
    if is_zero_or_less(found.default):
        return f"its default is {found.default}"
    if not found.types & {"float", "int", *TIMEOUT_TYPES}:
        return "its type is not known to be a number"
    return ""


def unit_of(found: Candidate) -> str:
    """Find the unit from name, type and description: a client may accept no fractions."""
    if re.search(r"millisecond|\bms\b", found.says or "", re.IGNORECASE):
        return " in ms"
    whole = "int" in found.types and not found.types & {"float", *TIMEOUT_TYPES}
    return " in whole seconds" if whole else ""


def types_of(plan: Plan, param: Param) -> frozenset[str]:
    """List the possible types of a parameter, by bare names."""
    signatures = [plan.params, plan.static_params or (), *(one.params for one in plan.overloads)]
    annotations = [
        other.annotation
        for params in signatures
        for other in params
        if other.name == param.name and other.annotation is not None
    ]
    return frozenset[str]().union(*map(types_in, annotations))


def types_in(annotation: Expression) -> frozenset[str]:
    """List the types of a union, by bare names."""
    parts = [part.strip() for part in annotation.plain.split("|")]
    return frozenset(part.partition("[")[0].rpartition(".")[2] for part in parts)


def is_zero_or_less(default: str) -> bool:
    """Return whether a default has a special meaning, such as no limit, or at once."""
    try:
        return float(default) <= 0
    except ValueError:
        return False
