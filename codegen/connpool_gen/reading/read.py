"""Read a class: at run time in a process of its own, and through the type checker."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from connpool_gen.errors import RequestError
from connpool_gen.identifiers import is_writable
from connpool_gen.nearest import nearest
from connpool_gen.reading.facts import (
    ClassFacts,
    Expression,
    MemberForm,
    Ref,
    RuntimeClass,
    RuntimeMember,
    StaticMember,
)
from connpool_gen.reading.import_hooks import with_hooked_package, with_runtime
from connpool_gen.reading.probe_client import read_classes, read_runtime
from connpool_gen.reading.source_client import read_source, read_source_classes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connpool_gen.config.request import GenerateRequest, SearchPath
    from connpool_gen.reading.type_checker import TypeChecker

__all__ = ["read"]

# More namespaces than any known client has (openai: 134): classes that hold each other in all ways
# would make a tree without end.
MOST = 2000
ANYTHING = Expression.of(Ref("typing", "Any"))
NOTHING = Expression.of("None")
# The forms in which a client holds a namespace.
HOLDERS = (MemberForm.INSTANCE, MemberForm.PROPERTY, MemberForm.CACHED_PROPERTY)


def read(request: GenerateRequest, checker: TypeChecker) -> ClassFacts:
    """Read the target with every reader and return the facts of each; `checker` can verify the output afterwards."""
    running = read_source(request) if request.static else read_runtime(request)
    package = request.module.partition(".")[0]
    search = with_hooked_package(request.search, package, running.place, request.cache_dir)
    search = with_runtime(search, request.cache_dir)
    # In one build with the client, since each build and each import of a large package takes seconds.
    ahead = running.ahead[:MOST]
    facts, *described = merge(
        [replace(running, ahead=()), *ahead], request, search, checker, running.annotated
    )
    known = {Ref(cls.module, cls.qualname): one for cls, one in zip(ahead, described, strict=True)}
    add_namespaces(facts, request, checker, known)
    return facts


def merge(
    running: Sequence[RuntimeClass],
    request: GenerateRequest,
    search: SearchPath,
    checker: TypeChecker,
    annotated: Sequence[str],
) -> list[ClassFacts]:
    """Add the type checker's view to what runs; `annotated` are packages to read without `py.typed`."""
    from connpool_gen.reading.mypy_reader import CheckedTarget, read_static

    targets = [
        CheckedTarget(
            ref=Ref(cls.module, cls.qualname),
            names=tuple(m.name for m in cls.members if is_writable(m.name)),
            type_params=cls.type_params,
            kinds=cls.kinds,
        )
        for cls in running
    ]
    found = read_static(targets, search, checker, request.cache_dir, annotated)
    whole = [with_stored(cls, static.members) for cls, static in zip(running, found, strict=True)]
    return [
        ClassFacts(
            runtime=cls,
            search=search,
            static=without_guesses(cls, static.members),
            untyped_modules=static.untyped_modules | frozenset(static.left_out),
            followed=static.followed,
            left_out=static.left_out,
            gave_up=static.gave_up,
            hidden=static.hidden,
            home=static.home,
            type_params=static.type_params,
            static_params=static.params,
            sources=static.sources | cls.loaded,
        )
        for cls, static in zip(whole, found, strict=True)
    ]


def with_stored(cls: RuntimeClass, known: Mapping[str, StaticMember]) -> RuntimeClass:
    """Add attributes that the type checker knows and some method stores, not `__init__` alone."""
    names = {member.name for member in cls.members}
    more = sorted((known.keys() & cls.stored) - names)
    form = MemberForm.INSTANCE
    found = (RuntimeMember(name=n, form=form, set_untyped=True, reset=True) for n in more)
    return replace(cls, members=(*cls.members, *found))


def without_guesses(
    cls: RuntimeClass, known: Mapping[str, StaticMember]
) -> dict[str, StaticMember]:
    """Drop the type that mypy infers from a first value where it is unchecked whether later values fit.

    `self.socket = None` in a package without types says nothing about what `connect` puts there.
    """
    reset = {member.name for member in cls.members if member.reset}
    return {
        name: (
            StaticMember(name=name, value=ANYTHING, value_ref=static.value_ref, is_any=True)
            if static.unchecked
            and static.inferred
            and (name in reset or static.value in (None, NOTHING))
            else static
        )
        for name, static in known.items()
    }


def add_namespaces(
    facts: ClassFacts,
    request: GenerateRequest,
    checker: TypeChecker,
    ahead: Mapping[Ref, ClassFacts],
) -> None:
    """Find the namespaces of a client, then those of its namespaces: each level in one go.

    What was not read ahead is read here. A class that holds itself again is not followed, nor one that holds the client, as its `parent`
    or by the name of a base, so the facts are a tree: such an attribute is read from a member like any other.
    """
    package = request.module.partition(".")[0]
    known = dict(ahead)
    asked = set(ahead)
    target = Ref(facts.runtime.module, facts.runtime.qualname)
    level: list[tuple[ClassFacts, frozenset[Ref], str]]
    itself = {Ref(module, name) for module, name, _ in facts.runtime.bases}
    level = [(facts, frozenset({target, facts.home or target, *itself}), "")]
    named: dict[str, Ref] = {}  # by the dotted names that the user gave
    count = 0
    while level and count < MOST:
        wanted: list[tuple[ClassFacts, str, Ref, frozenset[Ref], str]] = []
        for outer, above, path in level:
            for name, ref in namespace_classes(outer, package, request, path):
                if request.names_namespace(path + name):
                    named[path + name] = ref
                elif facts.runtime.rules_out(ref):
                    continue
                if ref not in above:
                    wanted.append((outer, name, ref, above, path))
        new = [ref for ref in dict.fromkeys(ref for _, _, ref, _, _ in wanted) if ref not in asked]
        asked.update(new)
        known.update(read_namespaces(new, request, checker, facts, frozenset(named.values())))
        level = []
        for outer, name, ref, above, path in wanted[: MOST - count]:
            if ref in known:
                outer.namespaces[name] = replace(known[ref], namespaces={})
                level.append((outer.namespaces[name], above | {ref}, f"{path}{name}."))
                count += 1
    refuse_no_namespaces(facts, request, named)


def refuse_no_namespaces(
    facts: ClassFacts, request: GenerateRequest, named: Mapping[str, Ref]
) -> None:
    """Refuse a name that the user gave for a namespace, where no attribute of that name holds one."""
    if "namespaces" in request.shared:
        return
    holding = [name for name, _ in namespace_classes(facts, None, request, "")]
    for pattern in request.namespaces:
        if not any(fnmatchcase(name, pattern) for name in named):
            close = nearest(pattern.strip("*"), holding, count=3) or holding[:3]
            hint = f"; nearest: {', '.join(close)}" if close else "; it has none"
            raise RequestError(
                f"{request.client}: --namespace {pattern!r} matches no attribute that holds an object of one "
                f"known class{hint}"
            )


def read_namespaces(
    refs: list[Ref],
    request: GenerateRequest,
    checker: TypeChecker,
    client: ClassFacts,
    named: frozenset[Ref],
) -> dict[Ref, ClassFacts]:
    """Read those of the classes that are namespaces of a client: by a rule, or because the user has named them."""
    describe = read_source_classes if request.static else read_classes
    running = describe(request, refs) if refs else []
    pairs = zip(refs, running, strict=True)
    kept = {
        ref: cls for ref, cls in pairs if cls is not None and (cls.is_namespace or ref in named)
    }
    classes = list(kept.values())
    annotated = client.runtime.annotated
    described = merge(classes, request, client.search, checker, annotated) if kept else []
    return dict(zip(kept, described, strict=True))


def read_as_a_whole(facts: ClassFacts) -> list[str]:
    """Name the attributes with objects of the client's own package that have methods and are no namespaces."""
    package = facts.runtime.module.partition(".")[0]
    names = [name for name, _ in namespace_classes(facts, package, None, "")]
    values = {name for name, static in facts.static.items() if static.keeps_values}
    return [name for name in names if name not in facts.namespaces and name not in values]


def namespace_classes(
    facts: ClassFacts, package: str | None, request: GenerateRequest | None, path: str
) -> Iterator[tuple[str, Ref]]:
    """Yield members that hold an instance of another class of the client's own package.

    Of any package where the user has named the attribute, whose own name follows `path`, and without `package`.
    """
    for member in facts.runtime.members:
        if member.form not in HOLDERS:
            continue
        static = facts.static.get(member.name)
        ref = (static.value_ref if static is not None else None) or member.value_class
        if ref is None:
            continue
        own = package in (None, ref.module.partition(".")[0])
        if own or (request is not None and request.names_namespace(path + member.name)):
            yield member.name, ref
