"""One member's facts become its plan: what the member becomes in the wrapper. Methods have a planner of their own."""

from __future__ import annotations

from dataclasses import replace

from connpool_gen.identifiers import is_writable
from connpool_gen.planning.ledger import Fate
from connpool_gen.planning.methods import STARRED, MethodPlanner, deprecation, writable
from connpool_gen.planning.plan import Form, Plan, Skip
from connpool_gen.planning.signature import (
    ANY,
    Owner,
    agree,
    has_hidden,
    merged,
    running_only,
)
from connpool_gen.probe.members import COPYING, OF_EACH_OBJECT, TWO_SIDED
from connpool_gen.reading.facts import (
    ClassFacts,
    Expression,
    MemberForm,
    Ref,
    ResultKind,
    RuntimeMember,
    StaticMember,
)
from connpool_gen.verifying.remedies import Remedy

PROPERTY = Ref("builtins", "property")
VALUE_FORMS = (
    MemberForm.PROPERTY,
    MemberForm.CACHED_PROPERTY,
    MemberForm.CLASS,
    MemberForm.DATA,
    MemberForm.INSTANCE,
)
IN_PLACE = frozenset(f"__i{stem}__" for stem in TWO_SIDED)
MULTICALLABLES = ("UnaryUnary", "UnaryStream", "StreamUnary", "StreamStream")


def plan_member(
    member: RuntimeMember, facts: ClassFacts, *, asynchronous: bool, remedy: Remedy | None = None
) -> Plan | Skip:
    """Decide what one member becomes; `remedy` is for a member whose last plan did not type-check."""
    if (left := unwritten(member.name)) is not None:
        return left
    if remedy is Remedy.SKIP:
        return Skip(member.name, "no way to write it passes the type checker")
    loosely = remedy is not None
    static = facts.static.get(member.name)
    if static is not None and static.is_any and not facts.typed:
        static = None
    if remedy is Remedy.UNTYPED_CALL and member.form in VALUE_FORMS and must_inherit(static):
        static = None  # the client's own view does not type-check either
    match member.form:
        case MemberForm.CLASSMETHOD | MemberForm.STATICMETHOD:
            return plan_forward(member, static, facts, loosely=loosely or is_any(static))
        case MemberForm.PROPERTY | MemberForm.CACHED_PROPERTY:
            return plan_property(member, static, asynchronous=asynchronous, loosely=loosely)
        case MemberForm.CLASS | MemberForm.DATA:
            return plan_constant(member, static, loosely=loosely or is_any(static))
        case MemberForm.INSTANCE:
            return plan_instance(member, static, asynchronous=asynchronous, loosely=loosely)
        case (
            MemberForm.FUNCTION | MemberForm.COROUTINE | MemberForm.GENERATOR | MemberForm.ASYNCGEN
        ):
            planner = MethodPlanner(member, static, facts, asynchronous=asynchronous, remedy=remedy)
            return planner.plan()


def is_any(static: StaticMember | None) -> bool:
    """Return whether mypy takes a member for Any where the output reads it from the client class."""
    return static is not None and static.unchecked


def noted(plan: Plan | Skip, member: RuntimeMember) -> Plan | Skip:
    """Add notes for the user to a plan: how the member was read, and a stub's comments."""
    notes = [plan.reason, member.note]
    if isinstance(plan, Plan) and has_hidden(plan.params):
        names = ", ".join(param.name for param in plan.params if param.hidden)
        notes.append(f"only the client knows the default of {names}")
    plan = replace(plan, reason="; ".join(note for note in notes if note))
    return replace(plan, comments=member.comments) if isinstance(plan, Plan) else plan


def unwritten(name: str) -> Skip | None:
    """Skip what no source can write, or what is no member's property."""
    if not is_writable(name):
        return Skip(name, "its name cannot be written in source")
    return special(name)


def special(name: str) -> Skip | None:
    """Decide about special methods for which one member cannot stand in."""
    if name == "__await__":
        return Skip(name, "lifecycle: await each client before adding it")
    if name in COPYING:
        return Skip(name, "a client's own way to be copied or pickled")
    if name in OF_EACH_OBJECT:
        return Skip(name, "the wrapper is an object of its own", Fate.POOL)
    if name in IN_PLACE:
        return Skip(name, "it changes one client in place: lease a member to do that")
    return None


def plan_property(
    member: RuntimeMember, static: StaticMember | None, *, asynchronous: bool, loosely: bool
) -> Plan:
    """Plan a property, which is read from the member that the pool picks."""
    settable = " (read only here: set it on each client)" if member.settable else ""
    return plan_reading(
        member,
        static,
        f"property, read from one member{settable}",
        asynchronous=asynchronous,
        loosely=loosely,
    )


def plan_reading(
    member: RuntimeMember,
    static: StaticMember | None,
    reason: str,
    *,
    asynchronous: bool,
    loosely: bool,
) -> Plan:
    """Plan an attribute that each member has of its own: it is read from the one that the pool picks."""
    inherit = must_inherit(static)
    value = known_value(static)
    deprecated = deprecation(member, static)
    loosely = loosely or deprecated is not None
    loosely = loosely or (static is not None and (static.generic or is_uncertain(member, static)))
    return Plan(
        name=member.name,
        fate=Fate.PASSED,
        reason=reason,
        form=(Form.PROPERTY_SYNC if asynchronous and not member.async_getter else Form.PROPERTY),
        pooled=True,
        decorators=(PROPERTY,),
        returns=value,
        result=None if loosely or inherit else value,
        typed_local=value if loosely and not inherit else None,
        inherited=inherit,
        untyped=loosely or inherit,
        deprecated=deprecated,
        returns_client=static is not None and static.is_client,
        doc=member.doc,
        access=f"client.{member.name}",
        label=member.name,
    )


def is_uncertain(member: RuntimeMember, static: StaticMember) -> bool:
    """Return whether type checkers may infer different types for a value, so that only the property states its type.

    A method without annotations, or a second statement, may set it to anything: mypy keeps the type of the
    first value, and pyright joins the types of all.
    """
    again = static.inferred and (member.set_untyped or member.set_again)
    return (again or static.guessed) and static.value != ANY


def must_inherit(static: StaticMember | None) -> bool:
    """Return whether the type of a value has no spelling, so that type checkers take it from the client."""
    return static is not None and static.value is None


def known_value(static: StaticMember | None) -> Expression:
    """Return the type of a value; Any if it is unknown or has no spelling."""
    return static.value if static is not None and static.value is not None else ANY


def plan_constant(member: RuntimeMember, static: StaticMember | None, *, loosely: bool) -> Plan:
    """Plan a class attribute, which is the same for every member, so the client class gives it."""
    inherit = must_inherit(static)
    value = known_value(static)
    loosely = loosely or (static is not None and is_uncertain(member, static))
    return Plan(
        name=member.name,
        fate=Fate.PASSED,
        reason="class attribute, read from the client class",
        form=Form.CONSTANT,
        decorators=(PROPERTY,),
        returns=value,
        typed_local=value if loosely and not inherit else None,
        inherited=inherit,
    )


def plan_instance(
    member: RuntimeMember, static: StaticMember | None, *, asynchronous: bool, loosely: bool
) -> Plan:
    """Plan an instance attribute: gRPC's callables are pooled, others are read from one member."""
    typed = static.value_class if static is not None else None
    kind = multicallable(typed) or multicallable(qualified(member.value_class))
    if kind is None:
        reason = "attribute, read from one member (read only here: set it on each client)"
        return plan_reading(member, static, reason, asynchronous=asynchronous, loosely=loosely)
    return Plan(
        name=member.name,
        fate=Fate.WRAPPED,
        form=Form.CALLABLE,
        pooled=True,
        returns=static.value if static is not None else None,
        untyped=typed is None,
        access=f"run(client.{member.name})",
        label=member.name,
        runtime_class=kind,
    )


def qualified(ref: Ref | None) -> str | None:
    """Return the full name of a class."""
    return f"{ref.module}.{ref.qualname}" if ref is not None else None


def multicallable(name: str | None) -> Ref | None:
    """Find the runtime class that pools a gRPC callable of this class."""
    name = name or ""
    for kind in MULTICALLABLES:
        if name == f"grpc.{kind}MultiCallable":
            return Ref("connpool_runtime.grpc", f"Pooled{kind}")
        if name.startswith("grpc.aio.") and name.endswith(f".{kind}MultiCallable"):
            return Ref("connpool_runtime.grpc_aio", f"AsyncPooled{kind}")
    return None


def plan_forward(
    member: RuntimeMember, static: StaticMember | None, facts: ClassFacts, *, loosely: bool
) -> Plan:
    """Plan a class or static method, which needs no member: the client class runs it."""
    signature = static.signatures[0] if static is not None and len(static.signatures) == 1 else None
    running = writable(member.params)
    if static is not None and (
        signature is None or running is None or not agree(signature.params, running, dunder=False)
    ):
        return plan_inherited_forward(member, facts)
    owner = Owner(facts.ref, member.name)
    coroutine = signature is not None and signature.result is ResultKind.COROUTINE
    params = running_only(running if running is not None else STARRED, owner, ANY)
    returns: Expression | None = ANY
    if signature is not None and running is not None:
        params = merged(signature.params, running, owner)
        returns = signature.inner if coroutine else signature.returns
    return Plan(
        name=member.name,
        fate=Fate.PASSED,
        reason=f"{member.form} of the client class",
        form=Form.FORWARD_AWAIT if coroutine else Form.FORWARD,
        coroutine=coroutine,
        decorators=(Ref("builtins", "classmethod"),),
        params=params,
        returns=returns,
        # On a generic class, a bare name would stand for the class with its parameters' defaults.
        typed_local=(
            returns
            if loosely or signature is None or signature.untyped or facts.type_params
            else None
        ),
        deprecated=deprecation(member, static),
        doc=member.doc,
    )


def plan_inherited_forward(member: RuntimeMember, facts: ClassFacts) -> Plan:
    """Plan a class or static method whose types cannot be restated: they are taken from the client."""
    running = writable(member.params)
    owner = Owner(facts.ref, member.name)
    return Plan(
        name=member.name,
        fate=Fate.PASSED,
        reason=f"{member.form} of the client class; static view inherited from the client",
        form=Form.FORWARD,
        decorators=(Ref("builtins", "classmethod"),),
        params=running_only(running if running is not None else STARRED, owner, ANY),
        returns=ANY,
        typed_local=ANY,
        inherited=True,
        deprecated=member.deprecated,
        doc=member.doc,
    )
