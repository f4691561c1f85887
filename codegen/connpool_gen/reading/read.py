"""Read a class: at run time in a process of its own, and through the type checker."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from connpool_gen.identifiers import is_writable
from connpool_gen.reading.facts import (
    ClassFacts,
    MemberForm,
    Ref,
    RuntimeClass,
    RuntimeMember,
    StaticMember,
)
from connpool_gen.reading.import_hooks import with_hooked_package
from connpool_gen.reading.probe_client import read_classes, read_runtime

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connpool_gen.config.request import GenerateRequest, SearchPath

__all__ = ["read"]

# More namespaces than any known client has (openai: 134): classes that hold each other in all ways
# would make a tree without end.
MOST = 2000
# The forms in which a client holds a namespace.
HOLDERS = (MemberForm.INSTANCE, MemberForm.PROPERTY, MemberForm.CACHED_PROPERTY)


def read(request: GenerateRequest) -> ClassFacts:
    """Read the target with every reader and return the facts side by side."""
    running = read_runtime(request)
    package = request.module.partition(".")[0]
    search = with_hooked_package(request.search, package, running.place, request.cache_dir)
    # In one build with the client, since each build and each import of a large package takes seconds.
    ahead = running.ahead[:MOST]
    facts, *described = merge([replace(running, ahead=()), *ahead], request, search)
    known = {Ref(cls.module, cls.qualname): one for cls, one in zip(ahead, described, strict=True)}
    add_namespaces(facts, request, known)
    return facts


def merge(
    running: Sequence[RuntimeClass], request: GenerateRequest, search: SearchPath
) -> list[ClassFacts]:
    """Add the type checker's view to what runs."""
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
    found = read_static(targets, search, request.cache_dir)
    return [
        ClassFacts(
            runtime=with_stored(cls, static.members),
            search=search,
            static=static.members,
            untyped_modules=static.untyped_modules,
            home=static.home,
            type_params=static.type_params,
            static_params=static.params,
            sources=static.sources | cls.loaded,
        )
        for cls, static in zip(running, found, strict=True)
    ]


def with_stored(cls: RuntimeClass, known: Mapping[str, StaticMember]) -> RuntimeClass:
    """Add attributes that the type checker knows and some method stores, not `__init__` alone."""
    names = {member.name for member in cls.members}
    more = sorted((known.keys() & cls.stored) - names)
    found = (RuntimeMember(name=name, form=MemberForm.INSTANCE, set_untyped=True) for name in more)
    return replace(cls, members=(*cls.members, *found))


def add_namespaces(
    facts: ClassFacts, request: GenerateRequest, ahead: Mapping[Ref, ClassFacts]
) -> None:
    """Find the namespaces of a client, then those of its namespaces: each level in one go.

    What was not read ahead is read here. A class that holds itself again is not followed, so the facts are a tree: such an attribute is read
    from a member like any other.
    """
    package = request.module.partition(".")[0]
    known = dict(ahead)
    asked = set(ahead)
    target = Ref(facts.runtime.module, facts.runtime.qualname)
    level = [(facts, frozenset({target, facts.home or target}))]
    count = 0
    while level and count < MOST:
        wanted = [
            (outer, name, ref, above)
            for outer, above in level
            for name, ref in namespace_classes(outer, package)
            if ref not in above and not facts.runtime.rules_out(ref)
        ]
        new = [ref for ref in dict.fromkeys(ref for _, _, ref, _ in wanted) if ref not in asked]
        asked.update(new)
        known.update(read_namespaces(new, request, facts.search))
        level = list[tuple[ClassFacts, frozenset[Ref]]]()
        for outer, name, ref, above in wanted[: MOST - count]:
            if ref in known:
                outer.namespaces[name] = replace(known[ref], namespaces={})
                level.append((outer.namespaces[name], above | {ref}))
                count += 1


def read_namespaces(
    refs: list[Ref], request: GenerateRequest, search: SearchPath
) -> dict[Ref, ClassFacts]:
    """Read those of the classes that are namespaces."""
    running = read_classes(request, refs) if refs else []
    pairs = zip(refs, running, strict=True)
    kept = {ref: cls for ref, cls in pairs if cls is not None and cls.is_namespace}
    described = merge(list(kept.values()), request, search) if kept else []
    return dict(zip(kept, described, strict=True))


def read_as_a_whole(facts: ClassFacts) -> list[str]:
    """Name the attributes with objects of the client's own package that are no namespaces."""
    package = facts.runtime.module.partition(".")[0]
    names = [name for name, _ in namespace_classes(facts, package)]
    return [name for name in names if name not in facts.namespaces]


def namespace_classes(facts: ClassFacts, package: str) -> Iterator[tuple[str, Ref]]:
    """Yield members that hold an instance of another class of the client's own package."""
    for member in facts.runtime.members:
        if member.form not in HOLDERS:
            continue
        static = facts.static.get(member.name)
        ref = (static.value_ref if static is not None else None) or member.value_class
        if ref is not None and ref.module.partition(".")[0] == package:
            yield member.name, ref
