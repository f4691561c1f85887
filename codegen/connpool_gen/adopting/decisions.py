"""Decides what becomes of each reference. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connpool_gen.adopting.records import MAKERS, TYPES, Imported, Kept, Left, Move, Role

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from connpool_gen.adopting.records import MoveTarget, Reference

ADVICE = {
    Role.SUBCLASS: (
        "a subclass of the client is a client of its own",
        "generate a wrapper for the subclass, or wrap where instances of it are made",
    ),
    Role.INSTANCE_CHECK: (
        "the wrapper is no instance of the client, so the check would change its answer",
        "decide by something else, or check for {wrapper} as well",
    ),
    Role.CLASS_OBJECT: (
        "it takes the class itself, not an object of it",
        "pass a factory: `Callable[..., {wrapper}]`",
    ),
    Role.VALUE: (
        "the class is used as a value here",
        "write {wrapper}, or a factory, where that is what is meant",
    ),
}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """The facts that decisions depend on beside the reference itself.

    `makes_clients` are (path, line, member) of class methods that give a client. `fixed_aliases` are
    type aliases that are also used as classes. `factories_late` and `wrappers_late` are the modules that the
    factory's or the wrapper's module imports itself, by target: importing it back would be a circle.
    `guarded` are references whose import may fail and that Python evaluates.
    """

    makes_clients: Collection[tuple[Path, int, str]]
    fixed_aliases: Collection[str]
    factories_late: Mapping[int, Collection[Path]]
    wrappers_late: Mapping[int, Collection[Path]]
    guarded: Collection[int]


@dataclass(slots=True)
class Decisions:
    """What becomes of all references: moved, left for a person, rightly kept."""

    moves: dict[int, Move] = field(default_factory=dict[int, Move])
    left: dict[int, Left] = field(default_factory=dict[int, Left])
    kept: list[Kept] = field(default_factory=list[Kept])

    def leave(self, reference: Reference, reason: str, advice: str) -> None:
        """Leave a reference unchanged, with the reason."""
        self.moves.pop(reference.key, None)
        self.left.setdefault(reference.key, left(reference, reason, advice))


def left(reference: Reference, reason: str, advice: str) -> Left:
    """Record why a reference is left."""
    what = (
        f"{reference.role.value} .{reference.member}" if reference.member else reference.role.value
    )
    return Left(reference.path.as_posix(), reference.line, what, reason, advice)


def decide(
    references: Sequence[Reference], targets: Sequence[MoveTarget], facts: Circumstances
) -> Decisions:
    """Decide about each reference on its own; whether the result type-checks is tested later."""
    decisions = Decisions()
    for reference in references:
        decide_one(reference, targets[reference.target], facts, decisions)
    return decisions


def decide_one(
    reference: Reference, target: MoveTarget, facts: Circumstances, decisions: Decisions
) -> None:
    """Decide about one reference."""
    if reference.role is Role.PATCH:
        return
    if reference.role in MAKERS:
        decide_maker(reference, target, facts, decisions)
    elif reference.role in TYPES:
        decide_type(reference, target, facts, decisions)
    elif reference.role in (Role.EXCEPT, Role.CLASS_ATTRIBUTE):
        decisions.kept.append(
            Kept(reference.path.as_posix(), reference.line, f"{reference.role.value}, unchanged")
        )
    else:
        reason, advice = ADVICE[reference.role]
        decisions.leave(reference, reason, advice.format(wrapper=target.wrapper.name))


def decide_type(
    reference: Reference, target: MoveTarget, facts: Circumstances, decisions: Decisions
) -> None:
    """Decide about a place that names a type."""
    if reference.alias:
        return  # the alias keeps its name, and gets another meaning
    if reference.role is Role.ALIAS and reference.binds in facts.fixed_aliases:
        reason = f"the alias {reference.binds} is also used as the class itself"
        decisions.leave(reference, reason, "use the alias for annotations only")
    elif reference.path in facts.wrappers_late.get(reference.target, ()):
        reason = (
            f"{target.wrapper.module} imports this module, so importing it here would be a circle"
        )
        decisions.leave(reference, reason, "import it for type checkers only, under TYPE_CHECKING")
    elif reference.key in facts.guarded:
        reason = "Python evaluates it although its import may fail"
        advice = "quote it, or put `from __future__ import annotations` on top of the file"
        decisions.leave(reference, reason, advice)
    else:
        decisions.moves[reference.key] = Move(reference, target.annotation)


def decide_maker(
    reference: Reference, target: MoveTarget, facts: Circumstances, decisions: Decisions
) -> None:
    """Decide about a place that creates a client: it calls the factory, if one was given."""
    called = reference.member if reference.role is Role.CLASS_CALL else ""
    if called and (reference.path, reference.line, called) not in facts.makes_clients:
        decisions.kept.append(
            Kept(reference.path.as_posix(), reference.line, f"call of the class method {called}")
        )
        return
    factory = target.factories.get(called)
    name = f"{target.client}.{called}" if called else target.client
    if factory is None:
        decisions.leave(
            reference,
            "only you can say which servers the pool talks to",
            f"give --factory {name}=MODULE:FUNCTION, or make a {target.wrapper.name} here",
        )
        decisions.moves[reference.key] = Move(reference, target.wrapper, stands_in=True)
    elif reference.path in facts.factories_late.get(reference.target, ()):
        reason = f"{factory.module} imports this module, so importing it here would be a circle"
        decisions.leave(reference, reason, "move the factory to a module that imports less")
    else:
        decisions.moves[reference.key] = Move(reference, factory)


def decide_patches(
    references: Sequence[Reference],
    targets: Sequence[MoveTarget],
    modules: Mapping[str, Path],
    decisions: Decisions,
) -> None:
    """Decide about tests that replace the client's class by its path, after everything else.

    A patch of `module.Client` replaces what the module calls to make one. Where all of these calls go
    to one factory now, its name in that module is what a test has to replace. A patch of a member of
    the class (`module.Client.get`) still does its work, for the wrapper calls the member.
    """
    for reference in references:
        if reference.role is not Role.PATCH:
            continue
        module, _, name = reference.patched.rpartition(".")
        made = [
            other
            for other in references
            if other.path == modules.get(module)
            and other.target == reference.target
            and other.role in MAKERS
        ]
        to = {d.to for o in made if (d := decisions.moves.get(o.key)) and not d.stands_in}
        unmoved = [o for o in made if o.key not in decisions.moves]
        wrapper = targets[reference.target].wrapper.name
        if reference.member or not to:
            at_home = module not in modules and not reference.member
            if at_home and targets[reference.target].factories:
                decisions.leave(
                    reference,
                    f"it replaces the class where it comes from, which a {wrapper} may have taken before",
                    "replace the factory where it is called",
                )
            else:
                what = f"patch of {reference.patched}, unchanged"
                decisions.kept.append(Kept(reference.path.as_posix(), reference.line, what))
        elif len(to) == 1 and not unmoved:
            decisions.moves[reference.key] = Move(reference, Imported(module, next(iter(to)).name))
        else:
            decisions.leave(
                reference,
                f"{module} makes clients in several ways now, and {name} is only one of them",
                "replace each of them",
            )
