"""Facts + request -> the model of the output and the ledger: which members are wrapped, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from connpool_gen.errors import RequestError, TargetError
from connpool_gen.facts import ClassFacts, Expression, Ref, RuntimeMember, StaticMember
from connpool_gen.ledger import Fate, Ledger, LedgerEntry
from connpool_gen.lifecycle import closers
from connpool_gen.members import plan_member
from connpool_gen.model import AttributeModel, EntryModel, MethodModel, ModuleModel
from connpool_gen.naming import Names, distinct
from connpool_gen.plan import Plan, skip
from connpool_gen.request import GenerateRequest, snake_case
from connpool_gen.signature import ANY, Param, arguments, by_own_name, forwarding, parameter_list
from connpool_gen.text import docstring, string_literal

RUNTIME = "connpool_runtime"
METHODCALLER = Ref("operator", "methodcaller")
TYPING = "typing"
OWN_NAMES = ("self", "client", "args", "result", "_Of", "_Static", "_ABSENT", "_satisfies")
POOL_CALLS = {
    "call": "call",
    "await": "call",
    "call_sync": "call_sync",
    "call_any": "call_any",
    "property": "call",
    "property_sync": "call_sync",
    "stream": "stream",
    "generate": "stream",
    "agenerate": "stream",
    "pending": "pending",
    "context": "context",
    "manager": "context",
    "amanager": "context",
    "broadcast": "broadcast",
    "abroadcast": "broadcast",
}


@dataclass(frozen=True, slots=True)
class Built:
    """What `build` makes."""

    module: ModuleModel
    ledger: Ledger


def build(
    facts: ClassFacts, request: GenerateRequest, inherit: frozenset[str] = frozenset()
) -> Built:
    """Decide the fate of every public member and prepare all strings of the output.

    `inherit` names members whose static view is taken from the client because restating it
    did not type-check. Raises TargetError for a class without anything to wrap.
    """
    asynchronous = is_asynchronous(facts)
    plans = [
        plan_member(member, facts, asynchronous=asynchronous, inherit=member.name in inherit)
        for member in facts.runtime.members
        if not is_pool_dunder(member.name)
    ]
    plans += [
        skip(name, "only type checkers see it; the running class does not have it")
        for name in sorted(facts.static.keys() - {member.name for member in facts.runtime.members})
    ]
    plans = [plan if request.wants(plan.name) else plan.excluded() for plan in plans]
    refuse_empty(facts, request, plans)
    ledger = Ledger(tuple(LedgerEntry(name=p.name, fate=p.fate, reason=p.reason) for p in plans))
    return Built(ModuleBuilder(facts, request, plans, asynchronous=asynchronous).module(), ledger)


def is_pool_dunder(name: str) -> bool:
    return name in ("__enter__", "__exit__", "__aenter__", "__aexit__")


def is_asynchronous(facts: ClassFacts) -> bool:
    """A client is async when any of its own calls gives a coroutine, an awaitable or an async iterator."""
    colours = [is_async_member(m, facts.static.get(m.name)) for m in facts.runtime.members]
    awaited = sum(colours)
    plain = sum(m.form in ("function", "generator") for m in facts.runtime.members) - awaited
    if any(m.name == "__aenter__" for m in facts.runtime.members) and awaited:
        return not any(m.name == "__enter__" for m in facts.runtime.members) or awaited > plain
    return awaited > 0 and awaited * 4 >= plain


def is_async_member(member: RuntimeMember, static: StaticMember | None) -> bool:
    if member.form in ("coroutine", "asyncgen"):
        return True
    results = {s.result for s in static.signatures} if static else set[str]()
    kinds = {"coroutine", "awaitable", "async_iterator", "async_context", "awaitable_context"}
    return bool(results) and results <= kinds


def refuse_empty(facts: ClassFacts, request: GenerateRequest, plans: list[Plan]) -> None:
    """A wrapper without a single member would be useless: say so instead."""
    if any(plan.fate in (Fate.WRAPPED, Fate.BROADCAST) for plan in plans):
        return
    if plans and (request.include or request.exclude):
        raise RequestError(f"{request.client}: --include and --exclude leave no method to wrap")
    hint = (
        "; its attributes come from __getattr__, and dynamic attributes cannot be enumerated"
        if facts.runtime.dynamic
        else ""
    )
    skipped = "; ".join(f"{p.name}: {p.reason}" for p in plans[:3] if p.fate is Fate.SKIPPED)
    detail = f" ({skipped})" if skipped else ""
    raise TargetError(f"{request.client} has no public method that can be wrapped{hint}{detail}")


class ModuleBuilder:
    """Turns plans into strings; one instance builds one module."""

    def __init__(
        self, facts: ClassFacts, request: GenerateRequest, plans: list[Plan], *, asynchronous: bool
    ) -> None:
        self.facts = facts
        self.request = request
        self.asynchronous = asynchronous
        self.members = [p for p in plans if p.fate is not Fate.SKIPPED]
        self.skipped = [p for p in plans if p.fate is Fate.SKIPPED]
        self.pool_field = self._pool_field()
        self.constants = self._constants()
        self.names = Names(self._reserved())
        self._collect()
        self.names.settle()

    # ------------------------------------------------------------ names

    def _pool_field(self) -> str:
        """The accessor of the pool; steps aside for a member of the same name."""
        members = {plan.name for plan in self.members}
        asked = self.request.pool_field
        if asked is not None and asked in members:
            raise RequestError(
                f"--pool-field {asked!r}: {self.request.client} has a member of that name"
            )
        return asked or ("pool" if "pool" not in members else distinct("pool_", set(members)))

    def _constants(self) -> dict[str, str]:
        """The module constant of each method: `get_user` -> `_GET_USER`."""
        taken = {
            self.request.wrapper_name,
            *self._parameter_names(),
            *(p.name for p in self.members),
        }
        return {
            plan.name: distinct("_" + (snake_case(plan.name).upper() or "METHOD"), taken)
            for plan in self.members
            if plan.pooled
        }

    def _parameter_names(self) -> set[str]:
        return {param.name for plan in self.members for param in plan.params}

    def _reserved(self) -> set[str]:
        own = {self.request.wrapper_name, self.request.protocol_name, self.pool_field, *OWN_NAMES}
        return own | {plan.name for plan in self.members} | set(self.constants.values())

    def _collect(self) -> None:
        need = self.names.need
        need(Ref(RUNTIME, "Method"), Ref(RUNTIME, self.pool_class), self.facts.ref, at_runtime=True)
        need(Ref(TYPING, "TYPE_CHECKING"), at_runtime=True)
        need(self.client_type, self.table_client, *self.words.values())
        if self.type_params:
            need(Ref(TYPING, "Generic"), *self.type_params, at_runtime=True)
        for plan in self.members:
            need(*plan.decorators, *plan.runtime_needs(), at_runtime=True)
            need(*plan.static_needs(), ANY if plan.untyped else None)
            if plan.overloads:
                need(self.words["overload"], at_runtime=True)
            policy = self.request.policy(plan.name)
            errors = (*(policy.expected or ()), *(policy.ignored or ()))
            need(*(error_ref(error) for error in errors), at_runtime=True)
        if self.request.mode == "protocol":
            need(self.words["protocol"], at_runtime=True)
        if self.closing is not None and self.closing_untyped:
            need(METHODCALLER, at_runtime=True)

    @property
    def words(self) -> dict[str, Ref]:
        """The names that the templates themselves use."""
        words = {
            "method": Ref(RUNTIME, "Method"),
            "options": Ref(RUNTIME, "PoolOptions"),
            "unpack": Ref(TYPING, "Unpack"),
            "self": Ref(TYPING, "Self"),
            "type_checking": Ref(TYPING, "TYPE_CHECKING"),
            "object": Ref("builtins", "object"),
        }
        if self.request.mode == "protocol":
            words["protocol"] = Ref(TYPING, "Protocol")
        if any(plan.overloads for plan in self.members):
            words["overload"] = Ref(TYPING, "overload")
        if any(plan.inherited for plan in self.members):
            words["inherited"] = Ref("connpool_runtime.typing", "inherited")
        return words

    @property
    def type_params(self) -> tuple[Ref, ...]:
        params = self.facts.runtime.type_params
        return params if all(param.module for param in params) else ()

    @property
    def client_type(self) -> Expression:
        """The client's type as the pool holds it, with its own type parameters."""
        return applied(self.facts.ref, [Expression.of(p) for p in self.type_params])

    @property
    def table_client(self) -> Expression:
        """The client's type in the method table, where type parameters are unknown."""
        return applied(
            self.facts.ref, [Expression.of(Ref(TYPING, "Any")) for _ in self.type_params]
        )

    @property
    def pool_class(self) -> str:
        return "AsyncPool" if self.asynchronous else "Pool"

    # ------------------------------------------------------------ pieces

    def module(self) -> ModuleModel:
        """All strings of the output."""
        request, spell = self.request, self.names.spell
        pool_class = spell(Ref(RUNTIME, self.pool_class))
        target = f"{request.module}.{request.qualname}"
        return ModuleModel(
            doc=docstring(f"Pool of `{target}` clients."),
            imports=self._import_lines(at_runtime=True),
            typing_imports=self._import_lines(at_runtime=False),
            static_client=self._static_client(),
            words={word: spell(ref) for word, ref in self.words.items()},
            entries=tuple(self._entry(plan) for plan in self.members if plan.pooled),
            wrapper=request.wrapper_name,
            mode=request.mode,
            protocol=request.protocol_name,
            client=spell(self.client_type),
            absent=self._absent(),
            type_args=self._type_args(),
            bases=self._bases(),
            class_doc=docstring(
                f"Pool of `{target}`: each public method runs on one of its members."
            ),
            pool_class=pool_class,
            pool_type=f"{pool_class}[{spell(self.client_type)}]",
            pool_field=self.pool_field,
            pool_name=string_literal(snake_case(request.qualname.rpartition(".")[2])),
            closer=self._closer(),
            asynchronous=self.asynchronous,
            metrics=request.metrics,
            attributes=tuple(self._attribute(p) for p in self.members if p.form == "callable"),
            methods=tuple(self._method(p) for p in self.members if p.form != "callable"),
        )

    def _import_lines(self, *, at_runtime: bool) -> tuple[str, ...]:
        lines = (
            ["import builtins as _builtins"] if at_runtime and self.names.hidden_builtins() else []
        )
        by_module: dict[str, list[str]] = {}
        for module, name, alias in self.names.imports(at_runtime=at_runtime):
            renamed = f"{name} as {alias}" if alias != name else name
            by_module.setdefault(module, []).append(renamed)
        for module, imported in by_module.items():
            untyped = module in self.facts.untyped_modules
            ignore = "  # type: ignore[import-untyped,unused-ignore] # it ships no types"
            lines.append(
                f"from {module} import {', '.join(imported)}" + (ignore if untyped else "")
            )
        return tuple(lines)

    def _type_args(self) -> str:
        """`[Row]` for a generic client, else nothing."""
        inner = ", ".join(self.names.spell(param) for param in self.type_params)
        return f"[{inner}]" if inner else ""

    def _bases(self) -> str:
        generic = self.names.spell(Ref(TYPING, "Generic")) if self.type_params else ""
        return f"({generic}{self._type_args()})" if generic else ""

    def _static_client(self) -> str | None:
        needed = any(plan.inherited for plan in self.members)
        return self.names.spell(self.table_client) if needed else None

    def _absent(self) -> tuple[tuple[str, str], ...]:
        """In drop-in mode type checkers believe in these members, so their absence must explain itself."""
        if self.request.mode != "drop-in":
            return ()
        return tuple((string_literal(p.name), string_literal(p.reason)) for p in self.skipped)

    def _closer(self) -> str | None:
        """How a member is closed: by the client's own `aclose` or `close`."""
        if self.closing is None:
            return None
        if self.closing_untyped:
            return f'{self.names.spell(METHODCALLER)}("{self.closing}")'
        return f"lambda client: client.{self.closing}()"

    @property
    def closing(self) -> str | None:
        """The member that closes a client; the asynchronous one if there are two."""
        return min(closers(self.facts), default=None)

    @property
    def closing_untyped(self) -> bool:
        """Whether strict code may not call it directly."""
        static = self.facts.static.get(self.closing or "")
        return static is None or any(signature.untyped for signature in static.signatures)

    def _entry(self, plan: Plan) -> EntryModel:
        spell = self.names.spell
        result = plan.result or ANY
        client = ANY if plan.untyped else self.table_client
        method = Expression.of(Ref(RUNTIME, "Method"), "[", client, ", ", result, "]")
        return EntryModel(
            constant=self.constants[plan.name],
            annotation=spell(method),
            label=string_literal(plan.label),
            call=plan.access if plan.is_value else f"{plan.access}({forwarding(plan.params)})",
            policy=self._policy(plan),
        )

    def _policy(self, plan: Plan) -> str:
        """The policy as keyword arguments of the table entry; nothing where nothing is set."""
        policy = self.request.policy(plan.name)
        words = ["idempotent=True"] if policy.idempotent else []
        words += [f"timeout={policy.timeout!r}"] if policy.timeout is not None else []
        for setting, errors in (("expected", policy.expected), ("ignored", policy.ignored)):
            if errors:
                named = [self.names.spell(error_ref(error)) for error in errors]
                words.append(f"{setting}=({', '.join(named)},)")
        if policy.hash_key is not None:
            words.append(f"hash_key={self._hash_index(plan, policy.hash_key)}")
        return "".join(f", {word}" for word in words)

    def _hash_index(self, plan: Plan, parameter: str) -> int:
        """Where the affinity key stands among the arguments."""
        names = [param.name for param in plan.params]
        if parameter not in names:
            raise RequestError(f"hash-key {parameter!r}: {plan.name} has no such parameter")
        return names.index(parameter)

    def _method(self, plan: Plan) -> MethodModel:
        spell = self.names.spell
        receiver = self._receiver(plan)
        declared = partial(self._declaration, plan, receiver)
        return MethodModel(
            name=plan.name,
            form=body_form(plan),
            expression=self._expression(plan, receiver),
            hop=spell(plan.hop) if plan.hop is not None else None,
            decorators=tuple(f"@{spell(d)}" for d in plan.decorators),
            overloads=tuple(spell(declared(params, returns)) for params, returns in plan.overloads),
            static=(
                spell(declared(plan.static_params, plan.returns))
                if plan.static_params is not None
                else None
            ),
            inherited=plan.inherited,
            declaration=spell(declared(plan.params, plan.returns)),
            protocol=self._protocol_lines(plan, declared),
            doc=docstring(plan.doc) if plan.doc else None,
        )

    def _protocol_lines(
        self, plan: Plan, declared: Callable[[list[Param], Expression | None], Expression]
    ) -> tuple[str, ...]:
        """The member as a Protocol declares it: an async generator there is a plain `def`."""
        if self.request.mode != "protocol" or plan.inherited or plan.form.startswith("forward"):
            return ()
        params = plan.static_params if plan.static_params is not None else plan.params
        text = self.names.spell(declared(params, plan.returns))
        if plan.form == "agenerate":
            text = text.removeprefix("async ")
        return (*(f"@{self.names.spell(d)}" for d in plan.decorators), text)

    def _attribute(self, plan: Plan) -> AttributeModel:
        """A callable that the client's `__init__` makes, so ours does too."""
        assert plan.returns is not None and plan.runtime_class is not None
        pooled = self.names.spell(plan.runtime_class)
        return AttributeModel(
            name=plan.name,
            annotation=self.names.spell(plan.returns),
            value=f"{pooled}(self.{self.pool_field}, {self.constants[plan.name]})",
        )

    def _expression(self, plan: Plan, receiver: str) -> str:
        """What the body runs: a call of the pool, or of the client class."""
        pool = f"{receiver}.{self.pool_field}"
        target = f"{self.names.spell(self.facts.ref)}.{plan.name}"
        if plan.form == "constant":
            client = self.names.spell(self.facts.ref)
            return f'getattr({client}, "{plan.name}")' if plan.hop is not None else target
        if plan.form in ("forward", "forward_await"):
            if plan.hop is not None:
                target = f'getattr({self.names.spell(self.facts.ref)}, "{plan.name}")'
            call = f"{target}({forwarding(plan.params, by_own_name)})"
            return f"await {call}" if plan.coroutine else call
        if plan.form in ("close", "aclose"):
            return f"{pool}.close()" if plan.form == "close" else f"await {pool}.aclose()"
        constant = self.constants[plan.name]
        given = f"{constant}, {arguments(plan.params)}" if plan.params else constant
        wait = "await " if plan.form in ("await", "abroadcast") else ""
        return f"{wait}{pool}.{POOL_CALLS[plan.form]}({given})"

    def _receiver(self, plan: Plan) -> str:
        """`self`, or the nearest name that no parameter of this method has."""
        first = "cls" if plan.form.startswith("forward") else "self"
        names = {param.name for param in plan.params}
        return first if first not in names else distinct(f"_{first}", names)

    def _declaration(
        self, plan: Plan, receiver: str, params: list[Param], returns: Expression | None
    ) -> Expression:
        keyword = "async def" if plan.coroutine else "def"
        head = f"{keyword} {plan.name}("
        arrow = Expression.of(" -> ", returns) if returns is not None else Expression(())
        listed = parameter_list(receiver, params, alone=plan.receiver_alone)
        return Expression.of(head, listed, ")", arrow)


def error_ref(name: str) -> Ref:
    """`module:Class` as a reference."""
    module, _, qualname = name.partition(":")
    return Ref(module, qualname)


def body_form(plan: Plan) -> str:
    """The template's word for the body."""
    if plan.silent:
        return "silent"
    if plan.form == "generate" and plan.hop is not None:
        return "generate_value"
    if plan.form in ("generate", "agenerate", "manager", "amanager"):
        return plan.form
    return "hop" if plan.hop is not None else "return"


def applied(ref: Ref, args: list[Expression]) -> Expression:
    """`Class` or `Class[A, B]`."""
    if not args:
        return Expression.of(ref)
    return Expression.of(ref, "[", Expression.join(", ", args), "]")
