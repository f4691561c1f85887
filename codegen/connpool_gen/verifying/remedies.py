"""Tries one remedy after the other on members that do not type-check, until the whole text passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, TypeVar

from connpool_gen.errors import VerifyError
from connpool_gen.verifying.blame import Blame, blame
from connpool_gen.verifying.refusal import refusal

if TYPE_CHECKING:
    from connpool_gen.reading.facts import ClassFacts


class Remedy(Enum):
    """The remedies for a member that does not type-check, in the order in which they are tried."""

    INHERIT = "take its static view from the client"
    UNTYPED_CALL = "restate it, but call a client about which the type checker knows nothing"
    SKIP = "leave it out"


Remedies = Mapping[str, Remedy]
NO_REMEDIES: Remedies = MappingProxyType({})
# Each remedy once, and a round for imports that turn out wrong; without the limit it could go on for ever.
ROUNDS = len(Remedy) + 2


class HasText(Protocol):
    """A module made from facts and remedies."""

    @property
    def text(self) -> str:
        """The text to verify."""
        ...


Module = TypeVar("Module", bound=HasText)


def next_remedy(tried: Sequence[Remedy], *, only_the_call: bool) -> Remedy:
    """Choose the next remedy after a failure: the first in order that was not tried, else the last.

    Where only the call in the table fails, the static view is not to blame, so the call comes first.
    """
    if only_the_call and not tried:
        return Remedy.UNTYPED_CALL
    return next((remedy for remedy in Remedy if remedy not in tried), Remedy.SKIP)


def remedied(
    facts: ClassFacts,
    made: Module,
    make: Callable[[ClassFacts, Remedies], Module],
    verify: Callable[[str], Sequence[str]],
) -> Module:
    """Verify a module; make it again with remedies for what fails, until everything passes.

    `verify` gives the findings on a text, none if it passes. Raises VerifyError with the findings
    when there is no remedy left.
    """
    remedies: Remedies = NO_REMEDIES
    tried: dict[str, list[Remedy]] = {}
    findings: Sequence[str] = ()
    text = made.text
    for _ in range(ROUNDS):
        text = made.text
        findings = verify(text)
        if not findings:
            return made
        blamed = blame(text, findings)
        worse = {
            name: next_remedy(tried.get(name, ()), only_the_call=name in blamed.calls)
            for name in blamed.members
        }
        known = with_findings(facts, blamed)
        if worse.items() <= remedies.items() and known == facts:
            break  # no remedy is left
        for name, remedy in worse.items():
            tried.setdefault(name, []).append(remedy)
        remedies, facts = {**remedies, **worse}, known
        made = make(facts, remedies)
    raise VerifyError(refusal(text, findings))


def with_findings(facts: ClassFacts, blamed: Blame) -> ClassFacts:
    """Correct the facts by what the errors say about names and modules."""
    return replace(
        facts.without_names(blamed.unknown) if blamed.unknown else facts,
        untyped_modules=facts.untyped_modules | blamed.untyped_modules,
        hidden=facts.hidden | blamed.hidden,
    )
