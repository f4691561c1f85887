"""Methods of a gRPC stub that are safe to repeat, by the `idempotency_level` in the service's `.proto`."""

from __future__ import annotations

from connpool_gen.reading.facts import ClassFacts, RuntimeMember

REPEATABLE = ("NO_SIDE_EFFECTS", "IDEMPOTENT")


def callables(facts: ClassFacts) -> list[RuntimeMember]:
    """List the methods of a stub generated from a `.proto`; none for any other client."""
    return [
        member
        for member in facts.runtime.members
        if member.value_class is not None
        and member.value_class.module == "grpc"
        and member.value_class.qualname.endswith("MultiCallable")
    ]


def repeatable(facts: ClassFacts) -> frozenset[str]:
    """Find the methods whose `idempotency_level` allows repeating them."""
    return frozenset(m.name for m in callables(facts) if m.idempotency in REPEATABLE)


def why_none(facts: ClassFacts) -> str:
    """Say why no method of a stub may be repeated, and what to do."""
    if facts.runtime.from_text:
        return "with --static a gRPC service's descriptor is not read; leave it out, or name the methods"
    if all(member.idempotency is None for member in callables(facts)):
        return "no module that the stub imports describes its gRPC service; name the methods"
    levels = " or ".join(REPEATABLE)
    return f"no method of the service has the idempotency_level {levels}; set it in the .proto, or name the methods"
