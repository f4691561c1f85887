"""The steps of a move, from paths to edited texts, one call each; nothing is written."""

from __future__ import annotations

import difflib
import itertools
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import libcst as cst

from connpool_gen.adopting.blame import Declarations
from connpool_gen.adopting.checking import Checker
from connpool_gen.adopting.decisions import Circumstances, decide, decide_patches
from connpool_gen.adopting.edits import edited, plan_file
from connpool_gen.adopting.files import read_files
from connpool_gen.adopting.import_cycles import imported_by
from connpool_gen.adopting.records import MAKERS, TYPES, Finding, Left, Role
from connpool_gen.adopting.references import parse_file
from connpool_gen.adopting.symbols import Symbols
from connpool_gen.adopting.targets import checked_ledgers, move_target, read_factories
from connpool_gen.adopting.uses import UseFinder
from connpool_gen.adopting.writing import Replacement
from connpool_gen.planning.ledger import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from connpool_gen.adopting.checking import Checked
    from connpool_gen.adopting.decisions import Decisions
    from connpool_gen.adopting.edits import Plan
    from connpool_gen.adopting.records import (
        Kept,
        Move,
        MoveTarget,
        Reference,
        SourceFile,
    )
    from connpool_gen.adopting.references import ParsedFile
    from connpool_gen.adopting.uses import Uses
    from connpool_gen.config.request import GenerateRequest
    from connpool_gen.pipeline import Progress

# After this many runs of the type checker whole files are left as they are, after that all files.
PATIENCE = 12
NO_NEWLINE = "\n\\ No newline at end of file\n"


@dataclass(frozen=True, slots=True)
class AdoptRequest:
    """What to move: targets, paths, and factories as `[CLIENT[.METHOD]=]MODULE:FUNCTION`."""

    targets: Sequence[GenerateRequest]
    paths: Sequence[Path]
    factories: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class MovedFile:
    """A file that changes: its old and new text, and how many places were moved in it."""

    path: Path
    replacement: Replacement
    before: str
    after: str
    moved: int

    def diff(self) -> str:
        """Write the difference as `diff -u` prints it."""
        name = self.path.as_posix()
        lines = difflib.unified_diff(
            lines_of(self.before), lines_of(self.after), fromfile=name, tofile=f"{name} (moved)"
        )
        return "".join(line if line.endswith("\n") else f"{line}{NO_NEWLINE}" for line in lines)


@dataclass(frozen=True, slots=True)
class Adoption:
    """The result of a move: what changes, what a person has to look at, what rightly stays."""

    files: tuple[MovedFile, ...]
    moved: Mapping[str, int]
    left: tuple[Left, ...]
    kept: tuple[Kept, ...]
    looked_at: int
    uses: int
    runs: int


def adopt(request: AdoptRequest, progress: Progress = lambda step: None) -> Adoption:
    """Find, decide, edit and verify; nothing is written.

    `progress` gets the name of each step before it starts. Raises a GenerationError: for wrappers
    that are missing or stale, paths without Python files, and what stops the type checker.
    """
    factories = read_factories(request.factories, request.targets)
    progress("comparing the wrappers with their clients")
    ledgers = checked_ledgers(request.targets, lambda target: progress)
    files, unread = read_files(request.paths)
    if not files:
        return Adoption((), {}, tuple(unread), (), 0, 0, 0)
    cache = request.targets[0].cache_dir if request.targets else None
    cache = cache and cache / "adopt"
    checker = Checker(files, request.targets, cache)
    targets = [
        move_target(target, ledger, checker.roots, factories[target.client])
        for target, ledger in zip(request.targets, ledgers, strict=True)
    ]
    return Mover(files, targets, checker, progress).move(unread)


class Mover:
    """A move under way: what is known about the files; each step is a method."""

    def __init__(
        self,
        files: Sequence[SourceFile],
        targets: Sequence[MoveTarget],
        checker: Checker,
        progress: Progress,
    ) -> None:
        self._files = {file.path: file for file in files}
        self._targets = targets
        self._checker = checker
        self._progress = progress
        self._wrappers = {t.wrapper.name: t.class_name for t in targets}
        self._wrappers |= {t.annotation.name: t.class_name for t in targets}
        self._runs = 0
        self._plans: dict[Path, tuple[object, Plan]] = {}
        self._texts: dict[Path, tuple[Plan, str]] = {}

    def move(self, unread: Sequence[Left]) -> Adoption:
        """Take the steps one after the other."""
        before = self._check({})
        symbols = Symbols(before.result, self._targets)
        parsed, unparsed = self._parse(symbols)
        uses = self._uses(before, symbols)
        references = [r for one in parsed.values() for r in one.references]
        decisions = decide(references, self._targets, self._facts(references, parsed, uses))
        self._verify(before, references, parsed, decisions, symbols)
        decide_patches(references, self._targets, self._by_module(), decisions)
        moves = [move for move in decisions.moves.values() if not move.stands_in]
        moved = list(self._edited(parsed, moves, symbols))
        left = [*unread, *unparsed, *decisions.left.values(), *uses.left]
        return Adoption(
            tuple(moved),
            Counter(move.reference.role.value for move in moves),
            tuple(sorted(set(left))),
            tuple(sorted(set(decisions.kept))),
            len(self._files),
            uses.count,
            self._runs,
        )

    def _check(self, texts: Mapping[Path, str]) -> Checked:
        self._runs += 1
        again = f", with {len(texts)} of them edited (run {self._runs})" if texts else ""
        self._progress(f"type-checking {counted(len(self._files), 'file')}{again}")
        return self._checker.check(self._targets, texts)

    def _by_module(self) -> dict[str, Path]:
        return {module: path for path, module in self._checker.modules.items()}

    def _spared(self, symbols: Symbols) -> set[str]:
        """List the modules that stay as they are: those that define clients, and those of the factories."""
        factories = {f.module for t in self._targets for f in t.factories.values()}
        return factories | set(symbols.homes.values())

    def _parse(self, symbols: Symbols) -> tuple[dict[Path, ParsedFile], list[Left]]:
        """Find the references in all files that name a client, under whatever name."""
        modules = self._checker.modules
        words = symbols.spellings(list(modules.values()))
        named = re.compile(rf"\b({'|'.join(map(re.escape, sorted(words)))})\b")
        spared = self._spared(symbols)
        chosen = [
            file
            for path, file in self._files.items()
            if modules[path] not in spared and named.search(file.text)
        ]
        keys = itertools.count(1)
        parsed: dict[Path, ParsedFile] = {}
        left: list[Left] = []
        for number, file in enumerate(chosen, 1):
            self._progress(f"reading {file.path} ({number} of {len(chosen)})")
            try:
                one = parse_file(
                    file.path, modules[file.path], file.data, symbols, lambda: next(keys)
                )
            except cst.ParserSyntaxError as error:
                left.append(unreadable(file.path, error.raw_line, "libcst cannot read it"))
                continue
            if one.tree.code.encode(one.tree.encoding) != file.data:
                left.append(unreadable(file.path, 1, "its line ends or its encoding are mixed"))
            elif one.spots:
                parsed[file.path] = one
        return parsed, left

    def _uses(self, before: Checked, symbols: Symbols) -> Uses:
        """Find out what is done with clients."""
        modules = self._checker.modules
        spared = self._spared(symbols)
        finder = UseFinder(
            before.result, self._targets, symbols.clients, frozenset(modules.values())
        )
        for path, module in modules.items():
            tree = before.result.manager.modules.get(module)
            if tree is not None and module not in spared:
                finder.look(path, tree)
        return finder.uses

    def _facts(
        self,
        references: Sequence[Reference],
        parsed: Mapping[Path, ParsedFile],
        uses: Uses,
    ) -> Circumstances:
        """Collect the facts that decisions depend on beside the references themselves."""
        known = self._checker.module_files
        as_classes = {
            r.alias
            for r in references
            if r.alias
            and r.role not in TYPES
            and not (r.role in MAKERS and "" in self._targets[r.target].factories)
        }
        return Circumstances(
            makes_clients=uses.makes_clients,
            fixed_aliases=as_classes,
            factories_late={
                index: {
                    path
                    for factory in target.factories.values()
                    for path in imported_by(factory.module, known)
                }
                for index, target in enumerate(self._targets)
            },
            wrappers_late={
                index: imported_by(target.wrapper.module, known)
                for index, target in enumerate(self._targets)
            },
            guarded={key for one in parsed.values() for key in one.guarded()},
        )

    def _verify(
        self,
        before: Checked,
        references: Sequence[Reference],
        parsed: Mapping[Path, ParsedFile],
        decisions: Decisions,
        symbols: Symbols,
    ) -> None:
        """Type-check the edited texts; leave references that cause errors, until there are no errors."""
        declarations = Declarations(before.result, self._checker.modules, references)
        by_key = {r.key: r for r in references}
        self._respect_checks(references, declarations, decisions)
        known = Counter(self._told(finding) for finding in before.findings)
        while decisions.moves:
            after = {
                file.path: file.after
                for file in self._edited(parsed, list(decisions.moves.values()), symbols)
            }
            found = self._check(after).findings
            new = [self._placed(f, after) for f in unknown(found, known, self._told)]
            if not new:
                return
            for key, finding in self._blamed(new, declarations, decisions).items():
                place = f"{finding.path.as_posix()}:{finding.line}"
                decisions.leave(
                    by_key[key],
                    f"with the wrapper here, mypy says at {place}: {finding.told()}",
                    "move that place as well, or lease a member for it",
                )

    def _respect_checks(
        self, references: Sequence[Reference], declarations: Declarations, decisions: Decisions
    ) -> None:
        """Leave the references behind an instance check, whose result would change."""
        for check in references:
            if check.role is not Role.INSTANCE_CHECK:
                continue
            for key in declarations.sources_of_check(check.path, check.line):
                if (move := decisions.moves.get(key)) is not None:
                    decisions.leave(
                        move.reference,
                        f"{check.path.as_posix()}:{check.line} asks whether it is a {self._targets[check.target].class_name}",
                        "decide by something else there, then move both",
                    )

    def _blamed(
        self, new: Sequence[Finding], declarations: Declarations, decisions: Decisions
    ) -> dict[int, Finding]:
        """Find references to leave so that the errors disappear; with each run more at once."""
        found: dict[int, Finding] = {}
        for finding in new:
            keys = declarations.blamed(finding, decisions.moves, list(self._wrappers))
            if not keys or self._runs > PATIENCE:
                keys = {k for k, m in decisions.moves.items() if m.reference.path == finding.path}
            for key in keys:
                found.setdefault(key, finding)
        if not found or self._runs > 2 * PATIENCE:
            found = dict.fromkeys(decisions.moves, new[0])
        return found

    def _told(self, finding: Finding) -> tuple[str, str]:
        """Return what identifies an error whichever class it names, and wherever its line has moved."""
        return str(finding.path), plain(finding.message, self._wrappers)

    def _placed(self, finding: Finding, after: Mapping[Path, str]) -> Finding:
        """Return an error with its line in the unchanged text."""
        text = after.get(finding.path)
        if text is None:
            return finding
        line = old_line(self._files[finding.path].text, text, finding.line)
        return Finding(finding.path, line, finding.message, finding.code)

    def _edited(
        self, parsed: Mapping[Path, ParsedFile], moves: Sequence[Move], symbols: Symbols
    ) -> Iterable[MovedFile]:
        """Edit the files that change, each with its imports."""
        by_path: dict[Path, list[Move]] = {}
        for move in moves:
            by_path.setdefault(move.reference.path, []).append(move)
        pinned = self._pinned(parsed, moves, symbols)
        plans: dict[Path, Plan] = {
            path: self._plan(parsed[path], chosen, pinned.get(parsed[path].module, set()))
            for path, chosen in by_path.items()
        }
        modules = self._by_module()
        for path, chosen in by_path.items():
            patched = {
                move.reference.key: plans[modules[move.to.module]].local(move.to.name)
                for move in chosen
                if move.reference.role is Role.PATCH
            }
            text = self._text(parsed[path], chosen, plans[path], patched)
            file = self._files[path]
            after = text.encode(parsed[path].tree.encoding)
            if after != file.data:
                replacement = Replacement(path, file.data, after)
                yield MovedFile(path, replacement, file.text, text, len(chosen))

    # Most files do not change between two runs of the type checker.

    def _plan(self, parsed: ParsedFile, moves: Sequence[Move], pinned: set[str]) -> Plan:
        given = (tuple(moves), frozenset(pinned))
        known = self._plans.get(parsed.path)
        if known is None or known[0] != given:
            known = self._plans[parsed.path] = (given, plan_file(parsed, moves, pinned))
        return known[1]

    def _text(
        self, parsed: ParsedFile, moves: Sequence[Move], plan: Plan, patched: Mapping[int, str]
    ) -> str:
        known = self._texts.get(parsed.path)
        if known is None or known[0] is not plan or patched:
            text = edited(parsed, moves, plan, patched)
            known = self._texts[parsed.path] = (plan, text)
        return known[1]

    def _pinned(
        self, parsed: Mapping[Path, ParsedFile], moves: Sequence[Move], symbols: Symbols
    ) -> dict[str, set[str]]:
        """List the names that a module must keep: others import them, or tests replace them by path."""
        moved = {move.reference.key for move in moves}
        pinned = symbols.importers(list(self._checker.modules.values()))
        for one in parsed.values():
            for reference in one.references:
                if reference.role is Role.PATCH and reference.key not in moved:
                    for module, name in owners(reference.patched):
                        pinned.setdefault(module, set()).add(name)
        return pinned


def owners(path: str) -> Iterable[tuple[str, str]]:
    """Split a dotted path at each dot: a possible module, and the name in it."""
    parts = path.split(".")
    return [(".".join(parts[:size]), parts[size]) for size in range(1, len(parts))]


def unreadable(path: Path, line: int, reason: str) -> Left:
    """Report that a file cannot be edited."""
    return Left(path.as_posix(), line, "file", reason, "move it by hand")


def unknown(
    found: Sequence[Finding],
    known: Counter[tuple[str, str]],
    told: Callable[[Finding], tuple[str, str]],
) -> list[Finding]:
    """List the errors that are new since the unchanged texts."""
    counts = Counter(told(finding) for finding in found)
    return [finding for finding in found if counts[told(finding)] > known[told(finding)]]


def plain(message: str, wrappers: Mapping[str, str]) -> str:
    """Name the client where a message names its wrapper, without modules, lines and owners of methods."""
    message = re.sub(r"\bline \d+", "line", message)
    # A method that the client inherits has another owner in the wrapper.
    message = re.sub(r'" of "[^"]*"', '"', message)
    for wrapper, client in wrappers.items():
        message = re.sub(
            rf"\b(?:\w+\.)*(?:{re.escape(wrapper)}|{re.escape(client)})\b", client, message
        )
    return message


def old_line(before: str, after: str, line: int) -> int:
    """Find the line of the unchanged text that a line of the edited text comes from."""
    matcher = difflib.SequenceMatcher(None, lines_of(before), lines_of(after), autojunk=False)
    for tag, start, end, new_start, new_end in matcher.get_opcodes():
        if new_start <= line - 1 < new_end:
            offset = line - 1 - new_start
            return (
                start + (offset if tag in ("equal", "replace") else 0) + 1
                if start < end
                else start + 1
            )
    return line


def lines_of(text: str) -> list[str]:
    """Split at line feeds only: a form feed ends no line of Python."""
    parts = text.split("\n")
    return [f"{part}\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
