"""Edits a file: new names and imports; comments and layout stay as they are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import libcst as cst

from connpool_gen.adopting.records import Imported, Role

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from connpool_gen.adopting.records import Move
    from connpool_gen.adopting.references import Binding, ParsedFile, Quoted, Spot


@dataclass(slots=True)
class Plan:
    """The edits of one file: `names` are the local names of what is imported, `imports` follow certain statements.

    `removed` are imports that are no longer needed. An import for which no statement was found
    stands under the key None, and comes after the file's other imports.
    """

    names: dict[Imported, str] = field(default_factory=dict[Imported, str])
    imports: dict[cst.SimpleStatementLine | None, list[Imported]] = field(
        default_factory=dict["cst.SimpleStatementLine | None", "list[Imported]"]
    )
    removed: list[Binding] = field(default_factory=list["Binding"])

    def local(self, name: str) -> str:
        """Return the local name for an imported name."""
        return next(local for to, local in self.names.items() if to.name == name)


def plan_file(parsed: ParsedFile, moves: Sequence[Move], pinned: Collection[str]) -> Plan:
    """Decide which imports are added and removed; `pinned` are names of the module that others rely on."""
    plan = Plan()
    ours = [move for move in moves if move.reference.role is not Role.PATCH]
    for move in ours:
        if move.to not in plan.names:
            plan.names[move.to] = known_name(parsed, move) or free_name(parsed, move.to, plan)
    plan.removed = unneeded(parsed, ours, pinned)
    for to in plan.names:
        needed = [move for move in ours if move.to == to]
        place_imports(parsed, plan, to, needed)
    # A comment is removed with its line only if another line takes its place.
    plan.removed = [
        b for b in plan.removed if b.statement in plan.imports or not has_comment(b.statement)
    ]
    return plan


def known_name(parsed: ParsedFile, move: Move) -> str | None:
    """Find the name under which the file imports something already."""
    for binding in parsed.bindings:
        alias = binding.alias
        if (
            isinstance(binding.node, cst.ImportFrom)
            and alias is not None
            and binding.module == move.to.module
            and alias.evaluated_name == move.to.name
            and binding.scope == 0
            and not (binding.conditional or binding.checking)
        ):
            return binding.name
    return None


def free_name(parsed: ParsedFile, to: Imported, plan: Plan) -> str:
    """Choose a name that is unused in the file."""
    name = to.name
    taken = parsed.names.keys() | {b.name for b in parsed.bindings} | parsed.quoted_names.keys()
    taken |= set(plan.names.values()) | defined_names(parsed.tree)
    while name in taken:
        name += "_"
    return name


def defined_names(tree: cst.Module) -> set[str]:
    """List the functions, classes and parameters that a file defines anywhere."""
    found: set[str] = set()
    waiting: list[cst.CSTNode] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, cst.FunctionDef | cst.ClassDef | cst.Param):
            found.add(node.name.value)
        waiting.extend(node.children)
    return found


def place_imports(parsed: ParsedFile, plan: Plan, to: Imported, needed: Sequence[Move]) -> None:
    """Place the import of a name after the imports that the moved references used."""
    if known_name(parsed, needed[0]) is not None:
        return
    scopes: dict[int, list[Binding]] = {}
    for move in needed:
        found = sources(parsed, move)
        scopes.setdefault(move.reference.scope if found else 0, []).extend(found)
    for bindings in scopes.values():
        plain = [b for b in bindings if not (b.conditional or b.checking)]
        chosen = [best(plain, parsed, plan)] if plain else list(dict.fromkeys(bindings))
        places: list[cst.SimpleStatementLine | None] = [b.statement for b in chosen]
        for statement in places or [None]:
            listed = plan.imports.setdefault(statement, [])
            if to not in listed:
                listed.append(to)


def best(plain: Sequence[Binding], parsed: ParsedFile, plan: Plan) -> Binding:
    """Choose the import that a new one follows: preferably a removed one with a comment, else the first."""
    commented = [b for b in plain if b in plan.removed and has_comment(b.statement)]
    return min(commented or plain, key=parsed.bindings.index)


def has_comment(statement: cst.SimpleStatementLine) -> bool:
    """Whether a comment belongs to a line, behind or above it."""
    above = any(line.comment is not None for line in statement.leading_lines)
    return above or statement.trailing_whitespace.comment is not None


def sources(parsed: ParsedFile, move: Move) -> list[Binding]:
    """Find the imports through which a reference knows its name."""
    reference = move.reference
    named = [b for b in parsed.bindings if b.name == reference.root and b.scope == reference.scope]
    stars = [b for b in parsed.bindings if b.star and b.scope == reference.scope]
    return named or stars[-1:]


def unneeded(parsed: ParsedFile, moves: Sequence[Move], pinned: Collection[str]) -> list[Binding]:
    """Find the imports that only moved references needed."""
    moved = Counter(m.reference.root for m in moves if not m.reference.quoted)
    quoted = Counter(m.reference.root for m in moves if m.reference.quoted)
    needed = parsed.exports | set(pinned)
    return [
        binding
        for binding in parsed.bindings
        if binding.name in moved.keys() | quoted.keys()
        and parsed.names[binding.name] == moved[binding.name]
        and parsed.quoted_names[binding.name] == quoted[binding.name]
        and not (binding.exported or parsed.is_package)
        and binding.name not in needed
    ]


def edited(
    parsed: ParsedFile, moves: Sequence[Move], plan: Plan, patched: Mapping[int, str]
) -> str:
    """Apply the edits of a file; `patched` are the new names in strings of patches, by reference."""
    spots = {spot.reference.key: spot for spot in parsed.spots}
    editor = Editor(parsed, plan)
    for move in moves:
        spot = spots[move.reference.key]
        if move.reference.role is Role.PATCH:
            editor.repatch(spot, patched[move.reference.key])
        elif spot.quoted is not None:
            editor.requote(spot.quoted, spot.span, plan.names[move.to])
        else:
            editor.rename(spot, plan.names[move.to], call=move.stands_in)
    tree = parsed.tree.visit(editor)
    assert isinstance(tree, cst.Module)
    if None in plan.imports:
        tree = after_imports(tree, [import_line(to, plan) for to in plan.imports[None]])
    return tree.code


class Editor(cst.CSTTransformer):
    """Replaces nodes by identity, and edits import statements."""

    def __init__(self, parsed: ParsedFile, plan: Plan) -> None:
        super().__init__()
        self._plan = plan
        self._nodes: dict[cst.CSTNode, str] = {}
        self._emptied: set[cst.CSTNode] = set()
        self._texts: dict[cst.CSTNode, list[tuple[int, int, str]]] = {}
        self._alone: set[cst.CSTNode] = set()
        self._removed: dict[cst.CSTNode, list[Binding]] = {}
        for binding in plan.removed:
            self._removed.setdefault(binding.statement, []).append(binding)

    def rename(self, spot: Spot, name: str, *, call: bool) -> None:
        """Rename a reference; with `call`, replace also the call of which it is the function."""
        self._nodes[spot.node] = name
        if call:
            self._emptied.add(spot.node)

    def requote(self, quoted: Quoted, span: tuple[int, int], name: str) -> None:
        """Rename inside a quoted type."""
        start, end = (quoted.start + place for place in span)
        self._texts.setdefault(quoted.node, []).append((start, end, name))

    def repatch(self, spot: Spot, name: str) -> None:
        """Rename the last part of a dotted path in a string."""
        assert isinstance(spot.node, cst.SimpleString)
        value = spot.node.value
        end = len(value) - len(spot.node.quote)
        start = max(value.rfind(".", 0, end) + 1, len(spot.node.prefix) + len(spot.node.quote))
        self._texts.setdefault(spot.node, []).append((start, end, name))

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Note a block that would be empty if all its imports were removed."""
        if isinstance(node, cst.IndentedBlock):
            gone = [s for s in node.body if s in self._removed and s not in self._plan.imports]
            if len(gone) == len(node.body):
                self._alone.add(node.body[0])
        return True

    def on_leave(
        self, original_node: cst.CSTNodeT, updated_node: cst.CSTNodeT
    ) -> cst.CSTNodeT | cst.RemovalSentinel | cst.FlattenSentinel[cst.CSTNodeT]:
        """Apply the edits to a node."""
        # libcst's own methods return the same kind of node, but accept any that fits.
        return cast("cst.CSTNodeT", self._put_in(original_node, updated_node))

    def _put_in(
        self, original: cst.CSTNode, updated: cst.CSTNode
    ) -> cst.CSTNode | cst.RemovalSentinel | cst.FlattenSentinel[cst.SimpleStatementLine]:
        if original in self._nodes:
            assert isinstance(updated, cst.BaseExpression)
            name = cst.Name(self._nodes[original])
            return name.with_changes(lpar=updated.lpar, rpar=updated.rpar)
        if isinstance(original, cst.Call) and original.func in self._emptied:
            return updated.with_changes(args=())
        if original in self._texts:
            return updated.with_changes(value=self._spliced(original))
        if isinstance(original, cst.SimpleStatementLine):
            assert isinstance(updated, cst.SimpleStatementLine)
            return self._imports(original, updated)
        return updated

    def _spliced(self, node: cst.CSTNode) -> str:
        assert isinstance(node, cst.SimpleString | cst.Comment)
        value = node.value
        for start, end, name in sorted(self._texts[node], reverse=True):
            value = value[:start] + name + value[end:]
        return value

    def _imports(
        self, original: cst.SimpleStatementLine, updated: cst.SimpleStatementLine
    ) -> (
        cst.SimpleStatementLine | cst.RemovalSentinel | cst.FlattenSentinel[cst.SimpleStatementLine]
    ):
        added = [import_line(to, self._plan) for to in self._plan.imports.get(original, ())]
        small = [
            kept
            for old, new in zip(original.body, updated.body, strict=True)
            if (kept := self._without(original, old, new)) is not None
        ]
        if small and len(small) == len(updated.body):
            same = updated.with_changes(body=small)
            return cst.FlattenSentinel([same, *added]) if added else same
        if small:
            small[-1] = small[-1].with_changes(semicolon=cst.MaybeSentinel.DEFAULT)
            rest = updated.with_changes(body=small)
            return cst.FlattenSentinel([rest, *added]) if added else rest
        if not added:
            # An empty block is a syntax error; elsewhere the line goes with its comment.
            return (
                updated.with_changes(body=[cst.Pass()])
                if original in self._alone
                else cst.RemoveFromParent()
            )
        first = updated.with_changes(body=added[0].body)
        return cst.FlattenSentinel([first, *added[1:]]) if added[1:] else first

    def _without(
        self,
        statement: cst.SimpleStatementLine,
        old: cst.BaseSmallStatement,
        new: cst.BaseSmallStatement,
    ) -> cst.BaseSmallStatement | None:
        """Remove unneeded imports from a statement; None if nothing is left of it."""
        gone = [b.alias for b in self._removed.get(statement, ()) if b.node is old]
        if not gone or not isinstance(new, cst.Import | cst.ImportFrom):
            return new
        assert isinstance(old, cst.Import | cst.ImportFrom)
        assert not isinstance(old.names, cst.ImportStar)
        kept = [alias for alias in old.names if not any(alias is one for one in gone)]
        if not kept:
            return None
        if kept[-1] is not old.names[-1]:
            kept[-1] = kept[-1].with_changes(comma=old.names[-1].comma)
        return new.with_changes(names=kept)


def import_line(to: Imported, plan: Plan) -> cst.SimpleStatementLine:
    """Return `from module import name`, with an alias if the name is taken."""
    local = plan.names[to]
    named = to.name if local == to.name else f"{to.name} as {local}"
    line = cst.parse_statement(f"from {to.module} import {named}")
    assert isinstance(line, cst.SimpleStatementLine)
    return line


def after_imports(tree: cst.Module, lines: Iterable[cst.SimpleStatementLine]) -> cst.Module:
    """Insert lines after the imports at the top of a file."""
    body = list(tree.body)
    last = -1
    for index, statement in enumerate(body):
        small = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) else None
        if isinstance(small, cst.Import | cst.ImportFrom):
            last = index
        elif not (index == 0 and isinstance(small, cst.Expr)):
            break
    if last < 0 and body and isinstance(body[0], cst.SimpleStatementLine):
        last = 0 if isinstance(body[0].body[0], cst.Expr) else -1
    body[last + 1 : last + 1] = lines
    return tree.with_changes(body=body)
