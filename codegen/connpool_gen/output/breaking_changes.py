"""Decides whether code that uses a wrapper still fits: each change of its surface is breaking or compatible.

A change is breaking if some call or some annotation that was right before may be wrong now. Types are compared
as they are written: a union with more members takes more and promises less, and `Any` fits everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from connpool_gen.output.public_surface import (
    BY_BOTH,
    ONLY_BY_NAME,
    ONLY_BY_PLACE,
    REST,
    Member,
    Parameter,
    Signature,
    Surface,
    Type,
    read_surface,
)

ANYTHING = frozenset({"typing.Any", "object", ""})
# The kinds of parameters that accept all calls that another kind accepts.
WIDER_KINDS = {(ONLY_BY_PLACE, BY_BOTH), (ONLY_BY_NAME, BY_BOTH)}


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the surface, in words."""

    text: str
    breaking: bool


def surface_changes(old: str | None, new: str) -> tuple[Change, ...]:
    """Compare two versions of a module, breaking changes first; `old` is None for one that did not exist.

    A version that is no Python had no callers, and has none.
    """
    if old is None:
        return (Change("the wrapper is new", breaking=False),)
    try:
        before, after = read_surface(old), read_surface(new)
    except SyntaxError:
        return (Change("the old file is not valid Python", breaking=False),)
    found = dict.fromkeys(changes(before, after))
    return tuple(sorted(found, key=lambda change: not change.breaking))


def changes(before: Surface, after: Surface) -> Iterator[Change]:
    """Yield the differences between two surfaces."""
    if before.wrapper != after.wrapper:
        yield broken(f"wrapper renamed: {before.wrapper} -> {after.wrapper}")
    if before.bases.full != after.bases.full:
        yield broken(f"bases of the wrapper changed: {shown(before.bases, after.bases)}")
    for name, old in before.members.items():
        new = after.members.get(name)
        if new is None:
            yield broken(f"{old.kind} removed: {name}")
        else:
            yield from member_changes(name, old, new)
    for name in after.members.keys() - before.members.keys():
        yield Change(f"{after.members[name].kind} added: {name}", breaking=False)
    if before.protocol:
        for name in sorted(after.protocol - before.protocol):
            yield broken(f"the Protocol asks for one more: {name}")


def broken(text: str) -> Change:
    """Return a breaking change."""
    return Change(text, breaking=True)


def member_changes(name: str, old: Member, new: Member) -> Iterator[Change]:
    """Yield the differences of a member that both versions have."""
    if old.kind != new.kind:
        yield broken(f"{name} is now a {new.kind}, it was a {old.kind}")
        return
    if new.deprecated is not None and old.deprecated is None:
        yield Change(f"{name} is deprecated: {new.deprecated}", breaking=False)
    if old.settable != new.settable:
        can = "can be set now" if new.settable else "cannot be set any more"
        yield Change(f"{name} {can}", breaking=old.settable)
    yield from result_changes(f"type of {name}", old.type, new.type)
    if len(old.signatures) == len(new.signatures) == 1:
        yield from signature_changes(name, old.signatures[0], new.signatures[0])
    elif old.signatures != new.signatures:
        yield from overload_changes(name, old, new)


def overload_changes(name: str, old: Member, new: Member) -> Iterator[Change]:
    """Yield overloads that no longer fit any signature; new ones are compatible."""
    lost = [
        one
        for one in old.signatures
        if all(any(c.breaking for c in signature_changes(name, one, n)) for n in new.signatures)
    ]
    for one in lost:
        yield broken(f"{name} no longer fits {one}")
    if not lost:
        yield Change(f"overloads of {name} changed; each old one still fits", breaking=False)


def signature_changes(name: str, old: Signature, new: Signature) -> Iterator[Change]:
    """Yield the differences between two signatures."""
    if old.asynchronous != new.asynchronous:
        yield broken(f"{name} is now {'async' if new.asynchronous else 'sync'}")
    yield from parameter_changes(name, old, new)
    yield from result_changes(f"result of {name}", old.result, new.result)


def parameter_changes(name: str, old: Signature, new: Signature) -> Iterator[Change]:
    """Yield added, removed and changed parameters. A positional-only one may be renamed."""
    renamed = dict(renamed_in_place(old, new))
    before = {renamed.get(p.name, p.name): p for p in old.parameters}
    after = {p.name: p for p in new.parameters}
    for param, was in before.items():
        if param not in after:
            yield broken(f"parameter removed: {name}({was.name})")
        else:
            yield from changed_parameter(f"{name}({param})", was, after[param])
    for param, now in after.items():
        if param not in before:
            yield Change(f"parameter added: {name}({param})", breaking=not now.is_optional)
    if moved(before, new):
        yield broken(f"the places of {name}'s parameters changed")


def renamed_in_place(old: Signature, new: Signature) -> Iterator[tuple[str, str]]:
    """Yield the old and new names of parameters that are passed by position only."""
    names = {p.name for p in new.parameters}
    for was, now in zip(old.parameters, new.parameters, strict=False):
        if was.kind == ONLY_BY_PLACE and now.has_place and was.name not in names:
            yield was.name, now.name


def moved(before: dict[str, Parameter], new: Signature) -> bool:
    """Return whether a parameter that can be passed by position has another position now."""
    old = [name for name, p in before.items() if p.has_place]
    places = [p.name for p in new.parameters if p.has_place]
    return any(old.index(name) != places.index(name) for name in old if name in places)


def changed_parameter(where: str, was: Parameter, now: Parameter) -> Iterator[Change]:
    """Yield the differences of one parameter."""
    if was.kind != now.kind:
        wider = (was.kind, now.kind) in WIDER_KINDS
        yield Change(f"kind of {where} changed: {was.kind} -> {now.kind}", breaking=not wider)
    if was.default != now.default and was.kind not in REST:
        text = f"default of {where} changed: {was.default or 'none'} -> {now.default or 'none'}"
        yield Change(text, breaking=bool(was.default))
    if was.type.full != now.type.full:
        takes_all = fits(was.type, now.type)
        yield Change(f"{where} takes {shown(was.type, now.type)}", breaking=not takes_all)


def result_changes(where: str, was: Type, now: Type) -> Iterator[Change]:
    """Yield a change of the type that a caller gets."""
    if was.full != now.full:
        promised = fits(now, was)
        yield Change(f"{where} changed: {shown(was, now)}", breaking=not promised)


def fits(inner: Type, outer: Type) -> bool:
    """Return whether every value of one type also has the other type, as far as the texts show."""
    anything = inner.full in ANYTHING or outer.full in ANYTHING
    return anything or inner.choices <= outer.choices


def shown(was: Type, now: Type) -> str:
    """Return both types as text, with full names if they would look the same."""
    if was.text == now.text:
        return f"{was.full} -> {now.full}"
    return f"{was.text or 'Any'} -> {now.text or 'Any'}"
