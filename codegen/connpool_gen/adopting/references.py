"""Finds every place in a file that names the client class, and what it is used for there.

The text is read with libcst, which keeps comments and layout; what a name stands for is known to
`Symbols`. References inside quoted annotations and type comments are found as well.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import libcst as cst
from libcst.metadata import CodePosition, CodeRange, MetadataWrapper, PositionProvider

from connpool_gen.adopting.records import Reference, Role
from connpool_gen.adopting.roles import CLASS_OF, Use, dotted_name, use_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from connpool_gen.adopting.symbols import Meaning, Symbols

DOTTED = re.compile(r"[^\W\d]\w*(?:\s*\.\s*[^\W\d]\w*)*")
TYPE_COMMENT = re.compile(r"#\s*type:\s*(?!ignore\b)(?P<type>.*)")
PATCHES = re.compile(r"(^|\.)(patch|setattr|delattr|patch\.object|patch\.multiple)$")


@dataclass(eq=False, slots=True)
class Binding:
    """The meaning of a name: an import statement, or None where the name is anything else.

    `conditional` says that it stands under `if` or `try`, `checking` that only type checkers see it.
    """

    name: str
    scope: int
    statement: cst.SimpleStatementLine
    node: cst.ImportFrom | cst.Import
    alias: cst.ImportAlias | None
    module: str
    conditional: bool
    checking: bool
    exported: bool = False

    @property
    def star(self) -> bool:
        """Whether it is a star import."""
        return self.alias is None


@dataclass(eq=False, slots=True)
class Quoted:
    """A string or a comment that contains code: its node, its text, and the offset of the text."""

    node: cst.SimpleString | cst.Comment
    text: str
    start: int


@dataclass(eq=False, slots=True)
class Spot:
    """The position of a reference in the tree: a node, or a part of a quoted text."""

    reference: Reference
    node: cst.CSTNode
    quoted: Quoted | None = None
    span: tuple[int, int] = (0, 0)


@dataclass(slots=True)
class ParsedFile:
    """A parsed file: its tree, its references and its imports."""

    path: Path
    module: str
    tree: cst.Module
    is_package: bool
    spots: list[Spot] = field(default_factory=list[Spot])
    bindings: list[Binding] = field(default_factory=list[Binding])
    names: Counter[str] = field(default_factory=Counter[str])
    quoted_names: Counter[str] = field(default_factory=Counter[str])
    exports: set[str] = field(default_factory=set[str])

    @property
    def references(self) -> list[Reference]:
        """The references in the order of the text."""
        return [spot.reference for spot in self.spots]

    def guarded(self) -> Iterator[int]:
        """List the references that Python evaluates although the import of their name may fail."""
        for reference in self.references:
            found = [
                b
                for b in self.bindings
                if b.name == reference.root and b.scope == reference.scope and not b.checking
            ]
            if reference.evaluated and len(found) == 1 and found[0].conditional:
                yield reference.key


def parse_file(
    path: Path, module: str, data: bytes, symbols: Symbols, new_key: Callable[[], int]
) -> ParsedFile:
    """Parse a file and find its references; raises ParserSyntaxError for what libcst cannot read."""
    wrapper = MetadataWrapper(cst.parse_module(data), unsafe_skip_copy=True)
    parsed = ParsedFile(path, module, wrapper.module, path.name == "__init__.py")
    finder = ReferenceFinder(parsed, symbols, new_key)
    finder.lazy = has_lazy_annotations(parsed.tree)
    collect_bindings(parsed, parsed.tree.body, finder, Where())
    wrapper.visit(finder)
    parsed.spots.sort(key=lambda spot: (spot.reference.line, spot.reference.column))
    return parsed


def has_lazy_annotations(tree: cst.Module) -> bool:
    """Whether the file says `from __future__ import annotations`."""
    statements = [
        s for line in tree.body if isinstance(line, cst.SimpleStatementLine) for s in line.body
    ]
    return any(
        isinstance(s, cst.ImportFrom)
        and s.module is not None
        and dotted_name(s.module) == ("__future__",)
        and not isinstance(s.names, cst.ImportStar)
        and any(alias.evaluated_name == "annotations" for alias in s.names)
        for s in statements
    )


@dataclass(frozen=True, slots=True)
class Where:
    """The position of a statement: its function, and the conditions around it."""

    scope: int = 0
    conditional: bool = False
    checking: bool = False


def collect_bindings(
    parsed: ParsedFile, body: Sequence[cst.BaseStatement], finder: ReferenceFinder, where: Where
) -> None:
    """Collect the imports of a block and of nested blocks in the same scope."""
    for statement in body:
        if isinstance(statement, cst.SimpleStatementLine):
            for small in statement.body:
                if isinstance(small, cst.Import | cst.ImportFrom):
                    parsed.bindings.extend(bindings_of(parsed, statement, small, where))
        elif not isinstance(statement, cst.FunctionDef | cst.ClassDef):
            checking = where.checking or (
                isinstance(statement, cst.If) and is_type_checking(statement.test)
            )
            for block, first in blocks_of(statement):
                under = Where(where.scope, not (checking and first), checking and first)
                collect_bindings(parsed, block, finder, under)


def blocks_of(statement: cst.BaseStatement) -> Iterator[tuple[Sequence[cst.BaseStatement], bool]]:
    """List the blocks of a compound statement, with whether each is the first one."""
    waiting: list[tuple[cst.CSTNode, bool]] = [(statement, True)]
    while waiting:
        node, first = waiting.pop()
        for child in node.children:
            if isinstance(child, cst.IndentedBlock):
                yield child.body, first
            elif isinstance(
                child,
                cst.Else
                | cst.If
                | cst.ExceptHandler
                | cst.ExceptStarHandler
                | cst.Finally
                | cst.MatchCase,
            ):
                waiting.append((child, isinstance(child, cst.MatchCase) and first))


def is_type_checking(test: cst.BaseExpression) -> bool:
    """Return whether a condition is `TYPE_CHECKING`, from whatever module."""
    dotted = dotted_name(test)
    return dotted is not None and dotted[-1] == "TYPE_CHECKING"


def bindings_of(
    parsed: ParsedFile,
    statement: cst.SimpleStatementLine,
    node: cst.Import | cst.ImportFrom,
    where: Where,
) -> Iterator[Binding]:
    """List the names that an import binds."""

    def bound(name: str, alias: cst.ImportAlias | None, module: str, exported: bool) -> Binding:
        return Binding(
            name,
            where.scope,
            statement,
            node,
            alias,
            module,
            where.conditional,
            where.checking,
            exported,
        )

    source = imported_module(parsed, node) if isinstance(node, cst.ImportFrom) else ""
    if isinstance(node.names, cst.ImportStar):
        yield bound("*", None, source, False)
        return
    for alias in node.names:
        given = alias.evaluated_alias
        full = alias.evaluated_name
        name = given or (full.partition(".")[0] if isinstance(node, cst.Import) else full)
        yield bound(name, alias, source or full, given is not None and given == full)


def imported_module(parsed: ParsedFile, node: cst.ImportFrom) -> str:
    """Return the absolute module of a from-import."""
    named = ".".join(dotted_name(node.module) or ()) if node.module is not None else ""
    level = len(node.relative)
    if not level:
        return named
    parts = parsed.module.split(".")
    ups = level - 1 if parsed.is_package else level
    return ".".join([*parts[: len(parts) - ups], *([named] if named else [])])


@dataclass(slots=True)
class Function:
    """A function being visited, with the names that it binds."""

    number: int
    bound: frozenset[str]


class ReferenceFinder(cst.CSTVisitor):
    """Visits a file once, keeping the path from the root to the current node."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, parsed: ParsedFile, symbols: Symbols, new_key: Callable[[], int]) -> None:
        super().__init__()
        self.lazy = False
        self._parsed = parsed
        self._symbols = symbols
        self._new_key = new_key
        self._path: list[cst.CSTNode] = []
        self._functions: list[Function] = []
        self._numbers = 0

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Look at a node on the way down; import statements contain no references."""
        self._path.append(node)
        if isinstance(node, cst.Import | cst.ImportFrom):
            return False
        if isinstance(node, cst.FunctionDef):
            self._enter(node)
        elif isinstance(node, cst.Name):
            self._see_name(node)
        elif isinstance(node, cst.Attribute):
            self._see(node)
        elif isinstance(node, cst.SimpleString):
            self._see_string(node)
        elif isinstance(node, cst.Comment):
            self._see_comment(node)
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        """Drop a node on the way up."""
        self._path.pop()
        if isinstance(original_node, cst.FunctionDef):
            self._functions.pop()

    def _position(self, node: cst.CSTNode) -> CodePosition:
        found = self.get_metadata(PositionProvider, node)
        assert isinstance(found, CodeRange)
        return found.start

    # Scopes.

    def _enter(self, node: cst.FunctionDef) -> None:
        self._numbers += 1
        where = Where(self._numbers)
        if isinstance(node.body, cst.IndentedBlock):
            collect_bindings(self._parsed, node.body.body, self, where)
        self._functions.append(Function(self._numbers, frozenset(bound_names(node))))

    def _scope_of(self, root: str, *, in_signature: bool) -> int | None:
        """Return the function whose import binds a name, 0 for the module; None if it is no import."""
        visible = self._functions[:-1] if in_signature else self._functions
        for function in reversed(visible):
            if root in function.bound:
                imported = any(
                    b.name == root and b.scope == function.number for b in self._parsed.bindings
                )
                return function.number if imported else None
        return 0

    def _resolve(self, dotted: Sequence[str], *, in_signature: bool) -> tuple[Meaning, int] | None:
        scope = self._scope_of(dotted[0], in_signature=in_signature)
        if scope is None:
            return None
        if scope == 0:
            found = self._symbols.in_module(self._parsed.module, dotted)
            return (found, 0) if found is not None else None
        for binding in self._parsed.bindings:
            if binding.scope == scope and binding.name == dotted[0] and binding.alias is not None:
                found = self._imported(binding, dotted)
                return (found, scope) if found is not None else None
        return None

    def _imported(self, binding: Binding, dotted: Sequence[str]) -> Meaning | None:
        """Resolve a name that an import inside a function binds."""
        assert binding.alias is not None
        full = binding.alias.evaluated_name.split(".")
        if isinstance(binding.node, cst.ImportFrom):
            found = self._symbols.in_module(binding.module, [*full, *dotted[1:]])
            return found or self._symbols.in_module(".".join([binding.module, *full]), dotted[1:])
        if binding.alias.asname is not None:
            return self._symbols.in_module(".".join(full), dotted[1:])
        return self._symbols.in_module(dotted[0], dotted[1:])

    # Names and attributes.

    def _see_name(self, node: cst.Name) -> None:
        if is_label(node, self._path):
            return
        scope = self._scope_of(node.value, in_signature=in_signature(self._path))
        if scope is not None and not self._binds_inside(node):
            self._parsed.names[node.value] += 1
        self._see(node)

    def _binds_inside(self, node: cst.Name) -> bool:
        """Return whether a name is a field or local variable being set, which needs no import."""
        outer = self._path[-2] if len(self._path) > 1 else None
        is_target = isinstance(outer, cst.AnnAssign | cst.AssignTarget) and outer.target is node
        inside = any(isinstance(n, cst.ClassDef | cst.FunctionDef) for n in self._path)
        return is_target and inside

    def _see(self, node: cst.Name | cst.Attribute) -> None:
        dotted = dotted_name(node)
        if dotted is None:
            return
        found = self._resolve(dotted, in_signature=in_signature(self._path))
        if found is not None and found[0].target is not None:
            self._note(node, dotted, *found)

    def _note(
        self, node: cst.Name | cst.Attribute, dotted: Sequence[str], meaning: Meaning, scope: int
    ) -> None:
        use = self._use(node)
        if use is None:
            return
        position = self._position(node)
        self._add(use, use.node, position.line, position.column, dotted[0], scope, meaning)

    def _add(
        self,
        use: Use,
        node: cst.CSTNode,
        line: int,
        column: int,
        root: str,
        scope: int,
        meaning: Meaning,
        quoted: Quoted | None = None,
        span: tuple[int, int] = (0, 0),
    ) -> None:
        assert meaning.target is not None
        function_line, parameter = self._signature()
        in_type = use.role in (Role.ANNOTATION, Role.TYPE_ARGUMENT, Role.CLASS_OBJECT)
        reference = Reference(
            key=self._new_key(),
            path=self._parsed.path,
            line=line,
            column=column,
            target=meaning.target,
            role=use.role,
            root=root,
            scope=scope,
            function_line=function_line if in_type else None,
            parameter=parameter,
            evaluated=quoted is None and (use.role is not Role.ANNOTATION or self._evaluated()),
            quoted=quoted is not None,
            member=use.member,
            alias=meaning.alias,
            binds=f"{self._parsed.module}.{use.binds}" if use.binds else "",
        )
        self._parsed.spots.append(Spot(reference, node, quoted, span))

    def _signature(self) -> tuple[int | None, str]:
        """Return the function and the parameter whose annotation is being visited."""
        parameter = ""
        for node in reversed(self._path):
            if isinstance(node, cst.Param) and not parameter:
                parameter = node.name.value
            elif isinstance(node, cst.FunctionDef):
                line = self._position(node.name).line
                return line, parameter or "return"
            elif isinstance(node, cst.IndentedBlock | cst.Lambda):
                break
        return None, ""

    def _evaluated(self) -> bool:
        """Return whether Python evaluates the visited annotation when the module is imported."""
        if self.lazy:
            return False
        inside = any(isinstance(n, cst.IndentedBlock) for n in self._path[self._function_index() :])
        return not (self._functions and inside)

    def _function_index(self) -> int:
        indices = [i for i, n in enumerate(self._path) if isinstance(n, cst.FunctionDef)]
        return indices[-1] if indices else 0

    # Texts that contain code.

    def _see_string(self, node: cst.SimpleString) -> None:
        exported = self._exports()
        text = node.evaluated_value
        if exported and isinstance(text, str):
            self._parsed.exports.add(text)
            return
        if not isinstance(text, str):
            return
        if (callee := patching(self._path)) is not None:
            self._see_patch(node, text, callee)
            return
        use = self._use(node)
        if use is None or node.prefix or "\\" in node.raw_value:
            return
        if use.role in (
            Role.ANNOTATION,
            Role.TYPE_ARGUMENT,
            Role.CAST,
            Role.BOUND,
            Role.ALIAS,
            Role.CLASS_OBJECT,
        ):
            start = len(node.prefix) + len(node.quote)
            self._see_code(Quoted(node, node.raw_value, start), use)

    def _exports(self) -> bool:
        """Return whether the visited node is an entry of `__all__`."""
        for node in self._path:
            if isinstance(node, cst.FunctionDef | cst.ClassDef):
                return False
            targets: list[cst.BaseExpression] = []
            if isinstance(node, cst.Assign):
                targets = [target.target for target in node.targets]
            elif isinstance(node, cst.AnnAssign | cst.AugAssign):
                targets = [node.target]
            if any(isinstance(t, cst.Name) and t.value == "__all__" for t in targets):
                return True
        return False

    def _see_comment(self, node: cst.Comment) -> None:
        found = TYPE_COMMENT.match(node.value)
        if found is not None:
            use = Use(Role.ANNOTATION, node)
            self._see_code(Quoted(node, found["type"], found.start("type")), use)

    def _see_code(self, quoted: Quoted, use: Use) -> None:
        """Find the references in a quoted type; literals in it are no names."""
        position = self._position(quoted.node)
        code = without_literals(quoted.text)
        for found in DOTTED.finditer(code):
            dotted = [part.strip() for part in found[0].split(".")]
            self._parsed.quoted_names[dotted[0]] += 1
            for size in range(1, len(dotted) + 1):
                meant = self._resolve(dotted[:size], in_signature=in_signature(self._path))
                if meant is None or meant[0].target is None:
                    continue
                end = found.start() + len(".".join(found[0].split(".")[:size]))
                head = code[: found.start()].rstrip()
                role = use.role
                if (
                    head.endswith("[")
                    and DOTTED.findall(head)[-1:]
                    and (DOTTED.findall(head)[-1].rpartition(".")[2].strip() in CLASS_OF)
                ):
                    role = Role.CLASS_OBJECT
                before = quoted.node.value[: quoted.start + found.start()]
                line = position.line + before.count("\n")
                column = position.column + len(before.rpartition("\n")[2])
                self._add(
                    Use(role, quoted.node, binds=use.binds),
                    quoted.node,
                    line,
                    column,
                    dotted[0],
                    meant[1],
                    meant[0],
                    quoted,
                    (found.start(), end),
                )
                break

    def _see_patch(self, node: cst.SimpleString, text: str, callee: cst.Call) -> None:
        """Find out whether a string names the client's class where a test replaces it."""
        dotted = text.split(".")
        if not all(part.isidentifier() for part in dotted):
            return
        owner = self._patched_module(callee, node)
        found = self._symbols.absolute([*owner, *dotted])
        if found is None:
            return
        meaning, rest = found
        position = self._position(node)
        full = [*owner, *dotted]
        named = full[: len(full) - len(rest)]
        reference = Reference(
            key=self._new_key(),
            path=self._parsed.path,
            line=position.line,
            column=position.column,
            target=meaning.target if meaning.target is not None else 0,
            role=Role.PATCH,
            root="",
            member=".".join(rest),
            alias=meaning.alias,
            patched=".".join(named),
        )
        self._parsed.spots.append(Spot(reference, node))

    def _patched_module(self, call: cst.Call, node: cst.SimpleString) -> tuple[str, ...]:
        """Return the module of `patch.object(module, "Name")`; "" where the string is the whole path."""
        first = call.args[0].value
        dotted = dotted_name(first)
        if first is node or dotted is None:
            return ()
        found = self._resolve(dotted, in_signature=False)
        return tuple(found[0].fullname.split(".")) if found and found[0].is_module else ()

    # What references are used for.

    def _use(self, node: cst.CSTNode) -> Use | None:
        """Find what a node is used for, from the innermost enclosing node outwards."""
        return use_of(node, self._path[:-1], self)

    def stands_for(self, node: cst.CSTNode | None) -> str:
        """Return the full name of an expression, or an empty text."""
        dotted = dotted_name(node)
        found = self._resolve(dotted, in_signature=False) if dotted is not None else None
        return found[0].fullname if found is not None else ""

    def is_class(self, node: cst.CSTNode | None) -> bool:
        """Return whether an expression names a class, so that what follows in brackets are types."""
        dotted = dotted_name(node)
        found = self._resolve(dotted, in_signature=False) if dotted is not None else None
        if found is not None and found[0].is_class:
            return True
        # Special forms such as `Optional` are variables for mypy; builtins are in no module's table.
        name = dotted[-1] if dotted else ""
        builtin = found is None and name in ("dict", "list", "set", "tuple", "frozenset", "type")
        return builtin or (
            found is not None and found[0].fullname.startswith(("typing.", "typing_extensions."))
        )

    def is_alias(self, name: str) -> bool:
        """Return whether a name at the top of the module is a type alias."""
        return not self._functions and self._symbols.is_alias(self._parsed.module, name)


def in_signature(path: Sequence[cst.CSTNode]) -> bool:
    """Return whether a node is in a function's signature, where the function's own names do not apply."""
    for node in reversed(path):
        if isinstance(node, cst.IndentedBlock | cst.SimpleStatementSuite):
            return False
        if isinstance(node, cst.FunctionDef):
            return True
    return False


def is_label(node: cst.Name, path: Sequence[cst.CSTNode]) -> bool:
    """Return whether a name is no expression, but that of an attribute, parameter, keyword or definition."""
    outer = path[-2] if len(path) > 1 else None
    match outer:
        case cst.Attribute():
            return outer.attr is node
        case cst.Arg():
            return outer.keyword is node
        case cst.Param() | cst.FunctionDef() | cst.ClassDef():
            return outer.name is node
        case cst.MatchKeywordElement():
            return outer.key is node
        case _:
            return False


def bound_names(function: cst.FunctionDef) -> Iterator[str]:
    """List the names that a function binds: parameters, imports, targets."""
    params = function.params
    listed = [*params.params, *params.posonly_params, *params.kwonly_params]
    listed += [p for p in (params.star_arg, params.star_kwarg) if isinstance(p, cst.Param)]
    yield from (param.name.value for param in listed)
    waiting: list[cst.CSTNode] = [function.body]
    while waiting:
        node = waiting.pop()
        match node:
            case cst.FunctionDef() | cst.ClassDef():
                yield node.name.value
                continue
            case cst.Lambda():
                continue
            case cst.Import() | cst.ImportFrom():
                yield from names_bound(node)
                continue
            case cst.AssignTarget():
                yield from target_names(node.target)
            case cst.AnnAssign() | cst.For() | cst.CompFor() | cst.NamedExpr():
                yield from target_names(node.target)
            case cst.AsName():
                yield from target_names(node.name)
            case _:
                pass
        waiting.extend(node.children)


def names_bound(node: cst.Import | cst.ImportFrom) -> Iterator[str]:
    """List the names that an import binds."""
    if isinstance(node.names, cst.ImportStar):
        return
    for alias in node.names:
        yield alias.evaluated_alias or alias.evaluated_name.partition(".")[0]


def target_names(target: cst.CSTNode) -> Iterator[str]:
    """List the names of an assignment's target."""
    if isinstance(target, cst.Name):
        yield target.value
    elif isinstance(target, cst.Tuple | cst.List):
        for element in target.elements:
            yield from target_names(element.value)


def patching(path: Sequence[cst.CSTNode]) -> cst.Call | None:
    """Find the call that replaces what a string names: `patch`, `patch.object`, `monkeypatch.setattr`."""
    if len(path) < 3 or not isinstance(path[-2], cst.Arg) or not isinstance(path[-3], cst.Call):
        return None
    call = path[-3]
    dotted = dotted_name(call.func)
    if dotted is None or not PATCHES.search(".".join(dotted)):
        return None
    place = next(i for i, arg in enumerate(call.args) if arg is path[-2])
    return call if place < 2 else None


def without_literals(text: str) -> str:
    """Blank out strings inside a quoted type, such as those of a `Literal`."""
    return re.sub(r"'[^']*'|\"[^\"]*\"", lambda found: " " * len(found[0]), text)
