"""The kinds of middleware that a config file may name, with their arguments.

The purpose of an argument and its default come from the class of the middleware; this module states the
allowed values. An argument that only a program can give is not here.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Any, cast

from connpool_runtime._extras import install
from connpool_runtime.config.tables import Entry, Node, Table
from connpool_runtime.connectors.config.errors import InvalidConfig, UnknownField
from connpool_runtime.connectors.config.fields import MASK
from connpool_runtime.options import Option
from connpool_runtime.options.durations import FORMS
from connpool_runtime.options.parsing import parse, read
from connpool_runtime.options.schema import schema_of_option
from connpool_runtime.options.validation import Rule, nearest

__all__ = [
    "MIDDLEWARE",
    "MiddlewareKind",
    "freeze_middleware",
    "middleware_table",
    "missing_arguments",
    "new_middleware",
]

_BUDGET = "retry_budget"
_AMOUNT = Rule.amount(0.001)
_CALLS = Rule.whole_number(1, "calls")


@dataclass(frozen=True, slots=True, kw_only=True)
class MiddlewareKind:
    """One kind of middleware.

    Attributes:
        module: where its class is; imported when it is wanted, for it may need a library.
        name: of the class.
        rules: what the values of its arguments must be, by their names.
        secret: the arguments that are never shown.
        budget: whether it takes the retry budget of the service.
        needs: the extra of the library that it needs; "" if it needs none.
    """

    module: str
    name: str
    rules: Mapping[str, Rule] = field(default_factory=dict[str, Rule])
    secret: frozenset[str] = frozenset()
    budget: bool = False
    needs: str = ""

    @property
    def cls(self) -> type[Any]:
        """The class; importing it may fail where its library is not installed."""
        module = import_module(f"connpool_runtime.middleware.{self.module}")
        return cast("type[Any]", getattr(module, self.name))


MIDDLEWARE: Mapping[str, MiddlewareKind] = MappingProxyType(
    {
        "adaptive_limit": MiddlewareKind(
            module="adaptive",
            name="AdaptiveLimit",
            rules={
                "initial": _CALLS,
                "least": _CALLS,
                "most": _CALLS,
                "smoothing": _AMOUNT,
                "tolerance": Rule.amount(1.0),
                "max_wait": Rule.seconds(),
            },
        ),
        "adaptive_throttle": MiddlewareKind(
            module="adaptive_throttle",
            name="AdaptiveThrottle",
            rules={
                "ratio": Rule.amount(1.0),
                "max_share": Rule.share(),
                "window": Rule.seconds_above_zero(),
                "minimum_calls": Rule.whole_number(0, "calls"),
                "failures": Rule.switch(),
                "per_method": Rule.switch(),
            },
        ),
        "attempt_tracing": MiddlewareKind(module="tracing", name="AttemptTracing", needs="otel"),
        "bulkhead": MiddlewareKind(
            module="bulkhead",
            name="Bulkhead",
            rules={
                "limit": _CALLS,
                "max_wait": Rule.seconds(),
                "max_waiting": Rule.whole_number(0, "calls"),
                "per_method": Rule.switch(),
            },
        ),
        "coalesce": MiddlewareKind(
            module="coalesce",
            name="Coalesce",
            rules={"max_calls": _CALLS, "max_waiting": Rule.whole_number(1, "callers")},
        ),
        "deadline": MiddlewareKind(
            module="deadline", name="Deadline", rules={"limit": Rule.seconds()}
        ),
        "error_log": MiddlewareKind(
            module="error_log", name="ErrorLog", rules={"messages": Rule.switch()}
        ),
        "exemplars": MiddlewareKind(module="exemplars", name="Exemplars", needs="otel"),
        "hedging": MiddlewareKind(
            module="hedging",
            name="Hedging",
            rules={
                "delay": Rule.seconds(),
                "quantile": Rule.amount(0.01),
                "max_hedges": Rule.whole_number(1, "attempts"),
            },
            budget=True,
        ),
        "logging": MiddlewareKind(module="logging", name="Logging", rules={"level": Rule.text()}),
        "method_breaker": MiddlewareKind(
            module="method_breaker",
            name="MethodBreaker",
            rules={"max_fails": Rule.whole_number(0, "calls"), "cooldown": Rule.seconds()},
        ),
        "rate_limit": MiddlewareKind(
            module="rate_limit",
            name="RateLimit",
            rules={"rate": _AMOUNT, "burst": _CALLS, "max_wait": Rule.seconds()},
        ),
        "retry": MiddlewareKind(
            module="retry",
            name="Retry",
            rules={
                "attempts": Rule.whole_number(1, "attempts"),
                "base": Rule.seconds(),
                "cap": Rule.seconds(),
                "unsent": Rule.switch(),
            },
            budget=True,
        ),
        "shared_rate_limit": MiddlewareKind(
            module="shared_rate_limit",
            name="SharedRateLimit",
            rules={
                "limit": Rule.text(),
                "storage": Rule.text(),
                "key": Rule.text(),
                "max_wait": Rule.seconds(),
                "timeout": Rule.seconds_above_zero(),
            },
            secret=frozenset({"storage"}),  # a URI may hold a password
            needs="limits",
        ),
        "timeout": MiddlewareKind(
            module="timeout", name="Timeout", rules={"limit": Rule.seconds()}
        ),
        "tracing": MiddlewareKind(module="tracing", name="Tracing", needs="otel"),
        _BUDGET: MiddlewareKind(
            module="retry_budget",
            name="RetryBudget",
            rules={"share": Rule.amount(0.0), "minimum": Rule.amount(0.0)},
        ),
    }
)
"""The kinds by the key that a file has for them. `retry_budget` is none of itself: `retry` and `hedging` share it."""

_MEANING = re.compile(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", re.MULTILINE)


@cache
def middleware_table() -> Table:
    """Return the table of all kinds: each may be true, a mapping of its arguments, or false."""
    return Table(
        does="what wraps the calls, by name; the order is that of the roles",
        entries={name: _table_of(kind) for name, kind in MIDDLEWARE.items()},
    )


def _table_of(kind: MiddlewareKind) -> Table:
    if not kind.rules:  # its class is not needed for that
        return Table(does=f"Needs the extra `{kind.needs}`.", switch=True)
    try:
        cls = kind.cls
    except ImportError:
        return Table(
            does=f"Needs the extra `{kind.needs}`.",
            entries={name: _entry(name, rule, None, "", kind) for name, rule in kind.rules.items()},
            switch=True,
        )
    # Python 3.13 and newer store docstrings without indentation, older ones as written.
    _, _, section = inspect.cleandoc(cls.__doc__ or "").partition("Arguments:\n")
    found = _MEANING.findall(section.partition("Raises:")[0])
    meanings = {name: " ".join(text.split()) for name, text in found}
    parameters = inspect.signature(cls.__init__).parameters
    entries: dict[str, Node] = {}
    for name, rule in kind.rules.items():
        default = parameters[name].default
        stated = None if default is inspect.Parameter.empty else default
        entries[name] = _entry(name, rule, stated, meanings.get(name, ""), kind)
    first = (cls.__doc__ or "").partition("\n")[0]
    return Table(does=first, entries=entries, switch=True)


def _entry(name: str, rule: Rule, default: object, does: str, kind: MiddlewareKind) -> Entry:
    secret = name in kind.secret
    option = Option(name=name, default=default, rule=rule, does=does, why="", reloadable=True)

    def check(path: str, given: Any) -> None:
        value = read(rule, given)
        if not rule.accepts(value):
            is_text = isinstance(value, str) and rule.kind == "seconds"
            allowed = FORMS if is_text else rule.words
            raise InvalidConfig(path, MASK if secret else repr(given), allowed)

    return Entry(
        name=name,
        words=rule.words,
        default=default,
        does=does,
        unit=rule.unit,
        reloadable=True,
        secret=secret,
        refers=secret,
        check=check,
        parse=lambda text: parse(rule, text),
        schema=schema_of_option(option),
    )


def freeze_middleware(given: Mapping[str, Any], place: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the middleware that plain data describes, with checked and immutable arguments.

    Arguments:
        given: by name: true, or a mapping of arguments; what is false or None is left out.
        place: where it is from, for errors.

    Raises:
        InvalidConfig: an argument is not allowed, is missing, or does not go with the others.
    """
    chosen: dict[str, Mapping[str, Any]] = {}
    for name, arguments in given.items():
        if arguments is None or arguments is False:
            continue
        chosen[name] = _read_arguments(name, arguments, f"{place}.{name}")
        if not MIDDLEWARE[name].needs:
            _make(name, chosen[name], f"{place}.{name}")
    if _BUDGET in chosen and not chosen.keys() & {"retry", "hedging"}:
        raise InvalidConfig(f"{place}.{_BUDGET}", "given", "left out without retry or hedging")
    return MappingProxyType(chosen)


def _read_arguments(name: str, given: object, place: str) -> Mapping[str, Any]:
    if given is True:
        return MappingProxyType({})
    if not isinstance(given, Mapping):
        raise InvalidConfig(place, "something else", "true, false or a mapping of arguments")
    rules, found = MIDDLEWARE[name].rules, dict[str, Any]()
    entries = cast("Table", middleware_table().entries[name]).entries
    for key, value in cast("Mapping[str, Any]", given).items():
        if key not in rules:
            raise UnknownField(f"{place}.{key}", "option", nearest(key, rules))
        if value is not None:
            cast("Entry", entries[key]).check(f"{place}.{key}", value)
            found[key] = read(rules[key], value)
    return MappingProxyType(found)


def new_middleware(config: Mapping[str, Mapping[str, Any]], place: str) -> dict[str, object]:
    """Create the middleware of a service by name; those that share a budget get the same one.

    Arguments:
        config: what `freeze_middleware` has returned.
        place: where it is from, for errors.

    Raises:
        InvalidConfig: arguments do not go together, or a library is not installed.
    """
    budget = None
    if _BUDGET in config:
        budget = _make(_BUDGET, config[_BUDGET], f"{place}.{_BUDGET}")
    made: dict[str, object] = {}
    for name, arguments in config.items():
        if name != _BUDGET:
            extra = {"budget": budget} if MIDDLEWARE[name].budget and budget is not None else {}
            made[name] = _make(name, {**arguments, **extra}, f"{place}.{name}")
    return made


def missing_arguments(name: str, given: object) -> list[str]:
    """Return the required arguments of a kind of middleware that are missing.

    Arguments:
        name: of the kind.
        given: true, or a mapping of arguments.
    """
    kind = MIDDLEWARE[name]
    try:
        parameters = inspect.signature(kind.cls.__init__).parameters
    except ImportError:  # the library of the middleware
        return []
    there: Mapping[str, Any] = cast("Any", given) if isinstance(given, Mapping) else {}
    return [
        each
        for each in kind.rules
        if parameters[each].default is inspect.Parameter.empty and there.get(each) is None
    ]


def _make(name: str, arguments: Mapping[str, Any], place: str) -> object:
    kind = MIDDLEWARE[name]
    try:
        cls = kind.cls
    except ImportError as error:
        allowed = f"left out without {error.name} ({install(str(kind.needs))})"
        raise InvalidConfig(place, "given", allowed) from None
    for argument in missing_arguments(name, arguments):
        raise InvalidConfig(f"{place}.{argument}", "left out", kind.rules[argument].words)
    try:
        return cls(**arguments)
    except ValueError as error:
        hidden = [str(arguments[one]) for one in kind.secret if one in arguments]
        said = str(error)
        for secret in hidden:
            said = said.replace(secret, MASK)
        argument, between, rest = said.partition(" must be ")
        if between and argument in kind.rules:
            raise _Refused(f"{place}.{argument}", f"{place}.{argument} must be {rest}") from None
        raise _Refused(place, f"{place}: {said}") from None


class _Refused(InvalidConfig):
    """A problem that the class of a middleware has reported itself."""

    def __init__(self, place: str, text: str) -> None:
        super().__init__(place, "", "")
        self.args = (text,)

    def __reduce__(self) -> tuple[type[InvalidConfig], tuple[str, str, str]]:
        return InvalidConfig, (self.field, "what was given", "allowed")
