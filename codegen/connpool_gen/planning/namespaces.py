"""Namespaces of a client (`client.chat.completions.create`): one small class for each in the output.

For type checkers the wrapper's `chat` is the client's own `Chat`, so every leaf has exactly its
type. What runs is a class of ours whose methods call the pool, one metric label per leaf.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from connpool_gen.planning.ledger import LEFT_OUT, Fate
from connpool_gen.planning.methods import MethodPlanner
from connpool_gen.planning.plan import Form, Plan, Skip
from connpool_gen.planning.signature import ANY
from connpool_gen.reading.facts import ClassFacts, MemberForm, RuntimeMember, StaticMember

METHODS = (
    MemberForm.FUNCTION,
    MemberForm.COROUTINE,
    MemberForm.GENERATOR,
    MemberForm.ASYNCGEN,
)


@dataclass(frozen=True, slots=True)
class Namespace:
    """One namespace: its path from the client, its methods, the namespaces inside it."""

    path: tuple[str, ...]
    methods: tuple[Plan, ...]
    skipped: tuple[Skip, ...]
    inner: tuple[Namespace, ...]

    @property
    def class_name(self) -> str:
        """`chat.completions` -> `_ChatCompletions`."""
        words = [word for part in self.path for word in part.split("_")]
        return "_" + "".join(word[:1].upper() + word[1:] for word in words)

    @property
    def dotted(self) -> str:
        """`chat.completions`."""
        return ".".join(self.path)

    def walk(self) -> Iterator[Namespace]:
        """Yield this namespace and those inside it, inner ones first: the outer ones use them."""
        for namespace in self.inner:
            yield from namespace.walk()
        yield self


def plan_namespace(
    facts: ClassFacts, path: tuple[str, ...], *, asynchronous: bool
) -> Namespace | None:
    """Plan a namespace; None if there is nothing in it to call."""
    plans = [
        plan_leaf(member, facts, path, asynchronous=asynchronous)
        for member in facts.runtime.members
        if member.form in METHODS and not member.name.startswith("_")
    ]
    found = (
        plan_namespace(inner, (*path, name), asynchronous=asynchronous)
        for name, inner in facts.namespaces.items()
    )
    inner = tuple(namespace for namespace in found if namespace is not None)
    methods = tuple(plan for plan in plans if isinstance(plan, Plan))
    skipped = tuple(plan for plan in plans if isinstance(plan, Skip))
    return Namespace(path, methods, skipped, inner) if methods or inner else None


def plan_leaf(
    member: RuntimeMember, facts: ClassFacts, path: tuple[str, ...], *, asynchronous: bool
) -> Plan | Skip:
    """Plan one method of a namespace: never lifecycle, and only its run-time view is written."""
    static = facts.static.get(member.name)
    planner = MethodPlanner(member, static, facts, asynchronous=asynchronous)
    plan = planner.plan_call()
    dotted = ".".join((*path, member.name))
    if isinstance(plan, Skip):
        return replace(plan, name=dotted)
    return replace(
        plan,
        params=[replace(param, annotation=None) for param in plan.params],
        static_params=None,
        overloads=[],
        returns=None,
        result=None,
        typed_local=None,
        inherited=False,
        untyped=True,
        returns_client=False,
        label=dotted,
        access=f"client.{dotted}",
    )


def plan_namespace_attribute(
    member: RuntimeMember, static: StaticMember | None, namespace: Namespace
) -> Plan:
    """Plan the wrapper's attribute that holds a namespace."""
    count = sum(len(part.methods) for part in namespace.walk())
    return Plan(
        name=member.name,
        fate=Fate.WRAPPED,
        reason=f"namespace of {count} methods",
        form=Form.NAMESPACE,
        returns=static.value if static is not None and static.value is not None else ANY,
    )


def ledger_plans(namespace: Namespace) -> Iterator[Plan | Skip]:
    """Yield the plan of every method by its dotted name, for the ledger."""
    for part in namespace.walk():
        for plan in part.methods:
            yield replace(plan, name=plan.label)
        yield from part.skipped


def without_unwanted(namespace: Namespace, wants: dict[str, bool]) -> Namespace:
    """Copy a namespace without the methods that the user does not want."""
    kept = tuple(plan for plan in namespace.methods if wants.get(plan.label, True))
    dropped = tuple(
        Skip(plan.label, LEFT_OUT) for plan in namespace.methods if not wants.get(plan.label, True)
    )
    inner = tuple(without_unwanted(part, wants) for part in namespace.inner)
    return Namespace(namespace.path, kept, (*namespace.skipped, *dropped), inner)
