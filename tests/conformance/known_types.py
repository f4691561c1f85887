"""Whether the types of a member are known, from what mypy reveals for it."""

from __future__ import annotations

import re

from tests.conformance.kinds import closing, depths, result_end, signature_starts

COROUTINE = re.compile(r"(?:typing\.)?Coroutine\[Any, Any, (?P<awaited>.*)\]")
QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")


def is_known(revealed: str) -> bool:
    """Whether no parameter with a name of its own, no result and no value is Any.

    `*args` and `**kwargs` do not count, nor does an Any inside a type, such as `dict[str, Any]`. What a
    coroutine gives is its result.
    """
    revealed = QUOTED.sub("''", revealed)  # the text of a Literal may hold brackets
    if not revealed.startswith(("def ", "Overload(")):
        return revealed not in ("", "Any")
    return all("Any" not in types_at(revealed, start) for start in signature_starts(revealed))


def types_at(revealed: str, start: int) -> list[str]:
    """The types of the parameters and of the result of the signature whose parameters begin there."""
    end = closing(revealed, start)
    # mypy leaves out the arrow before None.
    result = revealed[end + 1 : result_end(revealed, end + 1)].removeprefix(" -> ")
    awaited = COROUTINE.fullmatch(result)
    types = [type_of(param) for param in split(revealed[start + 1 : end])]
    return [*types, awaited["awaited"] if awaited else result]


def type_of(param: str) -> str:
    """The type of one parameter, nothing for what takes any number of arguments."""
    return "" if param.startswith("*") else re.sub(r"^\w+: ", "", param).removesuffix(" =")


def split(text: str) -> list[str]:
    """The items of a list at its commas, but for those inside brackets."""
    depth = depths(text)
    places = [i for i, sign in enumerate(text) if sign == "," and depth[i] == 0]
    bounds = zip([0, *(i + 1 for i in places)], [*places, len(text)], strict=True)
    return [text[begin:end].strip() for begin, end in bounds]
