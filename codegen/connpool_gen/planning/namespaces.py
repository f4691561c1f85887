"""Plans namespaces of a client (`client.chat.completions.create`): one small class for each in the output.

For type checkers the wrapper's `chat` is the client's own `Chat`, so every leaf has exactly its
type. What runs is a class of ours whose methods call the pool, one metric label per leaf.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from connpool_gen.planning.ledger import DYNAMIC, LEFT_OUT, ONLY_STATIC, UNLISTED, Fate, counted
from connpool_gen.planning.members import noted, plan_reading, unwritten
from connpool_gen.planning.methods import MethodPlanner
from connpool_gen.planning.plan import Form, Plan, Skip
from connpool_gen.planning.signature import ANY
from connpool_gen.reading.facts import (
    ClassFacts,
    MemberForm,
    RuntimeMember,
    StaticMember,
    StaticSignature,
)

METHODS = (
    MemberForm.FUNCTION,
    MemberForm.COROUTINE,
    MemberForm.GENERATOR,
    MemberForm.ASYNCGEN,
    MemberForm.CLASSMETHOD,
    MemberForm.STATICMETHOD,
)
PROPERTIES = (MemberForm.PROPERTY, MemberForm.CACHED_PROPERTY)
ANOTHER_PART = "its result is another namespace, and calls on that bypass the pool"
NEXT = ("__next__", "__anext__")
ENTERING = ("__enter__", "__exit__", "__aenter__", "__aexit__")


@dataclass(frozen=True, slots=True)
class Namespace:
    """One namespace: its path from the client, its members, the namespaces inside it."""

    path: tuple[str, ...]
    members: tuple[Plan, ...]
    skipped: tuple[Skip, ...]
    inner: tuple[Namespace, ...]

    @property
    def natural_name(self) -> str:
        """Return the class name: `chat.completions` -> `_ChatCompletions`; another namespace may have the same one."""
        words = [word for part in self.path for word in part.split("_")]
        return "_" + "".join(word[:1].upper() + word[1:] for word in words)

    @property
    def dotted(self) -> str:
        """`chat.completions`."""
        return ".".join(self.path)

    def walk(self) -> Iterator[Namespace]:
        """Yield this namespace and nested ones, inner ones first, since the outer ones use them."""
        for namespace in self.inner:
            yield from namespace.walk()
        yield self


def plan_namespace(
    facts: ClassFacts, path: tuple[str, ...], *, asynchronous: bool
) -> Namespace | None:
    """Plan a namespace; None if it has nothing to call, or is an iterator, so that it is better read as a whole."""
    if any(member.name in NEXT for member in facts.runtime.members):
        return None  # whose next item is meant, nobody could say
    found = {
        name: plan_namespace(inner, (*path, name), asynchronous=asynchronous)
        for name, inner in facts.namespaces.items()
    }
    inner = tuple(namespace for namespace in found.values() if namespace is not None)
    plans = [
        noted(plan_leaf(member, facts, path, asynchronous=asynchronous), member)
        for member in facts.runtime.members
        if found.get(member.name) is None
    ]
    plans += static_only_leaves(facts, path)
    members = tuple(plan for plan in plans if isinstance(plan, Plan))
    plans += [Skip(".".join((*path, DYNAMIC)), UNLISTED)] if facts.runtime.dynamic else []
    skipped = tuple(plan for plan in plans if isinstance(plan, Skip))
    called = any(not plan.is_value for plan in members)
    return Namespace(path, members, skipped, inner) if called or inner else None


def static_only_leaves(facts: ClassFacts, path: tuple[str, ...]) -> list[Plan | Skip]:
    """Skip members of a namespace that exist only for type checkers."""
    unseen = sorted(facts.static.keys() - {member.name for member in facts.runtime.members})
    return [Skip(".".join((*path, name)), ONLY_STATIC) for name in unseen]


def plan_leaf(
    member: RuntimeMember, facts: ClassFacts, path: tuple[str, ...], *, asynchronous: bool
) -> Plan | Skip:
    """Plan one member of a namespace: never lifecycle, and only its run-time view is written.

    For type checkers a namespace is the client's own class, so no member may be missing: one that the
    pool cannot call is read from one member instead.
    """
    dotted = ".".join((*path, member.name))
    static = facts.static.get(member.name)
    if (left := unwritten(member.name)) is not None:
        return replace(left, name=dotted)
    if member.name in ENTERING:
        return Skip(dotted, "lease a member to enter its namespace")
    if member.form not in METHODS:
        form = "property" if member.form in PROPERTIES else "attribute"
        return read_leaf(member, dotted, f"{form}, read from one member", asynchronous=asynchronous)
    another = static is not None and any(one.returns_client for one in static.signatures)
    static = of_a_part(static, generic=bool(facts.static_params))
    planner = MethodPlanner(member, static, facts, asynchronous=asynchronous)
    plan = planner.plan_call()
    if isinstance(plan, Skip):
        if member.name.startswith("__"):
            return replace(plan, name=dotted)
        reason = f"read from one member: {plan.reason}"
        return read_leaf(member, dotted, reason, asynchronous=asynchronous)
    return replace(
        plan,
        reason="; ".join(filter(None, (plan.reason, ANOTHER_PART if another else ""))),
        params=[replace(param, annotation=None) for param in plan.params],
        static_params=None,
        overloads=[],
        receiver=(),
        returns=None,
        result=None,
        typed_local=None,
        inherited=False,
        untyped=True,
        returns_client=False,
        label=dotted,
        access=f"client.{dotted}",
    )


def of_a_part(static: StaticMember | None, *, generic: bool) -> StaticMember | None:
    """Say that what a part returns of its own class is no client.

    A generic part is read once for all type arguments with which attributes hold it. So let each call decide
    whether what a type variable stands for is a stream.
    """
    if static is None:
        return None
    signatures = tuple(
        replace(
            one,
            returns_client=False,
            holds_client=one.holds_client and not one.returns_client,
            may_stream=one.may_stream or (generic and gives_a_variable(one)),
        )
        for one in static.signatures
    )
    return replace(static, signatures=signatures)


def gives_a_variable(signature: StaticSignature) -> bool:
    """Return whether a type variable itself is the result, and not a class that it is an argument of."""
    result = signature.inner or signature.returns
    return signature.generic and "[" not in result.parts


def read_leaf(member: RuntimeMember, dotted: str, reason: str, *, asynchronous: bool) -> Plan:
    """Plan a member of a namespace that is read from the member that the pool picks."""
    plan = plan_reading(member, None, reason, asynchronous=asynchronous, loosely=True)
    return replace(plan, returns=None, typed_local=None, label=dotted, access=f"client.{dotted}")


def plan_namespace_attribute(
    member: RuntimeMember, static: StaticMember | None, namespace: Namespace
) -> Plan:
    """Plan the wrapper's attribute that holds a namespace."""
    count = sum(len(part.members) for part in namespace.walk())
    return Plan(
        name=member.name,
        fate=Fate.WRAPPED,
        reason=f"namespace of {counted(count, 'member')}",
        form=Form.NAMESPACE,
        returns=static.value if static is not None and static.value is not None else ANY,
    )


def ledger_plans(namespace: Namespace) -> Iterator[Plan | Skip]:
    """Yield the plan of every method by its dotted name, for the ledger."""
    for part in namespace.walk():
        for plan in part.members:
            yield replace(plan, name=plan.label)
        yield from part.skipped


def without_unwanted(namespace: Namespace, wants: dict[str, bool]) -> Namespace:
    """Return a namespace without the methods that the user does not want."""
    kept = tuple(plan for plan in namespace.members if wants.get(plan.label, True))
    dropped = tuple(
        Skip(plan.label, LEFT_OUT) for plan in namespace.members if not wants.get(plan.label, True)
    )
    skipped = tuple(
        skip if wants.get(skip.name, True) else Skip(skip.name, LEFT_OUT)
        for skip in namespace.skipped
    )
    inner = tuple(without_unwanted(part, wants) for part in namespace.inner)
    return Namespace(namespace.path, kept, (*skipped, *dropped), inner)
