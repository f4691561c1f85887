"""Ask the type checker for the type of each member as an instance shows it.

Only the checker knows which overloads fit this class's `self`, what a TypeVar bound by a base
stands for, and what a decorator makes of a signature. mypy's build API is not promised, so only
`mypy_build.py` calls it, and the minor version is pinned.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mypy import build
from mypy.errors import CompileError
from mypy.expandtype import expand_type, expand_type_by_instance
from mypy.maptype import map_instance_to_supertype
from mypy.modulefinder import BuildSource, get_search_dirs
from mypy.nodes import (
    FUNC_NO_INFO,
    Decorator,
    ExpressionStmt,
    FuncDef,
    MemberExpr,
    MypyFile,
    OverloadedFuncDef,
    TypeInfo,
    Var,
)
from mypy.subtypes import find_member, is_subtype
from mypy.typeops import bind_self
from mypy.types import (
    AnyType,
    CallableType,
    Instance,
    Overloaded,
    ProperType,
    Type,
    TypeOfAny,
    TypeVarId,
    TypeVarLikeType,
    TypeVarType,
    get_proper_type,
    has_type_vars,
)
from mypy.typevars import fill_typevars

from connpool_gen.errors import ReadError
from connpool_gen.reading.annotations import AnnotationPrinter, Unprintable
from connpool_gen.reading.facts import Ref, StaticMember, StaticSignature
from connpool_gen.reading.mypy_build import BuildPart
from connpool_gen.reading.mypy_options import check_options, reexporting_options
from connpool_gen.reading.public_names import PublicNames
from connpool_gen.reading.reexports import depends_on_reexports
from connpool_gen.reading.result_kinds import deprecation_of
from connpool_gen.reading.untyped_packages import FollowingBuild, is_inside, untyped_modules

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connpool_gen.config.request import SearchPath
    from connpool_gen.reading.mypy_build import IncrementalBuild
    from connpool_gen.reading.type_checker import TypeChecker

PROBE = "__connpool_gen_probe__"
FUNCTIONS = (FuncDef, OverloadedFuncDef)
OF_COLLECTIONS = ("__len__", "__iter__", "__contains__")


@dataclass(frozen=True, slots=True)
class CheckedTarget:
    """The question to mypy: a class and the names that its instances are expected to have."""

    ref: Ref
    names: tuple[str, ...]
    type_params: tuple[Ref, ...] = ()
    kinds: tuple[str, ...] = ()


def folders_of(python: str) -> list[str]:
    """List the folders in which another interpreter looks for modules."""
    standard, packages = get_search_dirs(python)
    return [*standard, *packages]


STAND_IN = "from typing import Any\ndef __getattr__(name: str) -> Any: ...\n"


def stand_ins(search: SearchPath) -> list[BuildSource]:
    """Make an empty stand-in for the output file, so that a broken old one blocks nothing."""
    if not search.output.is_file():
        return []
    # With a path of its own, which does not exist: two modules called "<string>" would confuse
    # mypy's list of errors, and of an existing file it would read what is there.
    return [BuildSource(f"<{name}>", name, STAND_IN) for name in search.output_modules()]


@dataclass(frozen=True, slots=True)
class StaticClass:
    """The type checker's answer: members, the home of a hidden class, type parameters, untyped modules.

    `type_params` are those that the output can write, `params` is how many there are. `followed` are
    packages without `py.typed` that were read, but for the modules `left_out`; `gave_up` says why
    they could not be. `has_unknown` says that a type is Any because mypy could not find it.
    """

    members: dict[str, StaticMember]
    home: Ref | None = None
    type_params: tuple[Ref, ...] = ()
    params: int = 0
    untyped_modules: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    followed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    gave_up: str | None = None
    hidden: frozenset[Ref] = frozenset()
    has_unknown: bool = False


Build = Callable[[list[BuildSource]], BuildPart]


def read_static(
    targets: Sequence[CheckedTarget],
    search: SearchPath,
    checker: TypeChecker,
    cache_dir: Path | None,
    annotated: Sequence[str] = (),
) -> list[StaticClass]:
    """Ask mypy for the bound type of every public member of each target, in one build for all.

    `annotated` are packages to be read even if they ship no types.
    """
    packages = untyped_modules(annotated, check_options(search, None))
    if not packages:
        return read_typed(targets, search, checker)
    # A cache of its own: following and not following would undo each other's.
    followed = partial(reexporting_options, search, cache_dir and cache_dir / "read-untyped")
    following = FollowingBuild(packages, followed, cache_dir and cache_dir / "left-out")
    try:
        found = read_by(partial(followed_by, following), targets, search, packages)
    except ReadError as reason:
        return [replace(one, gave_up=str(reason)) for one in read_typed(targets, search, checker)]
    left_out = tuple(sorted(one.module for one in following.left_out))
    files = frozenset(one.file for one in following.left_out)
    return [
        replace(c, followed=following.packages, left_out=left_out, sources=c.sources | files)
        for c in found
    ]


def read_typed(
    targets: Sequence[CheckedTarget], search: SearchPath, checker: TypeChecker
) -> list[StaticClass]:
    """Read as strictly as the output is verified, and once more where the client is not strict with itself.

    Reading strictly saves analyzing all of the client for verifying once more. What packages import from
    where it is not exported is seldom in a client's types (see `depends_on_reexports`).
    """
    if not checker.reads_reexports:
        strict = checker.build(search)
        found = read_by(partial(checked_by, strict), targets, search)
        if not (any(one.has_unknown for one in found) and depends_on_reexports(strict.imported)):
            return found
        checker.reads_reexports = True
    return read_by(partial(checked_by, checker.build(search, reexporting=True)), targets, search)


def checked_by(going: IncrementalBuild, sources: list[BuildSource]) -> BuildPart:
    """Check texts; raise ReadError for errors that stop mypy."""
    try:
        going.check(sources)
    except CompileError as error:
        raise ReadError("the type checker stopped: " + "; ".join(error.messages[:3])) from None
    return going.imported


def followed_by(following: FollowingBuild, sources: list[BuildSource]) -> BuildPart:
    """Check texts in a build that reads packages without types."""
    return BuildPart.whole(following.run(sources))


def read_by(
    run: Build,
    targets: Sequence[CheckedTarget],
    search: SearchPath,
    packages: frozenset[str] = frozenset(),
) -> list[StaticClass]:
    """Read with one way to run mypy; `packages` are those that it follows without their `py.typed`."""
    replaced = stand_ins(search)
    part = run([BuildSource(None, PROBE, probe_text(targets)), *replaced])
    known = [with_static_names(part, target) for target in targets]
    if known != list(targets):  # names that only type checkers know: ask again, with them
        part = run([BuildSource(None, PROBE, probe_text(known)), *replaced])
    types = member_types(part.result)
    shared = Shared(source_files(part), untyped_in(part, packages, search))
    return [static_class(part, i, target, types[i], shared) for i, target in enumerate(known)]


@dataclass(frozen=True, slots=True)
class Shared:
    """What holds for all targets of a build: the files that were read, the modules without types."""

    sources: frozenset[str]
    untyped: frozenset[str]


def untyped_in(part: BuildPart, packages: frozenset[str], search: SearchPath) -> frozenset[str]:
    """Find the modules that were followed though they ship no types."""
    inside = [module for module in part.states if is_inside(module, packages)]
    return untyped_modules(inside, check_options(search, None)) if inside else frozenset()


def with_static_names(part: BuildPart, target: CheckedTarget) -> CheckedTarget:
    """Add the public names that only the type checker finds to those of the run time."""
    info = class_info(part.modules, target.ref)
    more = sorted(static_names(info) - set(target.names)) if info is not None else []
    return replace(target, names=(*target.names, *more))


def static_class(
    part: BuildPart,
    index: int,
    target: CheckedTarget,
    types: dict[str, ProperType],
    shared: Shared,
) -> StaticClass:
    """Restate one target's members, or nothing for a module without types."""
    info = class_info(part.modules, target.ref)
    if info is None:
        untyped = frozenset({target.ref.module})
        is_read = target.ref.module in part.modules
        return StaticClass({}, untyped_modules=untyped, sources=shared.sources, has_unknown=is_read)
    public = PublicNames(part.modules, target.ref, info.fullname, shared.untyped)
    printer = AnnotationPrinter(public, part.result.manager.options.python_version)
    params = written_params(target, info, printer, public)
    for i, param in enumerate(params or [None] * len(target.kinds)):
        printer.stands_for(f"{PROBE}.{stand_in_variable(index, i)}", param)
    if shared.untyped:
        types = {n: undecorated(n, info) or found for n, found in types.items()}
    members = {n: static_member(n, types[n], printer, info) for n in sorted(types)}
    if params:
        members.update(narrowed_members(info, printer))
    members = {n: replace(m, deprecated=deprecation(n, info)) for n, m in members.items()}
    members = {**members, **dict(unchecked(members, info, public))}
    return StaticClass(
        members,
        home=public.home(),
        type_params=params,
        params=len(info.defn.type_vars),
        untyped_modules=shared.untyped,
        hidden=frozenset([target.ref.root] if public.hides(target.ref) else ()),
        sources=shared.sources,
        has_unknown=printer.met_unknown or any(base.fallback_to_any for base in info.mro),
    )


def written_params(
    target: CheckedTarget, info: TypeInfo, printer: AnnotationPrinter, public: PublicNames
) -> tuple[Ref, ...]:
    """Find how the output writes the class's type parameters: imported, or as variables of its own."""
    declared = info.defn.type_vars
    if len(declared) != len(
        target.type_params
    ):  # the stubs describe another class than the one that runs
        return ()
    pairs = zip(target.type_params, declared, strict=True)
    try:
        return tuple(
            ref if ref.module and not public.is_untyped(ref.module) else printer.own_variable(param)
            for ref, param in pairs
        )
    except Unprintable:
        return ()


def source_files(part: BuildPart) -> frozenset[str]:
    """List the files that mypy looked at, as absolute paths."""
    places = {state.path.rpartition(os.sep)[::2] for state in part.states.values() if state.path}
    # A folder is followed through its links once for all of its files: there are thousands.
    folders = {folder: Path(folder).resolve() for folder in {folder for folder, _ in places}}
    return frozenset(f"{folders[folder]}{os.sep}{name}" for folder, name in places)


def probe_text(targets: Sequence[CheckedTarget]) -> str:
    """Write a module with one expression per member, whose types the build exports."""
    return "\n".join([probe_function(index, target) for index, target in enumerate(targets)] + [""])


def probe_function(index: int, target: CheckedTarget) -> str:
    """Write `def probe_0(client: Client_0[T_0_0]) -> None:` with a line per member.

    The type parameters are stand-ins without bounds: those of `class Client[T]` cannot be imported,
    and where one has constraints, mypy checks a copy of the function for each and keeps no type.
    Names are imported one by one: `package.module.Class` would go wrong where the package has
    something else under the module's name.
    """
    root = target.ref.root
    imports = [f"from {root.module} import {root.qualname} as Client_{index}"]
    variables = [(stand_in_variable(index, i), kind) for i, kind in enumerate(target.kinds)]
    imports += ["from typing import ParamSpec, TypeVar, TypeVarTuple, Unpack"] if variables else []
    imports += [f'{name} = {kind}("{name}")' for name, kind in variables]
    listed = ", ".join(
        f"Unpack[{name}]" if kind == "TypeVarTuple" else name for name, kind in variables
    )
    client = f"Client_{index}{target.ref.qualname.removeprefix(root.qualname)}"
    head = f"def probe_{index}(client: {client}{f'[{listed}]' if listed else ''}) -> None:"
    return "\n".join([*imports, head, *(f"    client.{name}" for name in target.names), "    pass"])


def stand_in_variable(index: int, position: int) -> str:
    """Name what stands for a type parameter in the probe module."""
    return f"T_{index}_{position}"


def member_types(result: build.BuildResult) -> list[dict[str, ProperType]]:
    """Collect the type of each expression, a dictionary per probe function."""
    functions = [d for d in result.files[PROBE].defs if isinstance(d, FuncDef)]
    return [dict(expression_types(result, function)) for function in functions]


def expression_types(
    result: build.BuildResult, function: FuncDef
) -> Iterator[tuple[str, ProperType]]:
    """Yield name and type of each `client.name` in a probe function."""
    for statement in function.body.body:
        if isinstance(statement, ExpressionStmt) and isinstance(statement.expr, MemberExpr):
            checked = result.types.get(statement.expr)
            if checked is not None:
                yield statement.expr.name, get_proper_type(checked)


def class_info(modules: Mapping[str, MypyFile], ref: Ref) -> TypeInfo | None:
    """Find mypy's description of a class; None for a module without types."""
    tree = modules.get(ref.module)
    if tree is None:
        return None
    symbols = tree.names
    node: object = None
    for part in ref.qualname.split("."):
        symbol = symbols.get(part)
        node = symbol.node if symbol is not None else None
        if not isinstance(node, TypeInfo):
            return None
        symbols = node.names
    return node if isinstance(node, TypeInfo) else None


def static_names(info: TypeInfo) -> set[str]:
    """List public names of the class and its bases, `object` left out."""
    return {
        name
        for base in info.mro
        if base.fullname not in ("builtins.object", "typing.Protocol", "typing.Generic")
        for name in base.names
        if not name.startswith("_")
    }


def static_member(
    name: str, found: ProperType, printer: AnnotationPrinter, info: TypeInfo
) -> StaticMember:
    """Restate one bound type; what cannot be restated is kept with its reason."""
    try:
        if isinstance(found, CallableType) and not found.is_type_obj():
            return StaticMember(name=name, signatures=(printer.signature(found),))
        if isinstance(found, Overloaded) and not found.is_type_obj():
            items = tuple(printer.signature(item) for item in found.items)
            return StaticMember(name=name, signatures=items)
        return StaticMember(
            name=name,
            value=printer.annotation(found),
            calls=calls_of(found, printer),
            value_class=found.type.fullname if isinstance(found, Instance) else None,
            value_ref=printer.class_ref(found),
            generic=has_type_vars(found),
            inferred=is_inferred(name, info),
            guessed=is_inferred(name, info) and is_guessed(name, found, info),
            is_any=isinstance(found, AnyType),
            is_client=printer.is_client(found),
            keeps_values=isinstance(found, Instance) and keeps_values(found.type),
        )
    except Unprintable as reason:
        return StaticMember(name=name, problem=str(reason))


def keeps_values(info: TypeInfo) -> bool:
    """Return whether objects of a class only hold values: as collections, or since their package gives them no public methods."""
    if all(info.has_readable_member(name) for name in OF_COLLECTIONS):
        return True
    package = info.module_name.partition(".")[0]
    own = [base for base in info.mro if base.module_name.partition(".")[0] == package]
    return not any(
        is_method(symbol.node)
        for base in own
        for name, symbol in base.names.items()
        if not name.startswith("_")
    )


def is_method(node: object) -> bool:
    """Return whether a name of a class is a method that is called on an object."""
    inner = node.func if isinstance(node, Decorator) else node
    if not isinstance(inner, FUNCTIONS):
        return False
    return not (inner.is_property or inner.is_class or inner.is_static)


def deprecation(name: str, info: TypeInfo) -> str | None:
    """Return what checkers say of any use of a member: of a property, a method, all overloads at once."""
    symbol = info.get(name)
    node = symbol.node if symbol is not None else None
    if isinstance(node, OverloadedFuncDef) and node.is_property:
        node = node.items[0]
    return deprecation_of(node)


def narrowed_members(info: TypeInfo, printer: AnnotationPrinter) -> dict[str, StaticMember]:
    """Restate the methods that are for clients with certain type arguments: `self: Client[str]`.

    Bound to a client whose arguments are unknown, all of them look alike.
    """
    client = fill_typevars(info)
    names = {name for base in info.mro for name in base.names if not name.startswith("_")}
    if not isinstance(client, Instance):
        return {}
    found = ((name, narrowed(name, info, client)) for name in sorted(names))
    return {name: restated(name, items, printer) for name, items in found if items}


def restated(
    name: str, items: list[tuple[CallableType, Instance]], printer: AnnotationPrinter
) -> StaticMember:
    """Restate what a method is to each type of client that it is for."""
    try:
        signatures = tuple(printer.signature(item, client.args) for item, client in items)
        return StaticMember(name=name, signatures=signatures)
    except Unprintable as reason:
        return StaticMember(name=name, problem=str(reason))


def narrowed(name: str, info: TypeInfo, client: Instance) -> list[tuple[CallableType, Instance]]:
    """List the bound signatures of a method with the clients that they are for; none if for all."""
    symbol = info.get(name)
    node = symbol.node if symbol is not None else None
    inner = node.func if isinstance(node, Decorator) else node
    if symbol is None or not isinstance(inner, FUNCTIONS) or inner.is_static or inner.is_class:
        return []
    if inner.is_property or inner.info is FUNC_NO_INFO:
        return []
    unbound = get_proper_type(symbol.type)
    items = unbound.items if isinstance(unbound, Overloaded) else [unbound]
    base = map_instance_to_supertype(client, inner.info)
    known = [expand_type_by_instance(i, base) for i in items if isinstance(i, CallableType)]
    clients = [fitting_client(item, base, client) for item in known]
    if all(one == client for one in clients):
        return []
    bound = zip(known, clients, strict=True)
    return [(bound_to(item, one, client), one) for item, one in bound if one is not None]


def fitting_client(item: CallableType, base: Instance, client: Instance) -> Instance | None:
    """Find the client whose `self` a signature takes; None where no client fits.

    `base` is the client as the class sees it that defines the method.
    """
    taken = get_proper_type(item.arg_types[0]) if item.arg_types else None
    if not isinstance(taken, Instance) or taken.type != base.type:
        return client
    chosen: dict[TypeVarId, Type] = {}
    for general, special in zip(base.args, taken.args, strict=True):
        variable, wanted = get_proper_type(general), get_proper_type(special)
        if isinstance(variable, TypeVarType) and not isinstance(wanted, AnyType):
            chosen[variable.id] = special
        elif not is_subtype(general, special):
            return None
    fitting = expand_type(client, chosen)
    return fitting if isinstance(fitting, Instance) else None


def bound_to(item: CallableType, one: Instance, client: Instance) -> CallableType:
    """Bind a signature to a client with certain type arguments."""
    pairs = zip(client.args, one.args, strict=True)
    chosen = {old.id: new for old, new in pairs if isinstance(old, TypeVarLikeType)}
    return bind_self(expand_type(item, chosen), one)


def is_inferred(name: str, info: TypeInfo) -> bool:
    """Return whether a variable has no annotation, so that its type is what mypy makes of its first value."""
    symbol = info.get(name)
    return symbol is not None and isinstance(symbol.node, Var) and symbol.node.is_inferred


def is_guessed(name: str, found: ProperType, info: TypeInfo) -> bool:
    """Return whether checkers may infer different types from one value: of a collection, or where a base declares another type.

    Of what a list or a dictionary holds mypy says what all have in common, and pyright joins the types. What
    a base declares is for pyright the type of what a class below puts there.
    """
    if isinstance(found, Instance) and found.args:
        return True
    symbols = [base.names.get(name) for base in info.mro]
    nodes = [symbol.node for symbol in symbols if symbol is not None]
    return any(isinstance(node, Var) and not node.is_inferred for node in nodes[1:])


def unchecked(
    members: dict[str, StaticMember], info: TypeInfo, public: PublicNames
) -> Iterator[tuple[str, StaticMember]]:
    """Yield the members that modules without types define, marked so."""
    for name, member in members.items():
        if public.is_untyped(module_of(name, info)):
            inferred = member.inferred and not is_declared_on_self(name, info)
            guessed = inferred and member.guessed
            yield name, replace(member, unchecked=True, inferred=inferred, guessed=guessed)


def undecorated(name: str, info: TypeInfo) -> CallableType | None:
    """Give the parameters of a method below a decorator without types; what that makes of its result is unknown.

    The running method shows whether a call takes them.
    """
    symbol, client = info.get(name), fill_typevars(info)
    node = symbol.node if symbol is not None else None
    if not isinstance(node, Decorator) or not isinstance(client, Instance):
        return None
    function, decorated = node.func, get_proper_type(node.var.type)
    inner = get_proper_type(function.type)
    if not isinstance(decorated, AnyType) or not isinstance(inner, CallableType):
        return None
    if function.is_static or function.is_class or function.is_property:
        return None
    known = expand_type_by_instance(inner, map_instance_to_supertype(client, function.info))
    bound: Any = cast("Any", bind_self(known, client))  # pyright knows part of its methods
    copied: CallableType = bound.copy_modified(ret_type=AnyType(TypeOfAny.unannotated))
    return copied


def is_declared_on_self(name: str, info: TypeInfo) -> bool:
    """Return whether a method declares an attribute's type: `self.socket: Socket | None = None`."""
    symbol = info.get(name)
    return symbol is not None and isinstance(symbol.node, Var) and symbol.node.explicit_self_type


def module_of(name: str, info: TypeInfo) -> str:
    """Name the module of the class that defines a member."""
    base = info.get_containing_type_info(name)
    return base.module_name if base is not None else info.module_name


def calls_of(found: ProperType, printer: AnnotationPrinter) -> tuple[StaticSignature, ...]:
    """List the signatures with which an instance can be called, none if it cannot or they have no spelling."""
    if not isinstance(found, Instance) or not found.type.has_readable_member("__call__"):
        return ()
    called = get_proper_type(find_member("__call__", found, found, is_operator=True))
    items = called.items if isinstance(called, Overloaded) else [called]
    try:
        return tuple(printer.signature(item) for item in items if isinstance(item, CallableType))
    except Unprintable:
        return ()
