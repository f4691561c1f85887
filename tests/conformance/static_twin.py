"""Whether a type checker sees the same members on the wrapper as on the client."""

from __future__ import annotations

import re

from tests.conformance.annotated import is_annotated
from tests.conformance.checkers import mypy_report, seen_class, wrapper_names
from tests.conformance.corpus import Client
from tests.conformance.findings import Found
from tests.conformance.generation import generated
from tests.conformance.workshop import Workshop

# What a method's own kind says where the client's types say nothing: `async def` gives a coroutine.
KINDS_OF_RESULT = (
    "typing.Coroutine[Any, Any, Any]",
    "typing.AsyncGenerator[Any, Any]",
    "typing.AsyncGenerator[Any, None]",
    "typing.Generator[Any, Any, Any]",
    "typing.Iterator[Any]",
)

UNION_MEMBER = r"[\w.]+(?:\[[^\[\]]*\])?"
UNION = rf"{UNION_MEMBER}(?: \| {UNION_MEMBER})+"


def check_static_twin(workshop: Workshop, client: Client) -> list[Found]:
    """Compare what mypy reveals for each member that the wrapper has.

    The wrapper's own type stands for the client's: it is what a fluent method returns. In a client
    that ships no `py.typed` mypy may infer types that nobody wrote: of these, the wrapper need not know.
    """
    types = mypy_report(workshop)["types"][client.slug]
    wrapper = rf"\bwrappers\.{client.slug}\.{wrapper_names(workshop).get(client.slug)}\b"
    seen = seen_class(workshop, client)
    ledger = generated(workshop, client).ledger
    skipped = {e.name for e in ledger if not e.has_twin}
    distrusted = {e.name for e in ledger if e.reason.startswith("Any, because")}
    found: list[Found] = []
    for name, ours in types["wrapper"].items():
        if name in skipped:
            continue
        theirs = types["client"].get(name, "")
        written = seen.typed or (is_annotated(client, name) and name not in distrusted)
        if not written and only_any(ours):
            continue
        if not seen.typed and theirs == "Any" and is_annotated(client, name):
            continue  # below a decorator without types, of which mypy makes Any
        if not same_type(theirs, re.sub(wrapper, f"{seen.module}.{seen.qualname}", ours)):
            found.append((name, f"the client has {theirs or 'nothing'}, the wrapper {ours}"))
    missing = types["client"].keys() - types["wrapper"].keys()
    return found + [(name, "mypy reveals nothing for the wrapper") for name in sorted(missing)]


def same_type(theirs: str, ours: str) -> bool:
    """Equal after normalising; what the checker does not know of the client is Any in the wrapper."""
    if theirs in ("", "Any"):
        return ours == "" or only_any(ours)
    if ours.startswith(("type[", "tuple[type[")):
        return constructed(theirs) == constructed(ours)
    return plain(theirs) == plain(ours)


def plain(text: str) -> str:
    """Without numbers of type variables, names of `*args` and `**kwargs`, members a union repeats."""
    unnumbered = re.sub(r"`-?\d+(@\w+)?", "", re.sub(r"(?<=[(, ])(\*{1,2})\w+: ", r"\1", text))
    return re.sub(UNION, lambda union: without_repeats(union[0]), unnumbered)


def without_repeats(union: str) -> str:
    """Name each member of a union once: `A | A` is `A`, and mypy shows what the source repeats."""
    return " | ".join(dict.fromkeys(member[0] for member in re.finditer(UNION_MEMBER, union)))


def constructed(text: str) -> list[str] | None:
    """The classes that a class, or a tuple of classes, stands for; mypy shows their constructors.

    `def (*args: object) -> a.Error` and `type[a.Error]` are the same class.
    """
    inner = text[len("tuple[") : -1] if text.startswith("tuple[") else text
    return re.findall(r"(?:-> |type\[)([\w.]+)", plain(inner)) or None


def only_any(text: str) -> bool:
    """Whether a revealed type says nothing, or, of a signature, nothing but names, kinds and Any."""
    if text == "Any":
        return True
    match = re.fullmatch(r"def (\[.*?\] )?\((?P<params>.*)\) -> (?P<result>.*)", text)
    if match is None:
        return False
    params = [param for param in match["params"].split(", ") if param not in ("", "/", "*")]
    typed = [re.sub(r"^(\*{0,2}\w+: |\*{1,2})", "", param).removesuffix(" =") for param in params]
    return all(one == "Any" for one in typed) and (
        match["result"] == "Any" or match["result"] in KINDS_OF_RESULT
    )
