"""The plan of one member: every decision about it, names still as references."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from connpool_gen.planning.ledger import LEFT_OUT, Fate
from connpool_gen.planning.signature import ANY, GIVEN, Param
from connpool_gen.reading.facts import Expression, Ref


class Remedy(Enum):
    """What is tried with a member that does not type-check, one after the other."""

    INHERIT = "take its static view from the client"
    UNTYPED_CALL = "restate it, but call a client about which the type checker knows nothing"
    SKIP = "leave it out"


def next_remedy(tried: Remedy | None) -> Remedy:
    """The remedy after one that failed; None for the first. There is nothing after the last."""
    order = list(Remedy)
    return order[0] if tried is None else order[min(order.index(tried) + 1, len(order) - 1)]


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
    typed_local: Expression | None = None
    inherited: bool = False
    doc: str | None = None
    access: str = ""
    label: str = ""
    runtime_class: Ref | None = None
    untyped: bool = False
    never_returns: bool = False
    forwards_only_given: bool = False
    returns_client: bool = False
    generic: bool = False
    receiver_alone: bool = False

    @property
    def is_value(self) -> bool:
        """Whether the member is read, not called."""
        return self.form in ("property", "property_sync", "callable")

    def excluded(self) -> Plan:
        """The same member, left out because the user asked for it."""
        return skip(self.name, LEFT_OUT)

    def static_needs(self) -> Iterable[Expression | Ref | None]:
        """Names that only annotations use."""
        for params in (self.params, self.static_params or [], *(p for p, _ in self.overloads)):
            yield from (param.annotation for param in params)
        yield from (returns for _, returns in self.overloads)
        yield from (self.returns, self.typed_local)
        yield (self.result or ANY) if self.pooled else None

    def runtime_needs(self) -> Iterable[Expression | Ref | None]:
        """Names that are used when the module runs: default values."""
        yield from (param.default for param in self.params)
        yield GIVEN if self.forwards_only_given else None
        yield self.runtime_class


def skip(name: str, reason: str) -> Plan:
    """A member the wrapper will not have."""
    return Plan(name=name, fate=Fate.SKIPPED, reason=reason)
