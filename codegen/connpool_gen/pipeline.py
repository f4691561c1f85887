"""generate(): the steps from a request to a finished module, one call each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from connpool_gen import __version__
from connpool_gen.building.build import NO_REMEDIES, Built, build
from connpool_gen.errors import GenerationError, VerifyError
from connpool_gen.planning.plan import Remedy, next_remedy
from connpool_gen.reading.read import read
from connpool_gen.rendering.header import header
from connpool_gen.rendering.templates import check_folder, resolve
from connpool_gen.verifying.blame import blame

if TYPE_CHECKING:
    from pathlib import Path

    from connpool_gen.config.request import GenerateRequest
    from connpool_gen.planning.ledger import Ledger
    from connpool_gen.reading.facts import ClassFacts

Progress = Callable[[str], None]


# Each remedy once, and a round for imports that turn out wrong; then it would go on for ever.
ROUNDS = len(Remedy) + 2


@dataclass(frozen=True, slots=True)
class GeneratedModule:
    """A finished module: where it belongs, its text, its ledger and the files it was made from."""

    path: Path
    text: str
    ledger: Ledger
    sources: frozenset[str] = frozenset()


def generate(request: GenerateRequest, progress: Progress = lambda step: None) -> GeneratedModule:
    """Read, build, render, format and verify one wrapper; nothing is written.

    `progress` is told the name of each step before it starts. Raises a GenerationError.
    """
    if request.templates is not None:
        check_folder(request.templates)
    progress("reading")
    facts = read(request)
    built, text = make_text(facts, request, NO_REMEDIES, progress)
    if request.verify:
        built, text = verified(facts, request, built, text, progress)
    if request.strict:
        refuse_gaps(request, built.ledger)
    return GeneratedModule(request.output_path, text, built.ledger, facts.sources)


def refuse_gaps(request: GenerateRequest, ledger: Ledger) -> None:
    """`--strict`: every member must be there, with its own type."""
    gaps = [f"{entry.name}: {entry.reason}" for entry in ledger.gaps()]
    if gaps:
        more = f" and {len(gaps) - 10} more" if len(gaps) > 10 else ""
        raise GenerationError(
            f"{request.client}: --strict: {len(gaps)} members are skipped or lost their type:\n  "
            + "\n  ".join(gaps[:10])
            + more
        )


def make_text(
    facts: ClassFacts,
    request: GenerateRequest,
    remedies: Mapping[str, Remedy],
    progress: Progress,
) -> tuple[Built, str]:
    """Facts -> formatted text with its header."""
    from connpool_gen.building.hooks import apply_hooks
    from connpool_gen.rendering.format import format_source
    from connpool_gen.rendering.render import render

    progress("building")
    built = build(facts, request, remedies)
    progress("formatting")
    variables = resolve(request.variables, request.templates)
    body = format_source(render(apply_hooks(built.module), request.templates, variables))
    return built, header(request, body, __version__) + body


def verified(
    facts: ClassFacts, request: GenerateRequest, built: Built, text: str, progress: Progress
) -> tuple[Built, str]:
    """Mypy --strict on the text; members that fail get the next remedy, until all pass."""
    from connpool_gen.reading.mypy_reader import verify_text

    remedies: dict[str, Remedy] = {}
    findings: Sequence[str] = ()
    for _ in range(ROUNDS):
        progress("verifying")
        findings = verify_text(text, request.search, request.cache_dir)
        if not findings:
            break
        blamed = blame(text, findings)
        worse = {name: next_remedy(remedies.get(name)) for name in blamed.members}
        known = replace(
            facts.without_names(blamed.unknown) if blamed.unknown else facts,
            untyped_modules=facts.untyped_modules | blamed.untyped_modules,
            hidden=facts.hidden | blamed.hidden,
        )
        if worse.items() <= remedies.items() and known == facts:
            break  # there is nothing left to try
        remedies, facts = remedies | worse, known
        built, text = make_text(facts, request, remedies, progress)
    if findings:
        raise VerifyError(
            f"{request.client}: the generated module does not pass mypy --strict:\n  "
            + "\n  ".join(findings[:10])
        )
    return built, text
