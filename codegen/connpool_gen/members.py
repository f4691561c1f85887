"""One member's facts -> its plan: what becomes of it, and in which form it is written.

The form follows the *result*, not the word `async`: a lease ends when the result ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from connpool_gen.facts import (
    ClassFacts,
    Expression,
    Kind,
    Ref,
    RuntimeMember,
    RuntimeParam,
    StaticMember,
    StaticSignature,
)
from connpool_gen.ledger import Fate
from connpool_gen.signature import (
    ANY,
    VARIADIC,
    Param,
    agree,
    is_mangled_in_a_class,
    merged,
    running_only,
    static_only,
)
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CLOSERS = ("close", "aclose")
CLOSERS_OF_LAST_RESORT = ("shutdown", "disconnect")
OPENERS = ("connect", "open", "initialize")
MANAGERS = {
    "context": (Ref("contextlib", "contextmanager"), Ref("collections.abc", "Generator")),
    "async_context": (
        Ref("contextlib", "asynccontextmanager"),
        Ref("collections.abc", "AsyncGenerator"),
    ),
}
PLAIN_MANAGERS = {
    "context": Ref("contextlib", "AbstractContextManager"),
    "async_context": Ref("contextlib", "AbstractAsyncContextManager"),
}
MULTICALLABLES = ("UnaryUnary", "UnaryStream", "StreamUnary", "StreamStream")
ASYNC_RESULTS = ("coroutine", "awaitable", "async_iterator", "async_context", "awaitable_context")
STARRED = (
    RuntimeParam(name="args", kind=Kind.VAR_POSITIONAL),
    RuntimeParam(name="kwargs", kind=Kind.VAR_KEYWORD),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All decisions about one member; names are still references."""

    name: str
    fate: Fate
    reason: str = ""
    form: str = ""
    pooled: bool = False
    coroutine: bool = False
    decorators: tuple[Ref, ...] = ()
    params: list[Param] = field(default_factory=list[Param])
    static_params: list[Param] | None = None
    overloads: list[tuple[list[Param], Expression]] = field(
        default_factory=list[tuple[list[Param], Expression]]
    )
    returns: Expression | None = None
    result: Expression | None = None
    hop: Expression | None = None
    inherited: bool = False
    doc: str | None = None
    access: str = ""
    label: str = ""
    runtime_class: Ref | None = None
    untyped: bool = False

    @property
    def is_value(self) -> bool:
        """Whether the member is read, not called."""
        return self.form in ("property", "property_sync", "callable")

    def excluded(self) -> Plan:
        """The same member, left out because the user asked for it."""
        return skip(self.name, "left out by --include/--exclude")

    def static_needs(self) -> Iterable[Expression | Ref | None]:
        """Names that only annotations use."""
        for params in (self.params, self.static_params or [], *(p for p, _ in self.overloads)):
            yield from (param.annotation for param in params)
        yield from (returns for _, returns in self.overloads)
        yield from (self.returns, self.hop)
        yield (self.result or ANY) if self.pooled else None

    def runtime_needs(self) -> Iterable[Expression | Ref | None]:
        """Names that are used when the module runs: default values."""
        yield from (param.default for param in self.params)
        yield self.runtime_class


def skip(name: str, reason: str) -> Plan:
    """A member the wrapper will not have."""
    return Plan(name=name, fate=Fate.SKIPPED, reason=reason)


def plan_member(
    member: RuntimeMember, facts: ClassFacts, *, asynchronous: bool, inherit: bool
) -> Plan:
    """Decide one member's fate."""
    static = facts.static.get(member.name)
    if static is not None and static.is_any and not facts.typed:
        static = None
    if member.form in ("classmethod", "staticmethod"):
        return plan_forward(member, static, facts)
    if member.form in ("property", "cached_property"):
        return plan_property(member, static, asynchronous=asynchronous)
    if member.form in ("class", "data"):
        return plan_constant(member, static)
    if member.form == "instance":
        return plan_instance(member, static)
    return MethodPlanner(member, static, facts, asynchronous=asynchronous, inherit=inherit).plan()


# ---------------------------------------------------------------- members that are not methods


def plan_property(
    member: RuntimeMember, static: StaticMember | None, *, asynchronous: bool
) -> Plan:
    """A property is read from the next member."""
    if static is not None and static.value is None:
        return skip(member.name, f"property: {static.problem or 'its type is a bare signature'}")
    value = static.value if static is not None and static.value is not None else ANY
    settable = " (read only here: set it on each client)" if member.settable else ""
    return Plan(
        name=member.name,
        fate=Fate.PASSED,
        reason=f"property, read from one member{settable}",
        form="property_sync" if asynchronous and not member.async_getter else "property",
        pooled=True,
        decorators=(Ref("builtins", "property"),),
        returns=value,
        result=value,
        doc=member.doc,
        access=f"client.{member.name}",
        label=member.name,
    )


def plan_constant(member: RuntimeMember, static: StaticMember | None) -> Plan:
    """A value of the class is the same for every member."""
    if static is not None and static.value is None:
        return skip(member.name, f"class attribute: {static.problem or 'not a plain value'}")
    return Plan(
        name=member.name,
        fate=Fate.PASSED,
        reason="class attribute, read from the client class",
        form="constant",
        decorators=(Ref("builtins", "property"),),
        returns=static.value if static is not None else ANY,
        doc=None,
    )


def plan_instance(member: RuntimeMember, static: StaticMember | None) -> Plan:
    """Only gRPC's callables are useful without knowing which member holds them."""
    kind = multicallable(static)
    if static is None or kind is None:
        return skip(member.name, "attribute of one client; lease a member to read it")
    return Plan(
        name=member.name,
        fate=Fate.WRAPPED,
        form="callable",
        pooled=True,
        returns=static.value,
        access=f"args[0](client.{member.name})",
        label=member.name,
        runtime_class=Ref("connpool_runtime.grpc", kind),
    )


def multicallable(static: StaticMember | None) -> str | None:
    """The runtime class that pools a gRPC callable of this type."""
    name = static.value_class if static is not None else None
    for kind in MULTICALLABLES:
        if name == f"grpc.{kind}MultiCallable":
            return f"Pooled{kind}"
        if (
            name is not None
            and name.startswith("grpc.aio.")
            and name.endswith(f".{kind}MultiCallable")
        ):
            return f"AsyncPooled{kind}"
    return None


def plan_forward(member: RuntimeMember, static: StaticMember | None, facts: ClassFacts) -> Plan:
    """Class and static methods do not need a member: the client class answers."""
    if member.params is None or (static is not None and len(static.signatures) != 1):
        return skip(member.name, f"{member.form} without a single readable signature")
    owner = Expression.of(facts.ref, f".{member.name}")
    signature = static.signatures[0] if static is not None else None
    if signature is not None and not agree(signature.params, member.params, dunder=False):
        return skip(member.name, f"{member.form}: its types and its run-time parameters differ")
    params = (
        merged(signature.params, member.params, owner)
        if signature is not None
        else running_only(member.params, owner, ANY)
    )
    coroutine = member.form == "coroutine" or (
        signature is not None and signature.result == "coroutine"
    )
    returns = (
        (signature.inner if coroutine else signature.returns) if signature is not None else ANY
    )
    return Plan(
        name=member.name,
        fate=Fate.PASSED,
        reason=f"{member.form} of the client class",
        form="forward_await" if coroutine else "forward",
        coroutine=coroutine,
        decorators=(Ref("builtins", "classmethod"),),
        params=params,
        returns=returns,
        doc=member.doc,
    )


# ---------------------------------------------------------------- methods


def closers(facts: ClassFacts) -> tuple[str, ...]:
    """The members that end a client. `shutdown` is one only where nothing else closes: on
    Redis it is a command that stops the server.
    """
    names = {member.name for member in facts.runtime.members}
    found = tuple(name for name in CLOSERS if name in names)
    return found or tuple(name for name in CLOSERS_OF_LAST_RESORT if name in names)[:1]


class MethodPlanner:
    """Plans one method: its two views first, then the form that its result asks for."""

    def __init__(
        self,
        member: RuntimeMember,
        static: StaticMember | None,
        facts: ClassFacts,
        *,
        asynchronous: bool,
        inherit: bool,
    ) -> None:
        self.member = member
        self.static = static
        self.facts = facts
        self.asynchronous = asynchronous
        self.inherit = inherit or bool(static is not None and static.problem)
        self.owner = Expression.of(facts.ref, f".{member.name}")
        self.dunder = member.name.startswith("__") and member.name.endswith("__")
        self.signatures = static.signatures if static is not None else ()
        self.typed = bool(self.signatures)

    def plan(self) -> Plan:
        if self.member.name in closers(self.facts):
            return self._lifecycle("close")
        form = self._form()
        if form.startswith("!"):
            return skip(self.member.name, form[1:])
        plan = self._shape(form)
        if self.member.name in OPENERS:
            plan = replace(
                plan,
                fate=Fate.BROADCAST,
                form="abroadcast" if plan.coroutine else "broadcast",
                reason="lifecycle: runs on every member",
            )
        return plan

    # ------------------------------------------------------------ the form

    def _result(self) -> str:
        """What a call gives: as the type checker says, else as the running function shows."""
        kinds = {signature.result for signature in self.signatures}
        if len(kinds) == 1:
            return kinds.pop()
        if len(kinds) > 1:
            return "value" if not kinds & set(ASYNC_RESULTS) else "maybe_awaitable"
        return {"coroutine": "coroutine", "asyncgen": "async_iterator"}.get(self.member.form, "any")

    def _form(self) -> str:
        """The body's form; an answer with a leading `!` is the reason for skipping."""
        result = self._result()
        return self._async_form(result) if self.asynchronous else self._sync_form(result)

    def _sync_form(self, result: str) -> str:
        if self.member.form == "generator":
            return "generate"
        if result in ASYNC_RESULTS:
            return "!an asynchronous member of a synchronous client"
        if result == "context":
            return "manager" if self._is_manager() else "context"
        return "stream" if result == "iterator" else "call"

    def _async_form(self, result: str) -> str:
        if self.member.form == "asyncgen":
            return "agenerate"
        if self.member.form == "generator":
            return "!a synchronous generator of an asynchronous client"
        if result == "coroutine" or self.member.form == "coroutine":
            return "await"
        if result == "async_context":
            return "amanager" if self._is_manager() else "context"
        forms = {
            "awaitable": "call",
            "async_iterator": "stream",
            "awaitable_context": "call_sync",
            "any": "call_any",
            "maybe_awaitable": "call_any",
        }
        return forms.get(result, "call_sync")

    def _is_manager(self) -> bool:
        single = len(self.signatures) == 1 and self.signatures[0].inner is not None
        return single and self.member.context_manager

    # ------------------------------------------------------------ the shape

    def _lifecycle(self, form: str) -> Plan:
        """Closing belongs to the pool: it drains and closes every member."""
        coroutine = self._result() == "coroutine"
        if self.asynchronous and not coroutine:
            return skip(self.member.name, "a synchronous close cannot drain; await pool.aclose()")
        plan = self._shape("await" if coroutine else "call")
        return replace(
            plan,
            fate=Fate.POOL,
            reason="lifecycle: closes the pool and all members",
            form="aclose" if coroutine else form,
            pooled=False,
        )

    def _shape(self, form: str) -> Plan:
        """Signature, types and table line of a method whose form is known."""
        params, static_params = self._params()
        coroutine = form in ("await", "agenerate", "amanager")
        signature = self.signatures[0] if len(self.signatures) == 1 else None
        returns = self._returns(form, signature)
        overloads = self._overloads(coroutine)
        access = f"client.{self.member.name}"
        return Plan(
            name=self.member.name,
            fate=Fate.WRAPPED,
            reason=self._inherited_because() if self.inherit else "",
            form=form,
            pooled=True,
            coroutine=coroutine,
            decorators=(MANAGERS[self._result()][0],) if form in ("manager", "amanager") else (),
            params=params,
            static_params=static_params,
            overloads=[] if self.inherit else overloads,
            returns=returns,
            result=None if self.inherit else self._table_result(signature),
            hop=self._hop(form, returns, signature),
            inherited=self.inherit,
            doc=self.member.doc,
            access=access,
            label=self.member.name,
            untyped=any(signature.untyped for signature in self.signatures),
        )

    def _hop(
        self, form: str, returns: Expression, signature: StaticSignature | None
    ) -> Expression | None:
        """The type of the local that carries a result whose type the pool cannot state."""
        if signature is None:
            return None
        if form == "generate":
            returned = signature.inner
            return returned if returned is not None and returned.parts != ("None",) else None
        calls = ("call", "await", "call_any", "call_sync")
        return returns if signature.generic and form in calls else None

    def _inherited_because(self) -> str:
        why = self.static.problem if self.static is not None and self.static.problem else ""
        return "static view inherited from the client" + (f": {why}" if why else "")

    def _returns(self, form: str, signature: StaticSignature | None) -> Expression:
        if signature is None or self.inherit:
            return ANY
        if form in ("manager", "amanager") and signature.inner is not None:
            nothing = ", None, None]" if form == "manager" else ", None]"
            return Expression.of(MANAGERS[signature.result][1], "[", signature.inner, nothing)
        if form == "await" and signature.inner is not None:
            return signature.inner
        return signature.returns

    def _table_result(self, signature: StaticSignature | None) -> Expression | None:
        if signature is None or signature.generic:
            return None
        if signature.result in PLAIN_MANAGERS and signature.inner is not None:
            return Expression.of(PLAIN_MANAGERS[signature.result], "[", signature.inner, "]")
        return signature.returns

    def _overloads(self, coroutine: bool) -> list[tuple[list[Param], Expression]]:
        if len(self.signatures) < 2:
            return []
        return [
            (static_only(s.params), s.inner if coroutine and s.inner is not None else s.returns)
            for s in self.signatures
        ]

    def _params(self) -> tuple[list[Param], list[Param] | None]:
        """The parameters of the definition, and those of a static view that differs from it."""
        running = self.member.params
        if running is None or any(is_mangled_in_a_class(param.name) for param in running):
            self.inherit = self.inherit or self.typed
            return running_only(STARRED, self.owner, ANY), None
        if len(self.signatures) != 1:
            return running_only(self._accepted(), self.owner, ANY), None
        static = self.signatures[0].params
        for view in (running, self.member.outer):
            if view is not None and agree(static, view, dunder=self.dunder):
                return merged(static, view, self.owner), None
        return running_only(self._accepted(), self.owner, ANY), static_only(static)

    def _accepted(self) -> tuple[RuntimeParam, ...]:
        """What a call accepts where a decorator shows more than it takes."""
        shown, outer = self.member.params or (), self.member.outer
        if outer is None or len(self.signatures) != 1:
            return shown
        derived = from_static(self.signatures[0], shown)
        return derived if derived is not None else outer


def from_static(
    signature: StaticSignature, shown: tuple[RuntimeParam, ...]
) -> tuple[RuntimeParam, ...] | None:
    """The checker's parameters with the defaults that the shown signature has for those names."""
    by_name = {param.name: param for param in shown}
    found: list[RuntimeParam] = []
    for param in signature.params:
        known = by_name.get(param.name or "")
        if known is None or (known.default is None) != (param.required or param.kind in VARIADIC):
            return None
        found.append(RuntimeParam(name=known.name, kind=param.kind, default=known.default))
    return tuple(found)
