"""The probe modules: one `reveal_type` per member, on the client and on its wrapper."""

from __future__ import annotations

import sys
import typing
from dataclasses import dataclass

from tests.conformance.corpus import Client


@dataclass(frozen=True, slots=True)
class Probe:
    """The text of a probe and, by line, which member of which side is revealed there."""

    text: str
    lines: dict[int, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class SeenClass:
    """A client class as a type checker finds it: where it is defined, and its public names."""

    module: str
    qualname: str
    names: tuple[str, ...]
    typed: bool


def make_use(client: Client, seen: SeenClass, members: list[str]) -> str:
    """A module that does nothing but name every member."""
    imports, given = type_arguments(client)
    name, line = importing(seen.module, seen.qualname, "TheClient")
    text = [*imports, line]
    for number, member in enumerate(members):
        text.append(f"def use_{number}(one: {name}{given}) -> object:")
        text.append(f"    return one.{member}")
    return "\n".join(text) + "\n"


def make_probe(client: Client, seen: SeenClass, members: list[str], wrapper: str | None) -> Probe:
    """One function per member and side, because a NoReturn would hide all that follows it."""
    imports, given = type_arguments(client)
    sides = {"client": importing(seen.module, seen.qualname, "TheClient")}
    if wrapper is not None:
        sides["wrapper"] = importing(f"wrappers.{client.slug}", wrapper, "TheWrapper")
    text = [*imports, *(line for _, line in sides.values())]
    lines: dict[int, tuple[str, str]] = {}
    for number, member in enumerate(members):
        for side, (name, _) in sides.items():
            text.append(f"def {side}_{number}(one: {name}{given}) -> None:")
            text.append(f"    reveal_type(one.{member})")
            lines[len(text)] = (side, member)
    return Probe("\n".join(text) + "\n", lines)


def importing(module: str, qualname: str, alias: str) -> tuple[str, str]:
    """How to name a class, and the import for it: a package may have an attribute like its module."""
    first, dot, rest = qualname.partition(".")
    return f"{alias}{dot}{rest}", f"from {module} import {first} as {alias}"


def type_arguments(client: Client) -> tuple[list[str], str]:
    """The imports of a class's own type parameters, and these as its arguments: `[mod.T]`."""
    parameters = type_parameters(client.load())
    given = "[" + ", ".join(f"{m}.{name}" for m, name in parameters) + "]" if parameters else ""
    return sorted({f"import {module}" for module, _ in parameters}), given


def type_parameters(cls: type) -> list[tuple[str, str]]:
    """Where the type parameters of a generic class can be named; nothing if one cannot be."""
    homes = [place_of(cls, parameter) for parameter in getattr(cls, "__parameters__", ())]
    return [home for home in homes if home] if all(homes) else []


def place_of(cls: type, parameter: typing.Any) -> tuple[str, str] | None:
    """The module that defines a TypeVar, and its name there."""
    name = parameter.__name__
    for module in (parameter.__module__, *(base.__module__ for base in cls.__mro__)):
        if getattr(sys.modules.get(module), name, None) is parameter:
            return module, name
    return None
