"""Which names the output uses: constants, imports, the pool's accessor; none means two things."""

from __future__ import annotations

from collections.abc import Iterator

from connpool_gen.building.connecting import Connectors
from connpool_gen.config.request import GenerateRequest, snake_case
from connpool_gen.errors import RequestError
from connpool_gen.identifiers import Names, distinct
from connpool_gen.planning.lifecycle import closers
from connpool_gen.planning.namespaces import Resource
from connpool_gen.planning.plan import FORWARDS, Plan, Skip
from connpool_gen.planning.signature import ANY
from connpool_gen.reading.facts import ClassFacts, Expression, Ref

RUNTIME = "connpool_runtime"
METHODCALLER = Ref("operator", "methodcaller")
TYPING = "typing"
OWN_NAMES = ("self", "client", "args", "result", "_Of", "_Static", "_ABSENT", "_satisfies")


class Vocabulary:
    """Collects what the plans need and chooses a name for each thing."""

    def __init__(
        self,
        facts: ClassFacts,
        request: GenerateRequest,
        plans: list[Plan | Skip],
        resources: list[Resource],
        *,
        asynchronous: bool,
    ) -> None:
        self.facts = facts
        self.request = request
        self.asynchronous = asynchronous
        self.members = [p for p in plans if isinstance(p, Plan)]
        self.resources = [part for resource in resources for part in resource.walk()]
        self.pooled = [p for p in self.members if p.pooled] + [
            plan for part in self.resources for plan in part.methods
        ]
        self.skipped = [p for p in plans if isinstance(p, Skip)]
        self.pool_field = self._pool_field()
        self.connectors = self._connectors()
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

    def _connectors(self) -> Connectors | None:
        """The connectors that open members, if they were asked for."""
        if self.request.connector is None:
            return None
        if self.facts.runtime.static_only:
            raise RequestError(
                f"connector: {self.request.client} exists only for type checkers, so no connector "
                "can make one; give the pool a connector of your own with pool.add_connector"
            )
        return Connectors(self.request.connector, self.asynchronous)

    def _constants(self) -> dict[str, str]:
        """The module constant of each method: `get_user` -> `_GET_USER`."""
        taken = {
            self.request.wrapper_name,
            *self._parameter_names(),
            *(p.name for p in self.members),
        }
        taken |= {resource.class_name for resource in self.resources}
        return {
            plan.label: distinct("_" + constant_name(plan.label), taken) for plan in self.pooled
        }

    def _everything(self) -> Iterator[Plan]:
        """All plans that become source: members, then the leaves of the namespaces."""
        yield from self.members
        for resource in self.resources:
            yield from resource.methods

    def _parameter_names(self) -> set[str]:
        return {param.name for plan in self._everything() for param in plan.params}

    def _reserved(self) -> set[str]:
        own = {self.request.wrapper_name, self.request.protocol_name, self.pool_field, *OWN_NAMES}
        own |= {resource.class_name for resource in self.resources}
        # The body of a class method names the client class, so its parameters must not.
        forwarded = [plan for plan in self.members if plan.form in FORWARDS]
        own |= {param.name for plan in forwarded for param in plan.params}
        return own | {plan.name for plan in self.members} | set(self.constants.values())

    def _collect(self) -> None:
        need = self.names.need
        need(Ref(RUNTIME, "Method"), Ref(RUNTIME, self.pool_class), at_runtime=True)
        need(self.facts.ref, at_runtime=not self.facts.runtime.static_only)
        need(Ref(TYPING, "TYPE_CHECKING"), at_runtime=True)
        need(self.client_type, self.table_client, *self.words.values())
        if self.type_params:
            need(Ref(TYPING, "Generic"), *self.type_params, at_runtime=True)
        if self.resources or self.type_params:
            need(ANY)
        for plan in self._everything():
            need(*plan.decorators, *plan.runtime_needs(), at_runtime=True)
            need(*plan.static_needs(), ANY if plan.untyped else None)
            if plan.overloads:
                need(self.words["overload"], at_runtime=True)
            policy = self.request.policy(plan.label or plan.name)
            errors = (*(policy.expected or ()), *(policy.ignored or ()))
            judge = (policy.judge,) if policy.judge is not None else ()
            need(*(given_ref(name) for name in (*errors, *judge)), at_runtime=True)
        need(*(self.connectors.needs() if self.connectors is not None else ()))
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
        if self.resources:
            words["any"] = Ref(TYPING, "Any")
        if self.request.mode == "protocol":
            words["protocol"] = Ref(TYPING, "Protocol")
        if any(plan.overloads for plan in self.members):
            words["overload"] = Ref(TYPING, "overload")
        if any(plan.inherited for plan in self.members):
            words["inherited"] = Ref("connpool_runtime.typing", "inherited")
        return words

    @property
    def type_params(self) -> tuple[Ref, ...]:
        """The client's own type parameters, if all of them can be imported."""
        params = self.facts.runtime.type_params
        return params if all(param.module for param in params) else ()

    @property
    def client_type(self) -> Expression:
        """The client's type as the pool holds it, with its own type parameters."""
        if not self.type_params:
            return self.table_client
        return applied(self.facts.ref, [Expression.of(p) for p in self.type_params])

    @property
    def table_client(self) -> Expression:
        """The client's type in the method table, where type parameters are unknown.

        So they are everywhere for a class that only type checkers know to be generic.
        """
        count = len(self.type_params) or self.facts.static_params
        return applied(self.facts.ref, [ANY for _ in range(count)])

    @property
    def pool_class(self) -> str:
        """The pool of this colour."""
        return "AsyncPool" if self.asynchronous else "Pool"

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

    @property
    def closing(self) -> str | None:
        """The member that closes a client; the asynchronous one if there are two."""
        return min(closers(self.facts), default=None)

    @property
    def closing_untyped(self) -> bool:
        """Whether strict code may not call it directly."""
        static = self.facts.static.get(self.closing or "")
        return static is None or any(signature.untyped for signature in static.signatures)


def constant_name(label: str) -> str:
    """`chat.completions.create` -> `CHAT_COMPLETIONS_CREATE`."""
    return "_".join(snake_case(part).upper() for part in label.split(".")) or "METHOD"


def given_ref(name: str) -> Ref:
    """`module:Class` or `module:function` as a reference."""
    module, _, qualname = name.partition(":")
    return Ref(module, qualname)


def applied(ref: Ref | Expression, args: list[Expression]) -> Expression:
    """`Class` or `Class[A, B]`."""
    if not args:
        return Expression.of(ref)
    return Expression.of(ref, "[", Expression.join(", ", args), "]")
