"""One method's facts become its plan.

The form of the body follows the *result*, not the word `async`: a lease ends when the result ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from connpool_gen.identifiers import distinct
from connpool_gen.planning.ledger import Fate
from connpool_gen.planning.lifecycle import answers, closes, opens_everything, opens_one
from connpool_gen.planning.plan import Form, Overload, Plan, Skip
from connpool_gen.planning.signature import (
    ANY,
    Owner,
    Param,
    agree,
    by_position,
    is_mangled_in_a_class,
    merged,
    running_only,
    static_only,
)
from connpool_gen.reading.facts import (
    VARIADIC,
    ClassFacts,
    Deprecation,
    Expression,
    Kind,
    MemberForm,
    Ref,
    ResultKind,
    RuntimeMember,
    RuntimeParam,
    StaticMember,
    StaticParam,
    StaticSignature,
)
from connpool_gen.verifying.remedies import Remedy

MANAGERS = {
    ResultKind.CONTEXT: (
        Ref("contextlib", "contextmanager"),
        Ref("collections.abc", "Generator"),
    ),
    ResultKind.ASYNC_CONTEXT: (
        Ref("contextlib", "asynccontextmanager"),
        Ref("collections.abc", "AsyncGenerator"),
    ),
}
MANAGER_FORMS = (Form.MANAGER, Form.AMANAGER, Form.MANAGER_SYNC)
PLAIN_MANAGERS = {
    ResultKind.CONTEXT: Ref("contextlib", "AbstractContextManager"),
    ResultKind.ASYNC_CONTEXT: Ref("contextlib", "AbstractAsyncContextManager"),
}
# What an async generator with overloads gives. Any would be a coroutine's result for pyright.
ANY_ITEMS = Expression.of(Ref("collections.abc", "AsyncIterable"), "[", ANY, "]")
NEVER = Expression.of(Ref("typing", "Never"))
ASYNC_RESULTS = (
    ResultKind.COROUTINE,
    ResultKind.AWAITABLE,
    ResultKind.TASK,
    ResultKind.ASYNC_ITERATOR,
    ResultKind.ASYNC_CONTEXT,
    ResultKind.PENDING,
)
PLAIN_RESULTS = {ResultKind.VALUE, ResultKind.ITERATOR, ResultKind.CONTEXT}
ASYNC_FORMS = {
    ResultKind.AWAITABLE: Form.CALL,
    ResultKind.TASK: Form.TASK,
    ResultKind.ASYNC_ITERATOR: Form.STREAM,
    ResultKind.ASYNC_CONTEXT: Form.CONTEXT,
    ResultKind.CONTEXT: Form.CONTEXT_SYNC,
    ResultKind.ITERATOR: Form.PINNED_SYNC,
    ResultKind.PENDING: Form.PENDING,
    ResultKind.ANY: Form.CALL_ANY,
    ResultKind.MAYBE_AWAITABLE: Form.CALL_ANY,
}
CALLS = (
    Form.CALL,
    Form.AWAIT,
    Form.CALL_ANY,
    Form.CALL_SYNC,
    Form.PINNED,
    Form.AWAIT_PINNED,
    Form.PINNED_SYNC,
    Form.CALL_OR_STREAM,
    Form.AWAIT_OR_STREAM,
)
# Coroutines whose definition states what awaiting them gives.
AWAITS = (Form.AWAIT, Form.AWAIT_PINNED, Form.AWAIT_OR_STREAM, Form.AWAIT_STREAM)
# The form of a call whose result keeps the lease.
PINNED = {
    Form.CALL: Form.PINNED,
    Form.AWAIT: Form.AWAIT_PINNED,
    Form.CALL_SYNC: Form.PINNED_SYNC,
    Form.TASK: Form.TASK_PINNED,
    Form.PENDING: Form.PENDING_PINNED,
}
# Results whose annotation, or what is awaited of a coroutine function's, names what the caller gets.
ANNOTATED_AS_THEY_ARE = (ResultKind.VALUE, ResultKind.COROUTINE)
TO_BE_AWAITED = (ResultKind.AWAITABLE, ResultKind.TASK, ResultKind.PENDING)
# The form of a call whose arguments decide whether its result is a stream. An asynchronous client's method that
# does not wait gives pages, such as an `AsyncItemPaged`, which go on to ask the client while they are read.
OR_STREAM = {
    Form.CALL: Form.CALL_OR_STREAM,
    Form.AWAIT: Form.AWAIT_OR_STREAM,
    Form.CALL_SYNC: Form.PINNED_SYNC,
}
COROUTINES = (
    Form.AWAIT,
    Form.AWAIT_PINNED,
    Form.AWAIT_OR_STREAM,
    Form.AWAIT_STREAM,
    Form.AGENERATE,
    Form.AMANAGER,
)
ITERATION = ("__iter__", "__next__", "__aiter__", "__anext__")
STARRED = (
    RuntimeParam(name="args", kind=Kind.VAR_POSITIONAL),
    RuntimeParam(name="kwargs", kind=Kind.VAR_KEYWORD),
)


@dataclass(frozen=True, slots=True)
class Views:
    """The parameters of a definition, and those of a static view that differs."""

    params: list[Param]
    static: list[Param] | None = None


class MethodPlanner:
    """Plans one method: its two views first, then the form that its result requires."""

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
        self.untyped_call = remedy is Remedy.UNTYPED_CALL
        self.owner = Owner(facts.ref, member.name)
        self.dunder = member.name.startswith("__") and member.name.endswith("__")
        self.signatures = (static.signatures or static.calls) if static is not None else ()
        self.distrusted = self._is_distrusted()
        if self.distrusted:
            self.signatures = ()
        problem = static is not None and static.problem is not None
        unwritable = writable(member.params) is None and bool(self.signatures)
        inexact = self.member.literal and bool(self.signatures)
        self.inherit = remedy is Remedy.INHERIT or problem or unwritable or inexact

    def _is_distrusted(self) -> bool:
        """Return whether annotations that no type checker may ever have read contradict how a call is made."""
        one = self.signatures[0] if len(self.signatures) == 1 else None
        if one is None or self.static is None or not self.static.unchecked:
            return False
        running = writable(self.member.params)
        return running is not None and self._view_like(one.params, running) is None

    def plan(self) -> Plan | Skip:
        """Decide: lifecycle, skipped with a reason, or wrapped."""
        if closes(self.member.name, self.facts):
            return self._close()
        if opens_one(self.member, self.static):
            return Skip(self.member.name, "lifecycle: connect each client before adding it")
        plan = self.plan_call()
        return self._broadcast(plan) if opens_everything(self.member, self.static) else plan

    def plan_call(self) -> Plan | Skip:
        """Plan a method that neither opens nor closes the client."""
        form = self._form()
        return form if isinstance(form, Skip) else self._shape(form)

    def _close(self) -> Plan | Skip:
        """Plan a closing method: the pool drains and closes every member."""
        result = self._result()
        coroutine = result is ResultKind.COROUTINE or self._is_untyped_coroutine(result)
        awaited = coroutine or result is ResultKind.AWAITABLE
        if self.asynchronous and not awaited:
            return Skip(self.member.name, "a synchronous close cannot drain; await pool.aclose()")
        shape = self._shape(Form.AWAIT if coroutine else Form.CALL)
        unknown = self.member.params is None and bool(self.signatures)
        takes_any = not unknown or any(signature.params for signature in self.signatures)
        return replace(
            shape,
            params=shape.params if takes_any else [],
            fate=Fate.POOL,
            reason="lifecycle: closes the pool and all members",
            form=Form.ACLOSE if awaited else Form.CLOSE,
            pooled=False,
            answers=answers(self.static),
        )

    def _broadcast(self, plan: Plan | Skip) -> Plan | Skip:
        """Change the plan of an opening method to run on every member."""
        if isinstance(plan, Skip):
            return plan
        return replace(
            plan,
            fate=Fate.BROADCAST,
            form=Form.ABROADCAST if plan.coroutine else Form.BROADCAST,
            reason="lifecycle: runs on every member",
        )

    # ------------------------------------------------------------ the form

    def _result(self) -> ResultKind:
        """Return what a call gives: as the type checker says, else as the running function shows."""
        kinds = {signature.result for signature in self.signatures}
        if len(kinds) == 1:
            return kinds.pop()
        if len(kinds) > 1:
            mixed = bool(kinds & set(ASYNC_RESULTS))
            return ResultKind.MAYBE_AWAITABLE if mixed else ResultKind.VALUE
        by_form = {
            MemberForm.COROUTINE: ResultKind.COROUTINE,
            MemberForm.ASYNCGEN: ResultKind.ASYNC_ITERATOR,
        }
        return self.member.context_manager or by_form.get(self.member.form, ResultKind.ANY)

    def _form(self) -> Form | Skip:
        """Choose the body's form, or refuse."""
        result = self._result()
        return self._async_form(result) if self.asynchronous else self._sync_form(result)

    def _sync_form(self, result: ResultKind) -> Form | Skip:
        """Choose the form of a synchronous client's method."""
        if self.member.name in ITERATION and self._is_iterator():
            return Skip(self.member.name, "the client is an iterator: lease a member to iterate")
        if self.member.form is MemberForm.GENERATOR:
            return Form.GENERATE
        if result in ASYNC_RESULTS or self._is_untyped_coroutine(result):
            return Skip(self.member.name, "an asynchronous member of a synchronous client")
        if result is ResultKind.CONTEXT:
            return Form.MANAGER if self._is_manager() else Form.CONTEXT
        return Form.STREAM if result is ResultKind.ITERATOR else Form.CALL

    def _async_form(self, result: ResultKind) -> Form | Skip:
        """Choose the form of an asynchronous client's method."""
        form = self.member.form
        if self.member.name in ITERATION and self._is_iterator():
            return Skip(self.member.name, "the client is an iterator: lease a member to iterate")
        if form is MemberForm.ASYNCGEN:
            return Form.AGENERATE
        if form is MemberForm.GENERATOR:
            return Form.PINNED_SYNC
        if self._gives_stream():
            return Form.AWAIT_STREAM
        if result is ResultKind.COROUTINE or (form is MemberForm.COROUTINE and not self.signatures):
            return Form.AWAIT
        if self._is_untyped_coroutine(result):
            return Form.AWAIT
        if result in MANAGERS and self._is_manager():
            return Form.AMANAGER if result is ResultKind.ASYNC_CONTEXT else Form.MANAGER_SYNC
        return ASYNC_FORMS.get(result, Form.CALL_SYNC)

    def _is_untyped_coroutine(self, result: ResultKind) -> bool:
        """Return whether the method gives a coroutine of which no type says so, as below a decorator without types."""
        return result is ResultKind.ANY and self.member.runs_as_coroutine

    def _is_iterator(self) -> bool:
        """Return whether each client is itself an iterator: it would be unclear whose next item is meant."""
        return any(
            member.name in ("__next__", "__anext__") for member in self.facts.runtime.members
        )

    def _gives_stream(self) -> bool:
        """Return whether the method is a coroutine that returns an asynchronous iterator."""
        return bool(self.signatures) and all(s.gives_stream for s in self.signatures)

    def _is_manager(self) -> bool:
        """Return whether `contextlib` made the method from a generator whose yield type is known."""
        single = len(self.signatures) == 1 and self.signatures[0].inner is not None
        return single and self.member.context_manager is not None

    # ------------------------------------------------------------ the shape

    def _shape(self, form: Form) -> Plan:
        """Plan signature, types and table function of a method whose form is known."""
        views = self._positional(self._views())
        form = self._pinned(form)
        signature = self.signatures[0] if len(self.signatures) == 1 else None
        returns = self._returns(form, signature)
        untyped = self._needs_any(signature, split=views.static is not None)
        coroutine = form in COROUTINES
        plain = self._is_plain_for_checkers(form)
        if plain and returns == ANY and not self.inherit:
            views = Views(views.params, self._seen(views))
        return Plan(
            name=self.member.name,
            fate=Fate.WRAPPED,
            reason=self._reason(),
            form=form,
            pooled=True,
            coroutine=coroutine,
            decorators=(MANAGERS[self._result()][0],) if form in MANAGER_FORMS else (),
            params=views.params,
            static_params=views.static,
            overloads=[] if self.inherit else self._overloads(coroutine and not plain),
            returns=returns,
            result=None if untyped and signature is None else self._table_result(signature),
            typed_local=self._typed_local(form, returns, signature),
            inherited=self.inherit,
            deprecated=deprecation(self.member, self.static),
            never_returns=returns == NEVER,
            forwards_only_given=self._is_watched(views.params),
            receiver=signature.receiver if signature is not None and not self.inherit else (),
            receiver_alone=self.member.receiver_alone,
            distrusted=self.distrusted,
            doc=self.member.doc,
            access=f"client.{self.member.name}",
            label=self.member.name,
            untyped=untyped,
            plain_for_checkers=plain,
            generic=any(signature.generic for signature in self.signatures),
            returns_client=any(signature.returns_client for signature in self.signatures),
        )

    def _is_plain_for_checkers(self, form: Form) -> bool:
        """Return whether type checkers see a plain `def` where an `async def` runs, if they do not see its body."""
        unknown = form in COROUTINES and self._is_untyped_coroutine(self._result())
        return unknown or form is Form.AGENERATE

    def _seen(self, views: Views) -> list[Param] | None:
        """Return the parameters that type checkers see of a result without a type.

        The body must stay hidden from them: pyright takes an async generator that gives Any for a coroutine.
        """
        if views.static is not None or len(self.signatures) > 1:
            return views.static
        return static_only(self.signatures[0].params) if self.signatures else views.params

    def _pinned(self, form: Form) -> Form:
        """Change the form if the result lives on a connection, may be a stream, or is the client itself."""
        result = self._result()
        returns_client = any(signature.returns_client for signature in self.signatures)
        if form is Form.CALL_ANY and returns_client:
            return Form.PINNED_SYNC
        if form not in PINNED or result not in (*ANNOTATED_AS_THEY_ARE, *TO_BE_AWAITED):
            return form
        known = [signature.bound for signature in self.signatures]
        leavable = self.member.leavable and result in ANNOTATED_AS_THEY_ARE
        bound = leavable or (bool(known) and all(known))
        if bound or returns_client:
            return PINNED[form]
        may_stream = any(signature.may_stream for signature in self.signatures)
        return OR_STREAM.get(form, form) if may_stream else form

    def _is_watched(self, params: list[Param]) -> bool:
        """Return whether a decorator in between can distinguish a given argument from a default."""
        outer = self.member.outer
        watched = outer is not None and any(p.kind is Kind.VAR_KEYWORD for p in outer)
        return watched and any(p.default is not None for p in params)

    def _needs_any(self, signature: StaticSignature | None, *, split: bool) -> bool:
        """Return whether the table must call the client as Any, because strict code may not call it directly."""
        loose = self.inherit or self.untyped_call
        return signature is None or split or loose or signature.untyped

    def _typed_local(
        self, form: Form, returns: Expression, signature: StaticSignature | None
    ) -> Expression | None:
        """Choose the type of the local variable for a result whose type the pool cannot state."""
        if form is Form.GENERATE:
            return self._generator_returns(signature)
        if signature is None or self.inherit:
            return None
        if form in (Form.PENDING, Form.PENDING_PINNED, Form.CALL_ANY):
            return returns if returns != ANY else None
        return returns if signature.generic and form in CALLS else None

    def _generator_returns(self, signature: StaticSignature | None) -> Expression | None:
        """Choose the return type of a generator; None if it returns nothing."""
        if signature is None or self.inherit or signature.result is ResultKind.ANY:
            return ANY
        returned = signature.inner
        return returned if returned is not None and returned.parts != ("None",) else None

    def _handed_out(self) -> str:
        """Say for the ledger where a client leaves the pool inside a result, or the wrapper stands for it."""
        if any(s.holds_client and not s.returns_client for s in self.signatures):
            return "its result holds clients, and calls on those bypass the pool"
        if any(s.returns_client for s in self.signatures):
            return (
                "returns the wrapper for the client itself: what is called on it goes to any member"
            )
        return ""

    def _reason(self) -> str:
        """Say for the ledger what is unusual about a method."""
        if self.distrusted:
            return "Any, because its annotations do not fit the arguments that a call takes"
        reasons = [self._inherited_because() if self.inherit else "", self._handed_out()]
        return "; ".join(reason for reason in reasons if reason)

    def _inherited_because(self) -> str:
        """Say for the ledger why the static view is taken from the client."""
        why = self.static.problem if self.static is not None and self.static.problem else ""
        why = why or ("it asks for literal text" if self.member.literal else "")
        return "static view inherited from the client" + (f": {why}" if why else "")

    def _returns(self, form: Form, signature: StaticSignature | None) -> Expression:
        """Choose the annotation of the definition's result."""
        if form is Form.AGENERATE and len(self.signatures) > 1 and not self.inherit:
            return ANY_ITEMS
        if signature is None or self.inherit:
            return ANY
        if form in MANAGER_FORMS and signature.inner is not None:
            nothing = ", None]" if form is Form.AMANAGER else ", None, None]"
            return Expression.of(MANAGERS[signature.result][1], "[", signature.inner, nothing)
        if form in AWAITS and signature.inner is not None:
            return signature.inner
        return signature.returns

    def _table_result(self, signature: StaticSignature | None) -> Expression | None:
        """Choose the result's type in the method table; None where the table cannot state it."""
        if signature is None or signature.generic or self.inherit:
            return None
        if signature.result in PLAIN_MANAGERS and signature.inner is not None:
            return Expression.of(PLAIN_MANAGERS[signature.result], "[", signature.inner, "]")
        return signature.returns

    def _overloads(self, coroutine: bool) -> list[Overload]:
        """Plan parameters and result of each overload, if there are several."""
        if len(self.signatures) < 2:
            return []
        return [
            Overload(
                static_only(s.params),
                s.inner if coroutine and s.inner is not None else s.returns,
                s.receiver,
                s.deprecated,
            )
            for s in self.signatures
        ]

    # ------------------------------------------------------------ the parameters

    def _views(self) -> Views:
        """Plan one list of parameters if both readers agree, else one for each."""
        running = writable(self.member.params)
        if running is None:
            return Views(running_only(STARRED, self.owner, ANY))
        if len(self.signatures) != 1:
            return Views(running_only(self._accepted(running), self.owner, ANY))
        static = self.signatures[0].params
        view = self._view_like(static, running)
        if view is not None:
            return Views(merged(static, view, self.owner))
        return Views(running_only(self._accepted(running), self.owner, ANY), static_only(static))

    def _view_like(
        self, static: tuple[StaticParam, ...], running: tuple[RuntimeParam, ...]
    ) -> tuple[RuntimeParam, ...] | None:
        """Find the run-time parameters that agree with the static ones: those shown, or the decorator's."""
        outer = self.member.outer
        views = (running, outer if outer is None or not catches_all(outer) else None)
        for view in views:
            if view is not None and agree(static, view, dunder=self.dunder):
                return view
        return None

    def _positional(self, views: Views) -> Views:
        """Pass arguments by position if the called function distinguishes how they are passed.

        A decorator that takes `*args` may look into them, `functools.singledispatchmethod` does, and
        classes that fit a Protocol may have other names for its parameters.
        """
        outer = self.member.outer
        if outer is None:
            outer = STARRED if self.facts.runtime.protocol else self.member.params
        params = by_position(views.params, outer or ())
        return replace(views, params=params)

    def _accepted(self, shown: tuple[RuntimeParam, ...]) -> tuple[RuntimeParam, ...]:
        """Find the parameters that a call accepts if a decorator shows more than it takes, or less."""
        outer = self.member.outer
        unknown = all(catches_all(s.params) for s in self.signatures)
        if outer is None:
            return shown
        if unknown and catches_all(outer) and self.member.reads_keywords:
            return with_keywords(shown)
        if not self.signatures:
            return shown
        if any(param.kind not in VARIADIC for param in outer):
            return outer
        named = {p.name for s in self.signatures for p in s.params if p.kind not in VARIADIC}
        if unknown or not named <= {param.name for param in shown}:
            return shown
        # A decorator that passes arguments of its own shows them, but no caller may give them.
        return plain(p for p in shown if p.kind in VARIADIC or p.name in named)


def deprecation(member: RuntimeMember, static: StaticMember | None) -> Deprecation | None:
    """Say how a member is deprecated: a call warns if the client's does, checkers warn if they do there."""
    if member.deprecated is not None:
        return member.deprecated
    said = static.deprecated if static is not None else None
    return Deprecation(said) if said is not None else None


def writable(params: tuple[RuntimeParam, ...] | None) -> tuple[RuntimeParam, ...] | None:
    """Return the run-time parameters if they are known and a class body can declare them."""
    if params is None or any(is_mangled_in_a_class(param.name) for param in params):
        return None
    return params


def with_keywords(shown: tuple[RuntimeParam, ...]) -> tuple[RuntimeParam, ...]:
    """Add `**kwargs`, for keywords that a decorator may take besides those it shows."""
    if any(param.kind is Kind.VAR_KEYWORD for param in shown):
        return shown
    name = distinct("kwargs", {param.name for param in shown})
    return (*shown, RuntimeParam(name=name, kind=Kind.VAR_KEYWORD))


def catches_all(params: Sequence[RuntimeParam | StaticParam]) -> bool:
    """Return whether a signature is `(*args, **kwargs)` and so shows nothing."""
    return [param.kind for param in params] == list(VARIADIC)


def plain(params: Iterable[RuntimeParam]) -> tuple[RuntimeParam, ...]:
    """Remove positional-only marks that belonged to parameters which were removed."""
    kept = tuple(params)
    return tuple(
        replace(p, kind=Kind.POSITIONAL_OR_KEYWORD) if p.kind is Kind.POSITIONAL_ONLY else p
        for p in kept
    )
