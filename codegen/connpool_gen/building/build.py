"""Facts and request become the model of the output and the ledger: which members are wrapped, and how."""

from __future__ import annotations

from dataclasses import dataclass, replace

from connpool_gen.building.classifiers import library_of
from connpool_gen.building.model import ModuleModel
from connpool_gen.building.module import LackingNames, module_model
from connpool_gen.building.outline import Outline
from connpool_gen.config.request import GenerateRequest
from connpool_gen.errors import RequestError, TargetError
from connpool_gen.planning.both_ways import is_asynchronous
from connpool_gen.planning.deadline_parameters import deadline_parameter
from connpool_gen.planning.ledger import (
    DYNAMIC,
    LEFT_OUT,
    ONLY_STATIC,
    UNLISTED,
    Fate,
    Ledger,
    LedgerEntry,
)
from connpool_gen.planning.lifecycle import leaving_entry
from connpool_gen.planning.members import noted, plan_member
from connpool_gen.planning.namespaces import (
    Namespace,
    ledger_plans,
    plan_namespace,
    plan_namespace_attribute,
    without_unwanted,
)
from connpool_gen.planning.patterns import refuse_unmatched
from connpool_gen.planning.plan import Form, Plan, Skip
from connpool_gen.planning.reads.known_reads import with_reads
from connpool_gen.reading.facts import (
    ClassFacts,
)
from connpool_gen.verifying.remedies import NO_REMEDIES, Remedies


@dataclass(frozen=True, slots=True)
class Built:
    """The model of a module, and the ledger of its target."""

    module: ModuleModel
    ledger: Ledger


def build(
    facts: ClassFacts,
    request: GenerateRequest,
    remedies: Remedies = NO_REMEDIES,
    lacking: LackingNames = lambda uses: frozenset(),
) -> Built:
    """Decide what becomes of every public member and prepare all strings of the output.

    `remedies` are for members whose plan did not type-check, `lacking` says which names of annotations
    are not to be had at run time. Raises TargetError for a class without anything to wrap.
    """
    asynchronous = is_asynchronous(facts)
    namespaces = plan_namespaces(facts, request, asynchronous=asynchronous)
    plans: list[Plan | Skip] = [
        (
            plan_namespace_attribute(member, facts.static.get(member.name), namespaces[member.name])
            if member.name in namespaces
            else noted(
                plan_member(
                    member, facts, asynchronous=asynchronous, remedy=remedies.get(member.name)
                ),
                member,
            )
        )
        for member in facts.runtime.members
        if not is_pool_dunder(member.name)
    ]
    plans += [
        Skip(name, ONLY_STATIC)
        for name in sorted(facts.static.keys() - {member.name for member in facts.runtime.members})
    ]
    if (left := leaving_entry(facts, asynchronous=asynchronous)) is not None:
        plans.append(left)
    leaves = [plan for namespace in namespaces.values() for plan in ledger_plans(namespace)]
    unlisted = [Skip(DYNAMIC, UNLISTED)] if facts.runtime.dynamic else []
    names = {plan.name for plan in [*plans, *leaves, *unlisted]}
    library = library_of(request.module, facts.home)
    request = with_reads(request, facts, library, names)
    refuse_unmatched(request, names)
    plans = [wanted(plan, request) for plan in plans]
    refuse_empty(facts, request, plans)
    plans = [with_deadline(plan, library, request, facts) for plan in plans]
    entries = [ledger_entry(plan, facts) for plan in plans]
    # No plan: the wrapper has a `__getattr__` of its own, or must not have one.
    entries += [ledger_entry(wanted(plan, request), facts) for plan in unlisted]
    entries += [LedgerEntry(name=p.name, fate=p.fate, reason=p.reason) for p in leaves]
    kept = [namespaces[p.name] for p in plans if isinstance(p, Plan) and p.form is Form.NAMESPACE]
    outline = Outline(facts, request, tuple(plans), tuple(kept), asynchronous)
    return Built(module_model(outline, lacking), Ledger(tuple(entries)))


def with_deadline(
    plan: Plan | Skip, library: str | None, request: GenerateRequest, facts: ClassFacts
) -> Plan | Skip:
    """Add to a plan, for the ledger, why a parameter that looks like a limit of the call is not used as one."""
    if isinstance(plan, Skip):
        return plan
    said = request.policy(plan.label).deadline_parameter
    left_alone = deadline_parameter(plan, library, said, facts).left_alone
    reasons = [plan.reason, left_alone] if left_alone else [plan.reason]
    return replace(plan, reason="; ".join(reason for reason in reasons if reason))


def wanted(plan: Plan | Skip, request: GenerateRequest) -> Plan | Skip:
    """Return a plan, or that the user has left the member out."""
    return plan if is_wanted(plan, request) else Skip(plan.name, LEFT_OUT)


def is_wanted(plan: Plan | Skip, request: GenerateRequest) -> bool:
    """Return whether the user wants a member; members that close the pool stay unless `--exclude` names them."""
    closes = plan.fate is Fate.POOL and not request.excludes(plan.name)
    return closes or request.wants(plan.name)


def ledger_entry(plan: Plan | Skip, facts: ClassFacts) -> LedgerEntry:
    """Return a member's ledger entry; without a static view its types are Any."""
    static = facts.static.get(plan.name)
    distrusted = isinstance(plan, Plan) and plan.distrusted
    known = static is not None and not static.is_any and not distrusted
    settled = not isinstance(plan, Plan) or plan.inherited
    return LedgerEntry(
        name=plan.name, fate=plan.fate, reason=plan.reason, untyped=not known and not settled
    )


def plan_namespaces(
    facts: ClassFacts, request: GenerateRequest, *, asynchronous: bool
) -> dict[str, Namespace]:
    """Plan the namespaces that have something to call, without the methods that the user excluded."""
    found: dict[str, Namespace] = {}
    for name, inner in facts.namespaces.items():
        namespace = plan_namespace(inner, (name,), asynchronous=asynchronous)
        if namespace is not None:
            labels = [plan.name for plan in ledger_plans(namespace)]
            found[name] = without_unwanted(namespace, {n: request.wants_leaf(n) for n in labels})
    return found


def is_pool_dunder(name: str) -> bool:
    """Return whether the wrapper itself defines a special name: entering and leaving belong to the pool."""
    return name in ("__enter__", "__exit__", "__aenter__", "__aexit__")


def refuse_empty(facts: ClassFacts, request: GenerateRequest, plans: list[Plan | Skip]) -> None:
    """Refuse a wrapper without any member to call, and say why there is none."""
    if any(plan.fate in (Fate.WRAPPED, Fate.BROADCAST) for plan in plans):
        return
    if plans and (request.include or request.exclude):
        raise RequestError(f"{request.client}: --include and --exclude leave no method to wrap")
    hint = (
        "; its attributes come from __getattr__, and dynamic attributes cannot be enumerated"
        if facts.runtime.dynamic
        else ""
    )
    skipped = "; ".join(f"{p.name}: {p.reason}" for p in plans[:3] if isinstance(p, Skip))
    detail = f" ({skipped})" if skipped else ""
    raise TargetError(f"{request.client} has no public method that can be wrapped{hint}{detail}")
