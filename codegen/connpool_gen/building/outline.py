"""What the wrapper consists of, and the names of its own that are chosen before any text is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from connpool_gen.building.connecting import Connectors
from connpool_gen.config.request import GenerateRequest
from connpool_gen.errors import RequestError
from connpool_gen.identifiers import distinct, snake_case
from connpool_gen.planning.lifecycle import closing_of
from connpool_gen.planning.namespaces import Namespace
from connpool_gen.planning.plan import FORWARDS, Form, Plan, Skip
from connpool_gen.planning.signature import ANY
from connpool_gen.reading.facts import ClassFacts, Expression, Ref, StaticSignature

RUNTIME = "connpool_runtime"
TYPING = "typing"
UNPACK = Ref("typing", "Unpack")
OWN_NAMES = (
    "self",
    "client",
    "packed",
    "result",
    "require_contract",
    "_Of",
    "_Static",
    "_ABSENT",
    "_satisfies",
    "_satisfies_too",
)


@dataclass(frozen=True)
class Outline:
    """The plans of one wrapper, sorted by where they stand in the output."""

    facts: ClassFacts
    request: GenerateRequest
    plans: tuple[Plan | Skip, ...]
    outermost: tuple[Namespace, ...]
    asynchronous: bool

    # ------------------------------------------------------------ what stands where

    @cached_property
    def members(self) -> list[Plan]:
        """The members of the wrapper class."""
        return [plan for plan in self.plans if isinstance(plan, Plan)]

    @cached_property
    def skipped(self) -> list[Skip]:
        """The members that the wrapper lacks."""
        return [plan for plan in self.plans if isinstance(plan, Skip)]

    @cached_property
    def namespaces(self) -> list[Namespace]:
        """All namespaces, inner ones before those that hold them."""
        return [part for namespace in self.outermost for part in namespace.walk()]

    @cached_property
    def pooled(self) -> list[Plan]:
        """What has a function in the method table."""
        leaves = [plan for part in self.namespaces for plan in part.members]
        return [plan for plan in self.members if plan.pooled] + leaves

    def everything(self) -> Iterator[Plan]:
        """Yield all plans that become source: members, then the methods of the namespaces."""
        yield from self.members
        for namespace in self.namespaces:
            yield from namespace.members

    # ------------------------------------------------------------ names of the wrapper's own

    @cached_property
    def pool_field(self) -> str:
        """The accessor of the pool; renamed if the client has a member of the same name."""
        members = {plan.name for plan in self.members}
        asked = self.request.pool_field
        if asked is not None and asked in members:
            raise RequestError(
                f"--pool-field {asked!r}: {self.request.client} has a member of that name"
            )
        return asked or ("pool" if "pool" not in members else distinct("pool_", set(members)))

    @cached_property
    def class_names(self) -> dict[tuple[str, ...], str]:
        """The class of each namespace by its path; `user.admin` and `user_admin` get different ones."""
        taken = {self.request.wrapper_name, self.request.protocol_name, *OWN_NAMES}
        return {part.path: distinct(part.natural_name, taken) for part in self.namespaces}

    @cached_property
    def functions(self) -> dict[str, str]:
        """The function of each method in the table: `get_user` -> `_get_user`."""
        parameters = {param.name for plan in self.everything() for param in plan.params}
        taken = {self.request.wrapper_name, *parameters, *(p.name for p in self.members)}
        taken |= set(self.class_names.values())
        return {
            plan.label: distinct("_" + function_name(plan.label), taken) for plan in self.pooled
        }

    def reserved(self) -> set[str]:
        """Collect the names that no import may take."""
        own = {self.request.wrapper_name, self.request.protocol_name, self.pool_field, *OWN_NAMES}
        own |= set(self.class_names.values())
        # Some bodies use imported names, so their parameters must not shadow these: the client class in class
        # methods, what calls a closing method, and the defaults that functions of the table compare with.
        naming = [p for p in self.members if p.form in FORWARDS or is_told_how(p)]
        naming += [plan for plan in self.pooled if plan.forwards_only_given]
        own |= {param.name for plan in naming for param in plan.params}
        return own | {plan.name for plan in self.members} | set(self.functions.values())

    # ------------------------------------------------------------ the client and the pool

    @property
    def client_is_any(self) -> bool:
        """Return whether mypy takes the client class for Any, because it comes from a module without types."""
        return self.facts.ref.module in self.facts.untyped_modules

    def calls_any(self, plan: Plan) -> bool:
        """Return whether a function of the table must take the client for Any, as mypy takes it or the member."""
        static = self.facts.static.get(plan.label)
        unchecked = static is not None and static.unchecked
        return plan.untyped or self.client_is_any or unchecked

    @property
    def type_params(self) -> tuple[Ref, ...]:
        """The client's own type parameters, as the output writes them."""
        return self.facts.type_params

    @property
    def client_type(self) -> Expression:
        """The client's type as the pool holds it, with its own type parameters."""
        if not self.type_params:
            return self.table_client
        return applied(self.facts.ref, self.type_arguments)

    @property
    def type_arguments(self) -> list[Expression]:
        """The client's own type parameters as arguments: `T`, `Unpack[Ts]`."""
        variadic = self.facts.variadic
        return [
            Expression.of(UNPACK, "[", param, "]") if param in variadic else Expression.of(param)
            for param in self.type_params
        ]

    @property
    def any_arguments(self) -> list[Expression]:
        """The arguments where the client's type parameters are unknown: `Any`, `Unpack[tuple[Any, ...]]`."""
        variadic = self.facts.variadic
        anything = Expression.of(UNPACK, "[", Ref("builtins", "tuple"), "[", ANY, ", ...]]")
        return [anything if param in variadic else ANY for param in self.type_params]

    @property
    def table_client(self) -> Expression:
        """The client's type in the method table, where type parameters are unknown.

        So they are everywhere for a class that only type checkers know to be generic.
        """
        known = self.any_arguments or [ANY for _ in range(self.facts.static_params)]
        return applied(self.facts.ref, known)

    @property
    def pool_class(self) -> Ref:
        """The pool of the runtime that the wrapper holds."""
        return Ref(RUNTIME, "AsyncPool" if self.asynchronous else "Pool")

    @cached_property
    def closing(self) -> str | None:
        """The member that closes a client."""
        return closing_of(self.facts, asynchronous=self.asynchronous)

    @property
    def keeps_closer(self) -> bool:
        """Return whether the wrapper's closing methods tell the pool how to close its members."""
        return any(is_told_how(plan) for plan in self.members)

    @property
    def closing_untyped(self) -> bool:
        """Return whether strict code may not call the closing method directly."""
        static = self.facts.static.get(self.closing or "")
        if static is None or any(signature.untyped for signature in static.signatures):
            return True
        # Many annotate what `__exit__` takes as if there always were an error.
        leaving = (self.closing or "").startswith("__")
        return leaving and not all(takes_none(signature) for signature in static.signatures)

    @cached_property
    def connectors(self) -> Connectors | None:
        """The connectors that open members, if they were asked for."""
        if self.request.connector is None:
            return None
        if self.facts.runtime.static_only:
            raise RequestError(
                f"connector: {self.request.client} exists only for type checkers, so no connector "
                "can make one; give the pool a connector of your own with pool.add_connector"
            )
        return Connectors(self.request.connector, self.asynchronous)


def function_name(label: str) -> str:
    """`chat.completions.create` -> `chat_completions_create`."""
    return "_".join(snake_case(part) for part in label.split(".")) or "method"


def is_told_how(plan: Plan) -> bool:
    """Return whether a member closes the pool and has arguments for its members, or an answer from them."""
    return plan.form in (Form.CLOSE, Form.ACLOSE) and (bool(plan.params) or plan.answers)


def takes_none(signature: StaticSignature) -> bool:
    """Return whether every parameter takes None, as its annotation is written."""
    annotations = [param.annotation.plain for param in signature.params]
    return all(text in ("object", "Any") or "None" in text for text in annotations)


def applied(ref: Ref | Expression, args: list[Expression]) -> Expression:
    """Write `Class` or `Class[A, B]`."""
    if not args:
        return Expression.of(ref)
    return Expression.of(ref, "[", Expression.join(", ", args), "]")
