"""Merges two views of one signature into one declaration, or two if they disagree."""

from __future__ import annotations

from dataclasses import dataclass, replace

from connpool_gen.reading.facts import (
    VARIADIC,
    Expression,
    Kind,
    Ref,
    RuntimeParam,
    StaticKey,
    StaticParam,
)

ANY = Expression.of(Ref("typing", "Any"))
UNPACK = Ref("typing", "Unpack")
TUPLE, DICT, STR = (Ref("builtins", name) for name in ("tuple", "dict", "str"))
UNLESS_DEFAULT = Ref("connpool_runtime", "unless_default")
LEADING = Ref("connpool_runtime", "leading")
NOT_GIVEN = Ref("connpool_runtime", "NOT_GIVEN")
UNNAMED = {Kind.VAR_POSITIONAL: "args", Kind.VAR_KEYWORD: "kwargs"}


@dataclass(frozen=True, slots=True)
class Owner:
    """The method that a parameter belongs to, and its class."""

    client: Ref
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """One parameter of the output; `default` is an expression, None if it is required.

    `generic`: its annotation names type variables. `hidden`: only the client knows the default, so
    what is not given is not passed on. `keys` are those that `**kwargs` declares.
    """

    name: str
    kind: Kind
    annotation: Expression | None
    default: Expression | None
    by_position: bool = False
    hidden: bool = False
    generic: bool = False
    keys: tuple[StaticKey, ...] = ()


def agree(
    static: tuple[StaticParam, ...], running: tuple[RuntimeParam, ...], *, dunder: bool
) -> bool:
    """Return whether both views have the same names, kinds and optional parameters."""
    return len(static) == len(running) and all(
        same_parameter(s, r, dunder=dunder) for s, r in zip(static, running, strict=True)
    )


def same_parameter(static: StaticParam, running: RuntimeParam, *, dunder: bool) -> bool:
    """Return whether two views of one parameter agree."""
    if static.kind in VARIADIC or running.kind in VARIADIC:
        return static.kind is running.kind and static.name in (None, running.name)
    if static.required is not (running.default is None):
        return False
    if static.kind is Kind.POSITIONAL_ONLY and static.name is None:
        return running.kind is Kind.POSITIONAL_ONLY or (
            dunder and running.kind is Kind.POSITIONAL_OR_KEYWORD
        )
    return static.kind is running.kind and static.name == running.name


def is_private_positional(name: str) -> bool:
    """Return whether type checkers take a name for positional-only by an old convention: `__x`, also when mangled."""
    if name.endswith("__"):
        return False
    return name.startswith("__") or (name.startswith("_") and "__" in name[1:])


def must_be_positional(param: RuntimeParam) -> bool:
    """Return whether a parameter is positional-only, or type checkers take it for that by its name."""
    return param.kind is Kind.POSITIONAL_ONLY or (
        param.kind is Kind.POSITIONAL_OR_KEYWORD and is_private_positional(param.name)
    )


def is_mangled_in_a_class(name: str) -> bool:
    """Return whether a class body would mangle a name; only functions made outside a class have such parameters."""
    return name.startswith("__") and not name.endswith("__")


def merged(
    static: tuple[StaticParam, ...], running: tuple[RuntimeParam, ...], owner: Owner
) -> list[Param]:
    """Combine annotations of the static view with names and defaults of the run-time view."""
    return [
        Param(
            name=r.name,
            kind=r.kind,
            annotation=s.annotation,
            default=default_expression(r, owner),
            by_position=s.kind is Kind.POSITIONAL_ONLY or must_be_positional(r),
            hidden=r.default is not None and r.default.hidden,
            generic=s.generic,
            keys=s.keys,
        )
        for s, r in zip(static, running, strict=True)
    ]


def running_only(
    params: tuple[RuntimeParam, ...], owner: Owner, annotation: Expression | None
) -> list[Param]:
    """Take the run-time view with one annotation for every parameter."""
    return [
        Param(
            name=p.name,
            kind=p.kind,
            annotation=annotation,
            default=default_expression(p, owner),
            by_position=must_be_positional(p),
            hidden=p.default is not None and p.default.hidden,
        )
        for p in params
    ]


def static_only(params: tuple[StaticParam, ...]) -> list[Param]:
    """Take the static view with `...` for every default."""
    dots = Expression.of("...")
    return [
        Param(
            name=p.name or UNNAMED.get(p.kind, f"__arg{index}"),
            kind=p.kind,
            annotation=p.annotation,
            default=None if p.required or p.kind in VARIADIC else dots,
            keys=p.keys,
        )
        for index, p in enumerate(params)
    ]


def default_expression(param: RuntimeParam, owner: Owner) -> Expression | None:
    """Write a default: a literal as text, a name as a reference, else the original function's own object."""
    if param.default is None:
        return None
    if param.default.hidden:
        return Expression.of(NOT_GIVEN).running()
    if param.default.text is not None:
        return Expression.of(param.default.text)
    if param.default.ref is not None:
        return Expression.of(param.default.ref).running()
    fetch = Ref("connpool_runtime", "default_of")
    arguments = f', "{owner.method}", "{param.name}")'
    return Expression.of(fetch, "(", owner.client, arguments).running()


def parameter_list(
    receiver: str | Expression, params: list[Param], *, alone: bool = False
) -> Expression:
    """Write the parameters of a definition: `self, a, /, b=1, *args, c, **kwargs` with annotations.

    `alone` marks the receiver as positional-only, so that `**kwargs` may hold its name.
    """
    items = [Expression.of(receiver), *([Expression.of("/")] if alone else [])]
    slash = max((i for i, p in enumerate(params) if p.kind is Kind.POSITIONAL_ONLY), default=-1)
    starred = False
    for index, param in enumerate(params):
        starred = starred or param.kind is Kind.VAR_POSITIONAL
        if param.kind is Kind.KEYWORD_ONLY and not starred:
            items.append(Expression.of("*"))
            starred = True
        items.append(one_parameter(param))
        if index == slash and not legacy_positional(params[: slash + 1]):
            items.append(Expression.of("/"))
    return Expression.join(", ", items)


def legacy_positional(params: list[Param]) -> bool:
    """Return whether all parameters are spelled `__x`, which needs no slash."""
    return all(p.name.startswith("__arg") for p in params)


def one_parameter(param: Param) -> Expression:
    """Write one parameter: `name: annotation = default`, with its stars."""
    stars = {Kind.VAR_POSITIONAL: "*", Kind.VAR_KEYWORD: "**"}.get(param.kind, "")
    typed: list[str | Expression] = [stars + param.name]
    if param.annotation is not None:
        typed += [": ", param.annotation]
    if param.default is not None:
        typed += [" = " if param.annotation is not None else "=", param.default]
    return Expression.of(*typed)


def forces_positions(param: Param) -> bool:
    """Return whether all parameters before this one have to be passed by position."""
    return param.by_position or param.kind is Kind.VAR_POSITIONAL


def arguments(params: list[Param]) -> str:
    """Write the tuple of what the caller gave: `(name, value, args, kwargs)`."""
    names = [param.name for param in params]
    return f"({names[0]},)" if len(names) == 1 else f"({', '.join(names)})"


def unpacking(params: list[Param]) -> str:
    """Write the target that the tuple is unpacked into: `name, value`, `(name,)`."""
    return arguments(params) if len(params) == 1 else ", ".join(param.name for param in params)


def packed_type(params: list[Param]) -> Expression:
    """Write the type of the tuple: `tuple[str, tuple[int, ...], dict[str, Any]]`.

    A type variable means nothing outside its method: what is annotated by one is Any there.
    """
    return Expression.of(TUPLE, "[", Expression.join(", ", map(held_type, params)), "]")


def held_type(param: Param) -> Expression:
    """Write the type of one packed argument."""
    annotation = param.annotation if param.annotation is not None and not param.generic else ANY
    if param.kind is Kind.VAR_POSITIONAL:
        unpacked = annotation.parts[0] == UNPACK
        return Expression.of(TUPLE, "[", ANY if unpacked else annotation, ", ...]")
    if param.kind is Kind.VAR_KEYWORD:
        unpacked = annotation.parts[0] == UNPACK
        return ANY if unpacked else Expression.of(DICT, "[", STR, ", ", annotation, "]")
    return annotation


def forwarding(params: list[Param]) -> Expression:
    """Write how arguments are passed on: positional-only and `*args` by position, else by keyword.

    What goes by position forces everything before it to go by position too.
    """
    last = last_position(params)
    pieces: list[Expression] = []
    for index, param in enumerate(params):
        if param.kind in VARIADIC:
            stars = "*" if param.kind is Kind.VAR_POSITIONAL else "**"
            pieces.append(Expression.of(stars + param.name))
        elif index < last or param.by_position:
            pieces.append(Expression.of(param.name))
        else:
            pieces.append(Expression.of(f"{param.name}={param.name}"))
    return Expression.join(", ", pieces)


def forwarding_only_given(params: list[Param], *, watched: bool = True) -> Expression:
    """Write how arguments are passed on without those that the caller left out.

    A decorator that takes `*args, **kwargs` sees which arguments were given (redis warns about
    experimental ones, others count them), so ours must give what the caller gave: `watched`. Where
    only the client knows a default, nothing else can be done.
    """
    last = last_position(params)
    first_hidden = next((i for i, p in enumerate(params[: last + 1]) if p.hidden), last + 1)
    leading: list[Expression] = []
    named: list[Expression] = []
    pairs: list[Expression] = []
    rest: list[Expression] = []
    for index, param in enumerate(params):
        name = param.name
        if param.kind is Kind.VAR_KEYWORD:
            rest.append(Expression.of("**" + name))
        elif index <= last:
            placed = Expression.of("*" + name if param.kind is Kind.VAR_POSITIONAL else name)
            (leading if index >= first_hidden else named).append(placed)
        elif param.default is not None and (watched or param.hidden):
            pairs.append(Expression.of(f"{name}=({name}, ", param.default, ")"))
        else:
            named.append(Expression.of(f"{name}={name}"))
    start, by_name = named[:first_hidden], named[first_hidden:]
    up_to = [called("*", LEADING, leading)] if leading else []
    given = [called("**", UNLESS_DEFAULT, pairs)] if pairs else []
    return Expression.join(", ", [*start, *up_to, *by_name, *given, *rest])


def called(stars: str, function: Ref, items: list[Expression]) -> Expression:
    """Write `*function(a, b)`."""
    return Expression.of(stars, function, "(", Expression.join(", ", items), ")")


def has_hidden(params: list[Param]) -> bool:
    """Return whether only the client knows some parameter's default."""
    return any(param.hidden for param in params)


def by_position(params: list[Param], outer: tuple[RuntimeParam, ...]) -> list[Param]:
    """Mark the parameters that must be passed by position to a callable with the parameters `outer`.

    Those are the leading required ones, unless `outer` names them alike, and optional ones that it
    cannot be given by name.
    """
    catches = {param.kind for param in outer}
    named = [p.name for p in outer if p.kind is Kind.POSITIONAL_OR_KEYWORD]
    places = len([p for p in outer if p.kind not in (*VARIADIC, Kind.KEYWORD_ONLY)])
    by_name = {p.name for p in outer if p.kind in (Kind.POSITIONAL_OR_KEYWORD, Kind.KEYWORD_ONLY)}
    marked = list(params)
    for index, param in enumerate(params):
        reachable = index < places or Kind.VAR_POSITIONAL in catches
        if param.kind is not Kind.POSITIONAL_OR_KEYWORD or not reachable:
            break
        alike = index < len(named) and named[index] == param.name
        nameless = param.name not in by_name and Kind.VAR_KEYWORD not in catches
        if nameless or (param.default is None and not alike):
            marked[index] = replace(param, by_position=True)
    return marked


def last_position(params: list[Param]) -> int:
    """Find the last parameter that forces those before it to be passed by position; -1 if none does."""
    return max((i for i, p in enumerate(params) if forces_positions(p)), default=-1)
