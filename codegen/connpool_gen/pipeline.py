"""Generates a module: the steps from a request to finished text, one call each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from connpool_gen._version import __version__
from connpool_gen.building.build import build
from connpool_gen.building.classifiers import classifier_of, library_of
from connpool_gen.errors import GenerationError, VerifyError
from connpool_gen.generated_module import GeneratedModule
from connpool_gen.planning.both_ways import both_ways_note, is_asynchronous
from connpool_gen.planning.bypass import bypass_note
from connpool_gen.planning.hints import Hints, policy_lines, undecided
from connpool_gen.planning.ledger import Fate
from connpool_gen.planning.lifecycle import unclosed_note
from connpool_gen.planning.reads.known_reads import reads_note
from connpool_gen.planning.stateful_clients import stateful_notes
from connpool_gen.reading.import_hooks import why_untyped
from connpool_gen.reading.probe_client import lacking_names
from connpool_gen.reading.read import read, read_as_a_whole
from connpool_gen.reading.type_checker import TypeChecker
from connpool_gen.rendering.header import header
from connpool_gen.rendering.templates import check_folder, resolve
from connpool_gen.verifying.remedies import NO_REMEDIES, Remedies, remedied

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connpool_gen.config.request import GenerateRequest
    from connpool_gen.planning.ledger import Ledger
    from connpool_gen.reading.facts import ClassFacts

Progress = Callable[[str], None]


def generate(
    request: GenerateRequest,
    progress: Progress = lambda step: None,
    checker: TypeChecker | None = None,
) -> GeneratedModule:
    """Read, build, render, format and verify one wrapper; nothing is written.

    `progress` gets the name of each step before it starts. `checker` saves time if several wrappers are made with
    it, one after another; the wrappers are the same. Raises a GenerationError.
    """
    if checker is None:
        with TypeChecker(request.cache_dir) as own:
            return generate(request, progress, own)
    if request.templates is not None:
        check_folder(request.templates)
    progress("reading")
    checker.begin()
    facts = read(request, checker)
    made = make_module(facts, request, NO_REMEDIES, progress)
    if request.verify:
        made = verified(facts, request, made, checker, progress)
    made = replace(
        made,
        hints=hints_of(facts, request, made.ledger),
        notes=notes_of(facts, request, made.ledger),
    )
    if request.strict:
        refuse_gaps(request, made.ledger)
        refuse_undecided(request, made.hints)
    return made


def notes_of(facts: ClassFacts, request: GenerateRequest, ledger: Ledger) -> tuple[str, ...]:
    """Note where types come from or are missing, which pool it is, what bypasses it or needs a lease, and what counts as a read."""
    notes = notes_on_types(facts)
    notes += [f"could not be read without importing it: {what}" for what in facts.runtime.unread]
    warnings = (
        both_ways_note(facts),
        bypass_note(ledger, read_as_a_whole(facts)),
        unclosed_note(facts, asynchronous=is_asynchronous(facts)),
    )
    notes += [note for note in warnings if note is not None]
    notes += stateful_notes(facts, ledger)
    names = [entry.name for entry in ledger.entries]
    library = library_of(request.module, facts.home)
    if (note := reads_note(request, facts, library, names)) is not None:
        notes.append(note)
    return tuple(notes)


def notes_on_types(facts: ClassFacts) -> list[str]:
    """Say what a missing `py.typed` means for the wrapper's types."""
    module = facts.runtime.module
    if facts.gave_up is not None:
        return [
            f"{module} ships no py.typed, and its annotations could not be read: {facts.gave_up}"
        ]
    notes = [
        f"{package} ships no py.typed; its annotations were read all the same. mypy takes what is "
        f"imported from it for Any, unless its configuration sets follow_untyped_imports for {package}.*"
        for package in facts.followed
    ]
    if facts.left_out:
        listed = ", ".join(facts.left_out)
        notes.append(f"what these modules define is Any, for mypy cannot parse them: {listed}")
    if module in facts.untyped_modules and not facts.followed:
        notes.append(why_untyped(module, facts.runtime.place))
    return notes


def hints_of(facts: ClassFacts, request: GenerateRequest, ledger: Ledger) -> Hints:
    """Find the client's own errors, in calls of the pool, that no policy mentions; a classifier makes that unnecessary."""
    if any(classifier_of(module) for module, _, _ in facts.runtime.bases):
        return {}
    from connpool_gen.reading.raised import raised_errors

    called = {e.name for e in ledger.entries if e.fate in (Fate.WRAPPED, Fate.BROADCAST)}
    raised = {method: errors for method, errors in raised_errors(facts).items() if method in called}
    return undecided(request, raised, facts.runtime.errors or {})


def refuse_undecided(request: GenerateRequest, hints: Hints) -> None:
    """Refuse the client's own errors that no policy mentions, as `--strict` asks."""
    if hints:
        raise GenerationError(
            f"{request.client}: --strict: say under methods whether these errors are expected, "
            "ignored or failures:\n  " + "\n  ".join(policy_lines(hints))
        )


def refuse_gaps(request: GenerateRequest, ledger: Ledger) -> None:
    """Refuse members that are missing or lost their type, as `--strict` asks."""
    gaps = [f"{entry.name}: {entry.reason}" for entry in ledger.gaps()]
    if gaps:
        more = f" and {len(gaps) - 10} more" if len(gaps) > 10 else ""
        they = (
            "1 member is skipped or lost its"
            if len(gaps) == 1
            else f"{len(gaps)} members are skipped or lost their"
        )
        raise GenerationError(
            f"{request.client}: --strict: {they} type:\n  " + "\n  ".join(gaps[:10]) + more
        )


def make_module(
    facts: ClassFacts, request: GenerateRequest, remedies: Remedies, progress: Progress
) -> GeneratedModule:
    """Build, render and format a module with its header; it is not verified yet."""
    from connpool_gen.building.hooks import apply_hooks
    from connpool_gen.rendering.format import FORMATTER, format_source
    from connpool_gen.rendering.render import render

    progress("building")
    built = build(facts, request, remedies, partial(lacking_names, request))
    progress("formatting")
    variables = resolve(request.variables, request.templates)
    body = format_source(render(apply_hooks(built.module), request.templates, variables))
    text = header(request, body, __version__, FORMATTER) + body
    return GeneratedModule(request.output_path, text, built.ledger, facts.sources)


def verified(
    facts: ClassFacts,
    request: GenerateRequest,
    made: GeneratedModule,
    checker: TypeChecker,
    progress: Progress,
) -> GeneratedModule:
    """Verify a module with mypy --strict; make it again with remedies for members that fail."""
    from connpool_gen.verifying.verify import verify_text

    def make(facts: ClassFacts, remedies: Remedies) -> GeneratedModule:
        return make_module(facts, request, remedies, progress)

    def verify(text: str) -> Sequence[str]:
        progress("verifying")
        return verify_text(text, facts.search, checker, request.cache_dir, facts.sources)

    try:
        return remedied(facts, made, make, verify)
    except VerifyError as error:
        raise VerifyError(f"{request.client}: {error}") from None
