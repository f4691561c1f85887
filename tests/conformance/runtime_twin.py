"""Whether the wrapper's methods take what the client's take when called."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from tests.conformance.accepted import (
    accepted_signature,
    same_default,
    signature_of,
    takes_anything,
)
from tests.conformance.corpus import Client
from tests.conformance.findings import Found
from tests.conformance.generation import generated
from tests.conformance.loading import load_wrapper
from tests.conformance.places import place
from tests.conformance.workshop import Workshop


def check_runtime_twin(workshop: Workshop, client: Client) -> list[Found]:
    """Compare names, kinds and default objects of each method."""
    wrapper = load_wrapper(workshop, client)()
    found: list[Found] = []
    for entry in generated(workshop, client).ledger:
        if not entry.has_twin:
            continue
        member = place(workshop, client, entry.name)
        if member.is_method:
            theirs = accepted_signature(member.owner, member.name, member.revealed)
            ours = own_signature(wrapper, entry.name)
            found += [(entry.name, text) for text in differences(theirs, ours)]
    return found


def own_signature(wrapper: Any, path: str) -> inspect.Signature | None:
    """The parameters of the wrapper's method, without its receiver."""
    namespace, _, name = path.rpartition(".")
    holder = functools.reduce(getattr, namespace.split("."), wrapper) if namespace else wrapper
    if inspect.getattr_static(holder, name, None) is None:
        return None
    return signature_of(getattr(holder, name), bound=True, follow=True)


def differences(theirs: inspect.Signature | None, ours: inspect.Signature | None) -> list[str]:
    """What is not the same, in words."""
    if ours is None:
        return ["the wrapper has no such method"]
    if theirs is None:
        return [] if takes_anything(ours) else [f"C code that tells nothing, yet ours is {ours}"]
    if shape(theirs) != shape(ours):
        return [f"a call accepts {bare(theirs)}, the wrapper {bare(ours)}"]
    return [
        f"the default of {name} is {short(parameter.default)}, "
        f"in the wrapper {short(ours.parameters[name].default)}"
        for name, parameter in theirs.parameters.items()
        if not same_default(ours.parameters[name].default, parameter.default)
    ]


def shape(signature: inspect.Signature) -> list[tuple[str, Any, bool]]:
    """Names, kinds, and which parameters have a default."""
    return [(p.name, p.kind, p.default is p.empty) for p in signature.parameters.values()]


def bare(signature: inspect.Signature) -> str:
    """A signature without annotations and default values."""
    parameters = [
        p.replace(annotation=p.empty, default=p.empty if p.default is p.empty else ...)
        for p in signature.parameters.values()
    ]
    return str(inspect.Signature(parameters)).replace("Ellipsis", "...")


def short(value: object) -> str:
    """A default value in a message."""
    return repr(value)[:80]
