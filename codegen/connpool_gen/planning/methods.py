"""One method's facts -> its plan.

The form of the body follows the *result*, not the word `async`: a lease ends when the result ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from connpool_gen.planning.ledger import Fate
from connpool_gen.planning.lifecycle import VARIADIC, closers, opens_everything, opens_one
from connpool_gen.planning.plan import Plan, Remedy, skip
from connpool_gen.planning.signature import (
    ANY,
    Owner,
    Param,
    agree,
    is_mangled_in_a_class,
    merged,
    running_only,
    static_only,
)
from connpool_gen.reading.facts import (
    ClassFacts,
    Expression,
    Kind,
    Ref,
    RuntimeMember,
    RuntimeParam,
    StaticMember,
    StaticParam,
    StaticSignature,
)

MANAGERS = {
    "context": (Ref("contextlib", "contextmanager"), Ref("collections.abc", "Generator")),
    "async_context": (
        Ref("contextlib", "asynccontextmanager"),
        Ref("collections.abc", "AsyncGenerator"),
    ),
}
MANAGER_FORMS = ("manager", "amanager", "manager_sync")
PLAIN_MANAGERS = {
    "context": Ref("contextlib", "AbstractContextManager"),
    "async_context": Ref("contextlib", "AbstractAsyncContextManager"),
}
NEVER = Expression.of(Ref("typing", "Never"))
ASYNC_RESULTS = ("coroutine", "awaitable", "async_iterator", "async_context", "pending")
ASYNC_FORMS = {
    "awaitable": "call",
    "async_iterator": "stream",
    "async_context": "context",
    "context": "context_sync",
    "iterator": "pinned_sync",
    "pending": "pending",
    "any": "call_any",
    "maybe_awaitable": "call_any",
}
CALLS = (
    "call",
    "await",
    "call_any",
    "call_sync",
    "pinned",
    "await_pinned",
    "pinned_sync",
)
STARRED = (
    RuntimeParam(name="args", kind=Kind.VAR_POSITIONAL),
    RuntimeParam(name="kwargs", kind=Kind.VAR_KEYWORD),
)


class MethodPlanner:
    """Plans one method: its two views first, then the form that its result asks for."""

    def __init__(
        self,
        member: RuntimeMember,
        static: StaticMember | None,
        facts: ClassFacts,
        *,
        asynchronous: bool,
        remedy: Remedy | None = None,
    ) -> None:
        self.member = member
        self.static = static
        self.facts = facts
        self.asynchronous = asynchronous
        problem = static is not None and static.problem is not None
        self.inherit = remedy is Remedy.INHERIT or problem
        self.untyped_call = remedy is Remedy.UNTYPED_CALL
        self.owner = Owner(facts.ref, member.name)
        self.dunder = member.name.startswith("__") and member.name.endswith("__")
        self.signatures = static.signatures if static is not None else ()

    def plan(self) -> Plan:
        """Decide: lifecycle, skipped with a reason, or wrapped."""
        if self.member.name in closers(self.facts):
            return self._close()
        if opens_one(self.member, self.static):
            return skip(self.member.name, "lifecycle: connect each client before adding it")
        plan = self.plan_call()
        return self._broadcast(plan) if opens_everything(self.member, self.static) else plan

    def plan_call(self) -> Plan:
        """Plan it as a method whatever its name: what `plan` does when it is no lifecycle."""
        form = self._form()
        return skip(self.member.name, form[1:]) if form.startswith("!") else self._shape(form)

    def _close(self) -> Plan:
        """Closing belongs to the pool: it drains and closes every member."""
        coroutine = self._result() == "coroutine"
        if self.asynchronous and not coroutine:
            return skip(self.member.name, "a synchronous close cannot drain; await pool.aclose()")
        return replace(
            self._shape("await" if coroutine else "call"),
            fate=Fate.POOL,
            reason="lifecycle: closes the pool and all members",
            form="aclose" if coroutine else "close",
            pooled=False,
        )

    def _broadcast(self, plan: Plan) -> Plan:
        if plan.fate is Fate.SKIPPED:
            return plan
        return replace(
            plan,
            fate=Fate.BROADCAST,
            form="abroadcast" if plan.coroutine else "broadcast",
            reason="lifecycle: runs on every member",
        )

    # ------------------------------------------------------------ the form

    def _result(self) -> str:
        """What a call gives: as the type checker says, else as the running function shows."""
        kinds = {signature.result for signature in self.signatures}
        if len(kinds) == 1:
            return kinds.pop()
        if len(kinds) > 1:
            return "value" if not kinds & set(ASYNC_RESULTS) else "maybe_awaitable"
        by_form = {"coroutine": "coroutine", "asyncgen": "async_iterator"}
        return self.member.context_manager or by_form.get(self.member.form, "any")

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
        if result == "coroutine" or (self.member.form == "coroutine" and not self.signatures):
            return "await"
        if result in MANAGERS and self._is_manager():
            return "amanager" if result == "async_context" else "manager_sync"
        return ASYNC_FORMS.get(result, "call_sync")

    def _is_manager(self) -> bool:
        single = len(self.signatures) == 1 and self.signatures[0].inner is not None
        return single and self.member.context_manager is not None

    # ------------------------------------------------------------ the shape

    def _shape(self, form: str) -> Plan:
        """Signature, types and table line of a method whose form is known."""
        params, static_params = self._params()
        form = self._pinned(form)
        signature = self.signatures[0] if len(self.signatures) == 1 else None
        returns = self._returns(form, signature)
        untyped = self._needs_any(signature, split=static_params is not None)
        coroutine = form in ("await", "await_pinned", "agenerate", "amanager")
        return Plan(
            name=self.member.name,
            fate=Fate.WRAPPED,
            reason=self._inherited_because() if self.inherit else "",
            form=form,
            pooled=True,
            coroutine=coroutine,
            decorators=(MANAGERS[self._result()][0],) if form in MANAGER_FORMS else (),
            params=params,
            static_params=static_params,
            overloads=[] if self.inherit else self._overloads(coroutine),
            returns=returns,
            result=None if untyped and signature is None else self._table_result(signature),
            typed_local=self._typed_local(form, returns, signature),
            inherited=self.inherit,
            never_returns=returns == NEVER,
            forwards_only_given=self._is_watched(params),
            receiver_alone=self.member.receiver_alone,
            doc=self.member.doc,
            access=f"client.{self.member.name}",
            label=self.member.name,
            untyped=untyped,
            generic=any(signature.generic for signature in self.signatures),
            returns_client=any(signature.returns_client for signature in self.signatures),
        )

    def _pinned(self, form: str) -> str:
        """The form for a result that lives on a connection, or is the client itself."""
        forms = {"call": "pinned", "await": "await_pinned", "call_sync": "pinned_sync"}
        if form not in forms or self._result() not in ("value", "coroutine"):
            return form
        known = [signature.bound for signature in self.signatures]
        bound = self.member.leavable or (bool(known) and all(known))
        returns_client = any(signature.returns_client for signature in self.signatures)
        return forms[form] if bound or returns_client else form

    def _is_watched(self, params: list[Param]) -> bool:
        """Whether a decorator in between can tell a given argument from a default."""
        outer = self.member.outer
        watched = outer is not None and any(p.kind is Kind.VAR_KEYWORD for p in outer)
        return watched and any(p.default is not None for p in params)

    def _needs_any(self, signature: StaticSignature | None, *, split: bool) -> bool:
        """Whether the table must call the client as Any: strict code may not call it directly."""
        loose = self.inherit or self.untyped_call
        return signature is None or split or loose or signature.untyped

    def _typed_local(
        self, form: str, returns: Expression, signature: StaticSignature | None
    ) -> Expression | None:
        """The type of the local that carries a result whose type the pool cannot state."""
        if form == "generate":
            return self._generator_returns(signature)
        if signature is None or self.inherit:
            return None
        if form == "pending":
            return returns
        return returns if signature.generic and form in CALLS else None

    def _generator_returns(self, signature: StaticSignature | None) -> Expression | None:
        """What a generator returns at its end; None for an iterator or a generator of nothing."""
        if signature is None or self.inherit or signature.result == "any":
            return ANY
        returned = signature.inner
        return returned if returned is not None and returned.parts != ("None",) else None

    def _inherited_because(self) -> str:
        why = self.static.problem if self.static is not None and self.static.problem else ""
        return "static view inherited from the client" + (f": {why}" if why else "")

    def _returns(self, form: str, signature: StaticSignature | None) -> Expression:
        if signature is None or self.inherit:
            return ANY
        if form in MANAGER_FORMS and signature.inner is not None:
            nothing = ", None]" if form == "amanager" else ", None, None]"
            return Expression.of(MANAGERS[signature.result][1], "[", signature.inner, nothing)
        if form in ("await", "await_pinned") and signature.inner is not None:
            return signature.inner
        return signature.returns

    def _table_result(self, signature: StaticSignature | None) -> Expression | None:
        if signature is None or signature.generic or self.inherit:
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

    # ------------------------------------------------------------ the parameters

    def _params(self) -> tuple[list[Param], list[Param] | None]:
        """The parameters of the definition, and those of a static view that differs from it."""
        running = self.member.params
        if running is None or any(is_mangled_in_a_class(param.name) for param in running):
            self.inherit = self.inherit or bool(self.signatures)
            return running_only(STARRED, self.owner, ANY), None
        if len(self.signatures) != 1:
            return running_only(self._accepted(running), self.owner, ANY), None
        static = self.signatures[0].params
        outer = self.member.outer
        for view in (running, outer if outer is None or not catches_all(outer) else None):
            if view is not None and agree(static, view, dunder=self.dunder):
                return merged(static, view, self.owner), None
        return running_only(self._accepted(running), self.owner, ANY), static_only(static)

    def _accepted(self, shown: tuple[RuntimeParam, ...]) -> tuple[RuntimeParam, ...]:
        """What a call accepts where a decorator shows more than it takes."""
        outer = self.member.outer
        if outer is None or not self.signatures:
            return shown
        if any(param.kind not in VARIADIC for param in outer):
            return outer
        named = {p.name for s in self.signatures for p in s.params if p.kind not in VARIADIC}
        unknown = all(catches_all(s.params) for s in self.signatures)
        if unknown or not named <= {param.name for param in shown}:
            return shown
        # A decorator that hands in arguments of its own shows them, but no caller may give them.
        return plain(p for p in shown if p.kind in VARIADIC or p.name in named)


def catches_all(params: Sequence[RuntimeParam | StaticParam]) -> bool:
    """Whether it is `(*args, **kwargs)` and so says nothing."""
    return [param.kind for param in params] == list(VARIADIC)


def plain(params: Iterable[RuntimeParam]) -> tuple[RuntimeParam, ...]:
    """Positional-only marks belonged to what was taken out; callers name the rest."""
    kept = tuple(params)
    return tuple(
        replace(p, kind=Kind.POSITIONAL_OR_KEYWORD) if p.kind is Kind.POSITIONAL_ONLY else p
        for p in kept
    )
