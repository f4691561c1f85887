"""Plans become the model: every string of the output.

One pass over the plans writes all strings, with a placeholder for each reference. The references of
those strings are then collected, named and put in their places.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Literal

from connpool_gen._version import RUNTIME_CONTRACT
from connpool_gen.building.classifiers import library_of
from connpool_gen.building.literals import comment, docstring, string_literal
from connpool_gen.building.model import (
    AttributeModel,
    BodyForm,
    ConnectModel,
    EntryModel,
    MethodModel,
    ModuleModel,
    NamespaceModel,
    texts,
    with_texts,
)
from connpool_gen.building.names import NO_TYPES, Names, NameUse, Spelling
from connpool_gen.building.outline import RUNTIME, TYPING, Outline, applied, is_told_how
from connpool_gen.config.hash_key import key_parts
from connpool_gen.config.retry import RetrySettings
from connpool_gen.config.route import roles
from connpool_gen.errors import RequestError
from connpool_gen.identifiers import distinct, snake_case
from connpool_gen.planning.deadline_parameters import deadline_parameter
from connpool_gen.planning.known_keys import known_balancer, known_key
from connpool_gen.planning.ledger import Fate
from connpool_gen.planning.namespaces import Namespace
from connpool_gen.planning.plan import FORWARDS, Form, Overload, Plan
from connpool_gen.planning.signature import (
    ANY,
    Param,
    arguments,
    forwarding,
    forwarding_only_given,
    has_hidden,
    packed_type,
    parameter_list,
    unpacking,
)
from connpool_gen.reading.facts import Deprecation, Expression, Kind, MemberForm, Ref

CLIENT = re.compile(r"\bclient\b")
# Asked about the names that annotations use, it returns those that are missing at run time.
LackingNames = Callable[[Sequence[NameUse]], frozenset[NameUse]]
LOCALS = {
    Form.AGENERATE: "items",
    Form.MANAGER: "value",
    Form.AMANAGER: "value",
    Form.MANAGER_SYNC: "value",
}
# Members that `__init__` of the wrapper sets.
ATTRIBUTES = (Form.CALLABLE, Form.NAMESPACE)
NONE = Expression.of("None")
ENSURE_FUTURE = Ref("asyncio", "ensure_future")
UNTYPED_BASE = f"# type: ignore[misc,unused-ignore] # {NO_TYPES}"
DEPRECATED = Ref("connpool_runtime.wrapper", "deprecated")
UNKNOWN = Ref("connpool_runtime.typing", "Unknown")
PROPERTY = (Ref("builtins", "property"),)
CLASS_METHOD = (Ref("builtins", "classmethod"),)
LEAVING = ("__exit__", "__aexit__")
NO_ERROR = ("None", "None", "None")  # what a `with` block without an error passes
CLOSES = Ref("connpool_runtime.wrapper", "Closer")
ALL = Ref("builtins", "all")
CLOSER = "_pool_closer"  # the attribute of the wrapper with that
METHODCALLER = Ref("operator", "methodcaller")
# The method of the pool that a member of each form calls.
POOL_CALLS = {
    Form.CALL: "call",
    Form.AWAIT: "call",
    Form.CALL_SYNC: "call_sync",
    Form.CALL_ANY: "call_any",
    Form.PROPERTY: "call",
    Form.PROPERTY_SYNC: "call_sync",
    Form.PINNED: "pinned",
    Form.AWAIT_PINNED: "pinned",
    Form.PINNED_SYNC: "pinned_sync",
    Form.CALL_OR_STREAM: "call_or_stream",
    Form.AWAIT_OR_STREAM: "call_or_stream",
    Form.STREAM: "stream",
    Form.AWAIT_STREAM: "stream",
    Form.TASK: "call",
    Form.TASK_PINNED: "pinned",
    Form.GENERATE: "stream",
    Form.AGENERATE: "stream",
    Form.PENDING: "pending",
    Form.PENDING_PINNED: "pending_pinned",
    Form.CONTEXT: "context",
    Form.MANAGER: "context",
    Form.AMANAGER: "context",
    Form.CONTEXT_SYNC: "context_sync",
    Form.MANAGER_SYNC: "context_sync",
    Form.BROADCAST: "broadcast",
    Form.ABROADCAST: "broadcast",
}
AWAITED = (Form.AWAIT, Form.AWAIT_PINNED, Form.AWAIT_OR_STREAM, Form.ABROADCAST)
TASKS = (Form.TASK, Form.TASK_PINNED)
# The statement that contains each form's expression, where it is not a plain return.
BODIES = {
    Form.GENERATE: BodyForm.GENERATE,
    Form.AGENERATE: BodyForm.AGENERATE,
    Form.MANAGER: BodyForm.MANAGER,
    Form.MANAGER_SYNC: BodyForm.MANAGER,
    Form.AMANAGER: BodyForm.AMANAGER,
}


def module_model(outline: Outline, lacking: LackingNames) -> ModuleModel:
    """Write all strings of the output, then choose the names they refer to.

    `lacking` says which of the names that annotations use are not to be had at run time.
    """
    client = () if outline.facts.runtime.static_only else (outline.facts.ref,)
    names = Names(outline.reserved(), always=client)
    draft = ModuleBuilder(outline, names).draft()
    draft = replace(draft, variables=names.declarations(texts(draft)))
    at_runtime: set[Ref] = set()
    if outline.request.runtime_annotations:
        uses = names.annotation_uses(texts(draft))
        missing = lacking([use for found in uses.values() for use in found])
        at_runtime = {ref for ref, found in uses.items() if missing.isdisjoint(found)}
        stand_ins = {ref: found for ref, found in uses.items() if ref not in at_runtime}
        draft = replace(draft, stand_ins=stand_in_lines(names, stand_ins))
    spelling = names.settle(texts(draft), at_runtime)
    untyped = outline.facts.untyped_modules
    return replace(
        with_texts(draft, spelling.finish),
        pragmas=pragmas(outline, spelling),
        imports=spelling.import_lines(untyped, at_runtime=True),
        typing_imports=spelling.import_lines(untyped, at_runtime=False),
    )


def stand_in_lines(names: Names, uses: Mapping[Ref, Sequence[NameUse]]) -> tuple[str, ...]:
    """Write the run-time stand-ins for names that exist only for type checkers."""
    plain = {
        ref: all(use.qualname == ref.qualname and not use.subscripted for use in found)
        for ref, found in uses.items()
    }
    return tuple(
        f"{names.spell(ref)} = {names.spell_running(ANY if alone else UNKNOWN)}"
        for ref, alone in plain.items()
    )


def pragmas(outline: Outline, spelling: Spelling) -> tuple[str, ...]:
    """Turn off the rules of pyright that the client's own signatures violate, since the wrapper repeats them."""
    imports = [*spelling.imports(at_runtime=True), *spelling.imports(at_runtime=False)]
    rules = {
        "reportPrivateUsage": any(found.name.startswith("_") for found in imports),
        "reportOverlappingOverload": any(plan.overloads for plan in outline.members),
        "reportInvalidTypeVarUse": any(plan.generic for plan in outline.members),
        # the functions that prove that classes satisfy the Protocol
        "reportUnusedFunction": outline.request.mode == "protocol",
    }
    return tuple(f"pyright: {rule}=false" for rule, broken in rules.items() if broken)


class ModuleBuilder:
    """Turns plans into strings in which references are placeholders."""

    def __init__(self, outline: Outline, names: Names) -> None:
        self._outline = outline
        self._request = outline.request
        self._names = names

    def draft(self) -> ModuleModel:
        """Write the whole module, except for lines that depend on the chosen names."""
        outline, request, spell = self._outline, self._request, self._names.spell
        target = f"{request.module}.{request.qualname}"
        client_type = spell(outline.client_type)
        any_args = applied(Expression.of(""), outline.any_arguments)
        return ModuleModel(
            pragmas=(),
            doc=docstring(f"Pool of `{target}` clients."),
            contract=RUNTIME_CONTRACT,
            imports=(),
            typing_imports=(),
            variables=(),
            stand_ins=(),
            static_client=self._static_client(),
            words=self._words(),
            entries=tuple(self._entry(plan) for plan in outline.pooled),
            wrapper=request.wrapper_name,
            mode=request.mode,
            protocol=request.protocol_name,
            client=client_type,
            absent=self._absent(),
            type_args=self._type_args(),
            any_args=spell(any_args),
            any_client=None if outline.client_is_any else spell(outline.table_client),
            drop_in_ignore=UNTYPED_BASE if outline.client_is_any else None,
            implemented=self._implemented(),
            bases=self._bases(),
            class_doc=docstring(
                f"Pool of `{target}`: each public method runs on one of its members."
            ),
            pool_class=self._names.spell_running(outline.pool_class),
            pool_type=f"{spell(outline.pool_class)}[{client_type}]",
            pool_field=outline.pool_field,
            pool_name=string_literal(snake_case(request.qualname.rpartition(".")[2])),
            classifier=string_literal(library) if (library := self._library) else None,
            balancer=self._balancer(),
            closer=self._closer(),
            kept_closer=self._kept_closer() if outline.keeps_closer else None,
            asynchronous=outline.asynchronous,
            metrics=request.metrics,
            namespaces=tuple(self._namespace(namespace) for namespace in outline.namespaces),
            connect=self._connect(),
            attributes=tuple(self._attribute(p) for p in outline.members if p.form in ATTRIBUTES),
            methods=tuple(self._method(p) for p in outline.members if p.form not in ATTRIBUTES),
        )

    def _words(self) -> dict[str, str]:
        """Write the names that the templates need, by what the templates call them."""
        members = self._outline.members
        running = {
            "method": Ref(RUNTIME, "method"),
            "type_checking": Ref(TYPING, "TYPE_CHECKING"),
            "explain_missing": Ref("connpool_runtime.wrapper", "explain_missing"),
        }
        annotations = {
            "options": Ref(RUNTIME, "PoolOptions"),
            "unpack": Ref(TYPING, "Unpack"),
            "self": Ref(TYPING, "Self"),
            "object": Ref("builtins", "object"),
            "str": Ref("builtins", "str"),
        }
        if self._outline.namespaces:
            annotations["any"] = Ref(TYPING, "Any")
        if self._request.mode == "protocol":
            running["protocol"] = Ref(TYPING, "Protocol")
            running["property"] = Ref("builtins", "property")
        if any(plan.overloads for plan in members):
            running["overload"] = Ref(TYPING, "overload")
        if any(plan.inherited for plan in members):
            annotations["inherited"] = Ref("connpool_runtime.typing", "inherited")
            annotations["class_variable"] = Ref(TYPING, "ClassVar")
        return {
            **{word: self._names.spell_running(ref) for word, ref in running.items()},
            **{word: self._names.spell(ref) for word, ref in annotations.items()},
        }

    def _type_args(self, *, running: bool = False) -> str:
        """Write `[Row]` for a generic client, else nothing."""
        params = applied(Expression.of(""), self._outline.type_arguments)
        return self._names.spell_running(params) if running else self._names.spell(params)

    def _bases(self) -> str:
        """Write `(Generic[Row])` for a generic client, else nothing."""
        if not self._outline.type_params:
            return ""
        generic = self._names.spell_running(Ref(TYPING, "Generic"))
        return f"({generic}{self._type_args(running=True)})"

    def _connect(self) -> ConnectModel | None:
        """Write how the wrapper opens its own members, if it was asked to."""
        outline = self._outline
        if outline.connectors is None:
            return None
        taken = {plan.name for plan in outline.members}
        return outline.connectors.model(self._names, outline.facts.ref, outline.client_type, taken)

    def _static_client(self) -> str | None:
        """Write the client's type, if some static view is inherited from it."""
        needed = any(plan.inherited for plan in self._outline.members)
        return self._names.spell(self._outline.table_client) if needed else None

    def _implemented(self) -> tuple[str, ...]:
        """Write what makes the base of a drop-in wrapper concrete where the client is abstract."""
        outline = self._outline
        if self._request.mode != "drop-in":
            return ()
        lines: list[str] = []
        for name in outline.facts.runtime.abstract:
            static = outline.facts.static.get(name)
            if static is None or static.value is None:
                lines.append(f"{name} = {self._names.spell(outline.facts.ref)}.{name}")
            elif self._is_declared(name):
                lines.append(f"{name}: {self._names.spell(static.value)}")
            else:
                kept = f"@{self._names.spell(Ref('builtins', 'property'))}"
                value = self._names.spell(static.value)
                lines += [kept, f"def {name}(self) -> {value}:", "    raise NotImplementedError"]
        return tuple(lines)

    def _is_declared(self, name: str) -> bool:
        """Return whether the client's class only declares a member, as a Protocol does with values."""
        members = self._outline.facts.runtime.members
        return any(m.name == name and m.form is MemberForm.INSTANCE for m in members)

    def _absent(self) -> tuple[tuple[str, str], ...]:
        """Write why members are missing that type checkers believe in, as they do in drop-in mode."""
        if self._request.mode != "drop-in":
            return ()
        return tuple(
            (string_literal(p.name), string_literal(p.reason))
            for p in self._outline.skipped
            if p.fate is Fate.SKIPPED
        )

    @cached_property
    def _library(self) -> str | None:
        """The name of the classifier for the client's library, if the runtime has one."""
        return library_of(self._request.module, self._outline.facts.home)

    def _balancer(self) -> str | None:
        """Write the default balancer of the pool, if it is not the runtime's."""
        library = self._request.keys or self._library
        balancer = self._request.balancer or known_balancer(library, self._request.qualname)
        return string_literal(balancer) if balancer else None

    def _closer(self) -> str | None:
        """Write how a member is closed: by a method of the client's, or as a `with` block leaves it."""
        closing = self._outline.closing
        if closing is None:
            return None
        nothing = NO_ERROR if closing in LEAVING else ()
        if self._outline.closing_untyped:
            given = ", ".join([string_literal(closing), *nothing])
            return f"{self._names.spell_running(METHODCALLER)}({given})"
        return f"lambda client: client.{closing}({', '.join(nothing)})"

    def _kept_closer(self) -> AttributeModel:
        """Write what hands the arguments of the wrapper's closing methods to those of the clients."""
        spell = self._names.spell
        annotation = Expression.of(CLOSES, "[", self._outline.client_type, "]")
        made = f"{self._names.spell_running(CLOSES)}({self._closer()})"
        return AttributeModel(name=CLOSER, annotation=spell(annotation), value=made)

    def _entry(self, plan: Plan) -> EntryModel:
        """Write one function of the method table."""
        spell = self._names.spell
        params = table_params(plan)
        names = {param.name for param in params}
        client = distinct("client", set(names))
        # A function declared to raise has no result to return.
        result = ANY if plan.result is None or plan.never_returns else plan.result
        untyped = self._outline.calls_any(plan)
        return EntryModel(
            function=self._outline.functions[plan.label],
            label=string_literal(plan.label),
            policy=self._policy(plan),
            client=client,
            client_type=spell(ANY if untyped else self._outline.table_client),
            packed=distinct("packed", set(names)) if params else "_",
            packed_type=spell(self._packed_type(plan)),
            unpacked=unpacking(params) if params else None,
            call=self._call(plan, client),
            local=distinct("result", set(names)) if untyped and result != ANY else None,
            result=spell(result),
        )

    def _packed_type(self, plan: Plan) -> Expression:
        """Choose the type of the packed arguments: Any where the client's own types cannot be trusted."""
        if not table_params(plan):
            return Expression.of(Ref("builtins", "object"))
        restated = not plan.overloads and not plan.inherited and plan.static_params is None
        loose = self._outline.calls_any(plan) or plan.receiver or plan.form is Form.CALLABLE
        return packed_type(plan.params) if restated and not loose else ANY

    def _call(self, plan: Plan, client: str) -> str:
        """Write what the function runs on the member's client."""
        access = CLIENT.sub(client, plan.access, count=1)
        if plan.is_value:
            return access
        passed = forwarding(plan.params)
        if plan.forwards_only_given or has_hidden(plan.params):
            watched = plan.forwards_only_given
            passed = forwarding_only_given(plan.params, watched=watched)
        return f"{access}({self._names.spell_running(passed)})"

    def _policy(self, plan: Plan) -> str:
        """Write the policy as keyword arguments of the decorator; nothing if none is set."""
        policy = self._request.policy(plan.label)
        words = ["idempotent=True"] if policy.idempotent else []
        words += [f"timeout={policy.timeout!r}"] if policy.timeout is not None else []
        said = policy.deadline_parameter
        bounding = deadline_parameter(plan, self._library, said, self._outline.facts).text
        words += [f"deadline_parameter={string_literal(bounding)}"] if bounding else []
        words += self._retry(policy.retry)
        for setting in ("expected", "ignored", "failures"):
            errors: tuple[str, ...] | None = getattr(policy, setting)
            if errors:
                named = [self._names.spell_running(given_ref(error)) for error in errors]
                words.append(f"{setting}=({', '.join(named)},)")
        if policy.judge is not None:
            words.append(f"judge={self._names.spell_running(given_ref(policy.judge))}")
        words += self._keys(plan, policy.hash_key)
        if policy.route is not None:
            words.append(f"route={string_literal(', '.join(roles(policy.route) or ()))}")
        return "".join(f", {word}" for word in words)

    def _retry(self, policy: RetrySettings | Literal[False] | None) -> list[str]:
        """Write the retry policy of a method; nothing if it is the pool's."""
        if policy is None or policy is False:
            return ["retry=False"] if policy is False else []
        words = [f"attempts={policy.attempts}"] if policy.attempts is not None else []
        words += [f"base={policy.base!r}"] if policy.base is not None else []
        if policy.errors:
            named = [self._names.spell_running(given_ref(error)) for error in policy.errors]
            words.append(f"errors=({', '.join(named)},)")
        words += [f"unsent={policy.unsent}"] if policy.unsent is not None else []
        made = self._names.spell_running(Ref(RUNTIME, "RetryPolicy"))
        return [f"retry={made}({', '.join(words)})"] if words else []

    def _keys(self, plan: Plan, said: str | None) -> list[str]:
        """Write which arguments are keys: those that the user names, else the known ones."""
        names = [param.name for param in plan.params]
        text = said or known_key(self._request.keys or self._library, plan.label)
        parts = (key_parts(text) if text else None) or ()
        if all(name in names for part in parts for name in part.parameters):
            return [f"hash_key={string_literal(text)}"] if text and parts else []
        if said is not None:
            raise RequestError(f"hash-key {said!r}: {plan.name} has no such parameter")
        return []  # another version of the library, whose method has other parameters

    def _namespace(self, namespace: Namespace) -> NamespaceModel:
        """Write the class of one namespace."""
        names = self._outline.class_names
        return NamespaceModel(
            name=names[namespace.path],
            doc=docstring(f"`{namespace.dotted}` of whichever member a call runs on."),
            outermost=len(namespace.path) == 1,
            inner=tuple((inner.path[-1], names[inner.path]) for inner in namespace.inner),
            methods=tuple(self._method(plan, field="_pool") for plan in namespace.members),
        )

    def _method(self, plan: Plan, field: str | None = None) -> MethodModel:
        """Write one member; `field` is the attribute that holds the pool, if it is not the wrapper's."""
        spell = self._names.spell
        receiver = self._receiver(plan)
        declared = partial(self._declaration, plan, receiver)
        return MethodModel(
            name=plan.name,
            form=body_form(plan),
            expression=self._expression(plan, f"{receiver}.{field or self._outline.pool_field}"),
            typed_local=spell(plan.typed_local) if plan.typed_local is not None else None,
            local=distinct(LOCALS.get(plan.form, "result"), {p.name for p in plan.params}),
            each=distinct("item", {p.name for p in plan.params}),
            error=distinct("error", {p.name for p in plan.params}),
            decorators=self._decorators(plan),
            overloads=tuple(
                without_async(plan, self._overload(one, declared)) for one in plan.overloads
            ),
            static=self._static(plan, declared),
            inherited=plan.inherited,
            declaration=spell(declared(plan.params, plan.returns)),
            protocol=self._protocol_lines(plan, declared),
            doc=self._doc(plan),
            comments=tuple(map(comment, plan.comments)),
        )

    def _static(self, plan: Plan, declared: Callable[..., Expression]) -> str | None:
        """Write the definition that type checkers see, where it differs from the one that runs."""
        if plan.static_params is None:
            return None
        return without_async(plan, self._names.spell(declared(plan.static_params, plan.returns)))

    def _doc(self, plan: Plan) -> str | None:
        """Write as much of the client's docstring as was requested."""
        if not plan.doc or self._request.docstrings == "none":
            return None
        if self._request.docstrings == "full":
            return docstring(plan.doc)
        return docstring(inspect.cleandoc(plan.doc).strip().partition("\n")[0])

    def _protocol_lines(self, plan: Plan, declared: Callable[..., Expression]) -> tuple[str, ...]:
        """Write the member as a Protocol declares it."""
        if self._request.mode != "protocol" or plan.inherited or plan.form in FORWARDS:
            return ()
        if plan.receiver or any(one.receiver for one in plan.overloads):
            return ()  # the Protocol has no type arguments that could select the overloads
        params = plan.static_params if plan.static_params is not None else plan.params
        text = self._names.spell(
            without_params(declared(params, plan.returns), self._outline.type_params)
        )
        return (*self._decorators(plan), without_async(plan, text))

    def _decorators(self, plan: Plan) -> tuple[str, ...]:
        """Write the decorators of a member; a deprecation goes where a client would have it."""
        lines = [f"@{self._names.spell_running(d)}" for d in plan.decorators]
        if plan.deprecated is None:
            return tuple(lines)
        marked = self._deprecated(plan.deprecated)
        innermost = plan.decorators in (PROPERTY, CLASS_METHOD)
        return (*lines, marked) if innermost else (marked, *lines)

    def _deprecated(self, said: Deprecation) -> str:
        """Write the decorator by which checkers, and calls if the client's do, warn of a member."""
        words = [string_literal(said.message)]
        if said.category is None:
            words.append("category=None")
        elif said.category != Ref("builtins", "DeprecationWarning"):
            words.append(f"category={self._names.spell_running(said.category)}")
        return f"@{self._names.spell_running(DEPRECATED)}({', '.join(words)})"

    def _overload(self, one: Overload, declared: Callable[..., Expression]) -> str:
        """Write one overload, below its deprecation."""
        line = self._names.spell(declared(one.params, one.returns, one.receiver))
        if one.deprecated is None:
            return line
        return f"{self._deprecated(Deprecation(one.deprecated))}\n{line}"

    def _attribute(self, plan: Plan) -> AttributeModel:
        """Write an attribute that the wrapper's `__init__` sets, as the client's does."""
        annotation = self._names.spell(plan.returns or ANY)
        pool = f"self.{self._outline.pool_field}"
        if plan.runtime_class is None:
            made = self._outline.class_names[(plan.name,)]
            return AttributeModel(name=plan.name, annotation=annotation, value=f"{made}({pool})")
        pooled = f"{self._names.spell_running(plan.runtime_class)}({pool}, {self._outline.functions[plan.label]})"
        return AttributeModel(name=plan.name, annotation=annotation, value=pooled)

    def _expression(self, plan: Plan, pool: str) -> str:
        """Write what the body runs: a call of the pool, or of the client class."""
        if plan.form is Form.CONSTANT:
            return self._of_client_class(plan)
        if plan.form in FORWARDS:
            forwarded = forwarding(plan.params)
            if has_hidden(plan.params):
                forwarded = forwarding_only_given(plan.params, watched=False)
            passed = self._names.spell_running(forwarded)
            call = f"{self._of_client_class(plan)}({passed})"
            return f"await {call}" if plan.coroutine else call
        if plan.form in (Form.CLOSE, Form.ACLOSE):
            return self._closing(plan, pool)
        function = self._outline.functions[plan.label]
        given = f"{function}, {arguments(plan.params)}" if plan.params else function
        called = POOL_CALLS[plan.form]
        if plan.returns_client and plan.is_value:
            called = called.replace("call", "pinned")
        if plan.returns_client and called.startswith("pinned"):
            wrapper = pool.partition(".")[0]
            given = f"{function}, {arguments(plan.params) or '()'}, {wrapper}"
        call = f"{pool}.{called}({given})"
        if plan.form is Form.AWAIT_STREAM:
            return f"await {call}.open()"
        if plan.form in TASKS:
            return f"{self._names.spell_running(ENSURE_FUTURE)}({call})"
        return f"await {call}" if plan.form in AWAITED else call

    def _closing(self, plan: Plan, pool: str) -> str:
        """Write how a wrapper is closed: as its pool, or with the arguments and the answer of each client."""
        called = "{}.aclose({})" if plan.form is Form.ACLOSE else "{}.close({})"
        if plan.coroutine:
            called = f"await {called}"
        if not is_told_how(plan):
            return called.format(pool, "")
        receiver = pool.partition(".")[0]
        text = called.format(f"{receiver}.{CLOSER}", f"{pool}, {self._told_how(plan)}")
        return f"{self._names.spell_running(ALL)}({text})" if plan.answers else text

    def _told_how(self, plan: Plan) -> str:
        """Write how each client is closed, with the arguments that the wrapper's method was given."""
        only_given = has_hidden(plan.params)
        passed = (
            forwarding_only_given(plan.params, watched=False)
            if only_given
            else forwarding(plan.params)
        )
        given = self._names.spell_running(passed)
        loose = plan.inherited or plan.static_params is not None or bool(plan.overloads)
        if loose or plan.untyped or self._outline.calls_any(plan):
            listed = f"{string_literal(plan.name)}, {given}" if given else string_literal(plan.name)
            return f"{self._names.spell_running(METHODCALLER)}({listed})"
        client = distinct("client", {param.name for param in plan.params})
        return f"lambda {client}: {client}.{plan.name}({given})"

    def _of_client_class(self, plan: Plan) -> str:
        """Write an attribute of the client class; by `getattr` where strict code may not see its type."""
        client = self._names.spell_running(self._outline.facts.ref)
        if plan.typed_local is not None:
            return f'getattr({client}, "{plan.name}")'
        return f"{client}.{plan.name}"

    def _receiver(self, plan: Plan) -> str:
        """Choose the receiver: `self`, or the nearest name that is no parameter of this method."""
        first = "cls" if plan.form in FORWARDS else "self"
        names = {param.name for param in plan.params}
        return first if first not in names else distinct(f"_{first}", names)

    def _declaration(
        self,
        plan: Plan,
        receiver: str,
        params: list[Param],
        returns: Expression | None,
        arguments: tuple[Expression, ...] = (),
    ) -> Expression:
        """Write the line that defines a member, without its colon.

        `arguments` are those of the wrapper that it is for: `self: ClientPool[str]`.
        """
        own = applied(Expression.of(self._request.wrapper_name), list(arguments or plan.receiver))
        typed = Expression.of(receiver, ": ", own) if arguments or plan.receiver else receiver
        keyword = "async def" if plan.coroutine else "def"
        head = f"{keyword} {plan.name}("
        arrow = Expression.of(" -> ", returns) if returns is not None else Expression(())
        listed = parameter_list(typed, params, alone=plan.receiver_alone)
        return Expression.of(head, listed, ")", arrow)


def without_async(plan: Plan, declaration: str) -> str:
    """Write what type checkers see without a body: there an async generator is a plain `def`."""
    if not plan.plain_for_checkers:
        return declaration
    return re.sub(r"^async def", "def", declaration, count=1, flags=re.MULTILINE)


def table_params(plan: Plan) -> list[Param]:
    """List what a function of the table unpacks: a pooled callable passes what to run."""
    if plan.form is Form.CALLABLE:
        return [Param(name="run", kind=Kind.POSITIONAL_ONLY, annotation=None, default=None)]
    return plan.params


def given_ref(name: str) -> Ref:
    """Turn `module:Class` or `module:function` into a reference."""
    module, _, qualname = name.partition(":")
    return Ref(module, qualname)


def without_params(declaration: Expression, params: tuple[Ref, ...]) -> Expression:
    """Put Any for the client's own type parameters: a Protocol would have to know their variance."""
    parts = (ANY.parts[0] if part in params else part for part in declaration.parts)
    return Expression(tuple(parts))


def body_form(plan: Plan) -> BodyForm:
    """Choose the statement around a method's expression."""
    if plan.never_returns:
        return BodyForm.NEVER_RETURNS
    closes = plan.form is Form.CLOSE or (plan.form is Form.ACLOSE and plan.coroutine)
    if closes and plan.returns in (NONE, ANY) and not plan.answers:
        return BodyForm.STATEMENT  # checkers reject `return` before an expression without a value
    if plan.form is Form.GENERATE and plan.typed_local is not None:
        return BodyForm.GENERATE_ANY if plan.typed_local == ANY else BodyForm.GENERATE_VALUE
    plain = BodyForm.TYPED_LOCAL if plan.typed_local is not None else BodyForm.RETURN
    return BODIES.get(plan.form, plain)
