"""Signatures: two views become one declaration, and what is declared is passed on as it was given."""

import inspect
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import connpool_runtime
from connpool_gen.planning.signature import (
    Owner,
    agree,
    arguments,
    default_expression,
    forwarding,
    forwarding_only_given,
    merged,
    parameter_list,
    running_only,
    static_only,
    unpacking,
)
from connpool_gen.reading.facts import Default, Expression, Kind, Ref, RuntimeParam, StaticParam
from tests.codegen.strategies import Parameter, parameter_source, signatures

OWNER = Owner(Ref("app", "C"), "get")
INT = Expression.of(Ref("builtins", "int"))


def running(name: str, kind: Kind, default: str | None = None) -> RuntimeParam:
    given = Default(text=default) if default is not None else None
    return RuntimeParam(name=name, kind=kind, default=given)


def static(name: str | None, kind: Kind, *, required: bool = True) -> StaticParam:
    return StaticParam(name=name, kind=kind, required=required, annotation=INT)


def text(expression: Expression) -> str:
    return "".join(p if isinstance(p, str) else p.qualname for p in expression.parts)


def seen(parameters: list[Parameter]) -> tuple[RuntimeParam, ...]:
    return tuple(running(p.name, Kind[p.kind.name], p.default) for p in parameters)


@given(signatures(st.sampled_from(["1", "None", "'x'"])))
def test_what_is_declared_is_what_was_read(parameters: list[Parameter]) -> None:
    """Names, kinds, order and defaults of a declaration are those of the original."""
    declared = text(parameter_list("me", running_only(seen(parameters), OWNER, None)))
    space: dict[str, Any] = {}
    source = f"def ours({declared}): ...\ndef theirs({parameter_source(parameters)}): ..."
    exec(source, space)
    ours = inspect.signature(space["ours"].__get__("me"))
    assert ours == inspect.signature(space["theirs"])


@given(signatures(st.sampled_from(["1", "None", "'x'"])), st.data(), st.booleans())
def test_what_is_passed_on_binds_identically(
    parameters: list[Parameter], data: st.DataObject, only_given: bool
) -> None:
    """A call forwarded through the tuple reaches the client with every argument where it was."""
    params = running_only(seen(parameters), OWNER, None)
    forwarded = text(forwarding_only_given(params) if only_given else forwarding(params))
    packed = arguments(params) if params else "()"
    declared = text(parameter_list("me", params))
    names = ", ".join(f"{p.name!r}: {p.name}" for p in parameters)
    space: dict[str, Any] = {"unless_default": connpool_runtime.unless_default}
    source = (
        f"def invoke(client_, packed_):\n    {unpacking(params) if params else '_'} = packed_\n"
        f"    return client_({forwarded})\n"
        f"def pack({declared}):\n    return {packed}\n"
        f"def target({parameter_source(parameters)}):\n    return {{{names}}}\n"
    )
    exec(source, space)
    args, kwargs = draw_call(parameters, data)
    pack = space["pack"].__get__("me")
    direct = space["target"](*args, **kwargs)
    assert space["invoke"](space["target"], pack(*args, **kwargs)) == direct


@given(signatures(st.sampled_from(["1", "None", "'x'"])))
def test_a_decorator_is_given_what_the_caller_gave(parameters: list[Parameter]) -> None:
    """Where only given arguments are forwarded, a call without optional arguments adds none by keyword on its way."""
    params = running_only(seen(parameters), OWNER, None)
    required = [p for p in parameters if p.default is None and p.kind.name == "KEYWORD_ONLY"]
    space: dict[str, Any] = {"unless_default": connpool_runtime.unless_default}
    source = (
        f"def invoke(client_, packed_):\n    {unpacking(params) if params else '_'} = packed_\n"
        f"    return client_({text(forwarding_only_given(params))})\n"
        f"def pack({text(parameter_list('me', params))}):\n    return {arguments(params) or '()'}\n"
        "def decorated(*args, **kwargs):\n    return args, kwargs\n"
    )
    exec(source, space)
    count = sum(p.default is None and p.kind < p.kind.VAR_POSITIONAL for p in parameters)
    packed = space["pack"]("me", *range(count), **{p.name: p.name for p in required})
    _, kwargs = space["invoke"](space["decorated"], packed)
    optional = {p.name for p in parameters if p.default is not None}
    assert optional & kwargs.keys() == set()


def draw_call(
    parameters: list[Parameter], data: st.DataObject
) -> tuple[list[object], dict[str, object]]:
    """Arguments that the parameters accept, each another object."""
    args: list[object] = []
    kwargs: dict[str, object] = {}
    for parameter in parameters:
        kind = parameter.kind
        if kind is kind.VAR_POSITIONAL:
            # Extra arguments need every place before them.
            if len(args) == sum(p.kind <= kind.POSITIONAL_OR_KEYWORD for p in parameters):
                args += [object() for _ in range(data.draw(st.integers(0, 2)))]
        elif kind is kind.VAR_KEYWORD:
            kwargs |= {f"extra_{n}": object() for n in range(data.draw(st.integers(0, 2)))}
        elif parameter.default is not None and data.draw(st.booleans()):
            continue
        elif len(args) != parameters.index(parameter) or kind is kind.KEYWORD_ONLY:
            # After a gap only a name can say which parameter is meant.
            if kind is not kind.POSITIONAL_ONLY:
                kwargs[parameter.name] = object()
        elif kind is kind.POSITIONAL_OR_KEYWORD and data.draw(st.booleans()):
            kwargs[parameter.name] = object()
        else:
            args.append(object())
    return args, kwargs


def test_views_agree_on_names_kinds_and_what_is_optional() -> None:
    """Both views must tell of the same parameters; a difference in any respect counts."""
    both = Kind.POSITIONAL_OR_KEYWORD
    view = (running("key", both), running("ttl", Kind.KEYWORD_ONLY, "1"))
    same = (static("key", both), static("ttl", Kind.KEYWORD_ONLY, required=False))
    assert agree(same, view, dunder=False)
    assert not agree(same[:1], view, dunder=False)
    assert not agree((static("name", both), same[1]), view, dunder=False)
    assert not agree((static("key", both, required=False), same[1]), view, dunder=False)
    assert not agree((static("key", Kind.POSITIONAL_ONLY), same[1]), view, dunder=False)


def test_nameless_parameters_agree_with_positional_only_ones() -> None:
    """What a type checker shows without a name may only be given by position."""
    nameless = (static(None, Kind.POSITIONAL_ONLY),)
    assert agree(nameless, (running("key", Kind.POSITIONAL_ONLY),), dunder=False)
    assert not agree(nameless, (running("key", Kind.POSITIONAL_OR_KEYWORD),), dunder=False)
    assert agree(nameless, (running("key", Kind.POSITIONAL_OR_KEYWORD),), dunder=True)


def test_stars_must_be_of_one_kind() -> None:
    """`*args` never agrees with `**args`, and their names count."""
    star, stars = Kind.VAR_POSITIONAL, Kind.VAR_KEYWORD
    assert agree((static("rest", star),), (running("rest", star),), dunder=False)
    assert not agree((static("rest", stars),), (running("rest", star),), dunder=False)
    assert not agree((static("others", star),), (running("rest", star),), dunder=False)


def test_annotations_come_from_the_checker_and_defaults_from_the_running_class() -> None:
    """The merged declaration has the one's types and the other's values."""
    both = Kind.POSITIONAL_OR_KEYWORD
    params = merged((static("n", both, required=False),), (running("n", both, "7"),), OWNER)
    assert text(parameter_list("self", params)) == "self, n: int = 7"


def test_a_static_view_has_dots_for_defaults() -> None:
    """A declaration for type checkers alone names no default values."""
    view = (
        static(None, Kind.POSITIONAL_ONLY),
        static("b", Kind.POSITIONAL_OR_KEYWORD, required=False),
        static("rest", Kind.VAR_POSITIONAL, required=False),
    )
    declared = text(parameter_list("self", static_only(view)))
    assert declared == "self, __arg0: int, b: int = ..., *rest: int"


def test_defaults_are_text_reference_or_fetched() -> None:
    """A literal is written, a name is imported, any other object is taken from the function."""
    both = Kind.POSITIONAL_OR_KEYWORD
    fetched = RuntimeParam(name="a", kind=both, default=Default())
    named = RuntimeParam(name="a", kind=both, default=Default(ref=Ref("app", "OMIT")))
    assert default_expression(running("a", both), OWNER) is None
    shown = [default_expression(p, OWNER) for p in (running("a", both, "1"), named, fetched)]
    assert [text(e) for e in shown if e is not None] == ["1", "OMIT", 'default_of(C, "get", "a")']
