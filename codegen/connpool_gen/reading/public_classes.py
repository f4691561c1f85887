"""Finds the classes that a glob such as `shop.clients:*Client` stands for."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from connpool_gen.environment.choosing import with_python
from connpool_gen.errors import TargetError
from connpool_gen.nearest import nearest
from connpool_gen.reading.probe_client import ask_probe

if TYPE_CHECKING:
    from collections.abc import Callable

    from connpool_gen.config.request import GenerateRequest


def classes_matching(pattern: str, ask_with: Callable[[str], GenerateRequest]) -> list[str]:
    """List the public classes that a module itself defines and a glob matches, as MODULE:CLASS, by name.

    `ask_with` makes the request that says where modules are imported from. Raises TargetError where the
    module cannot be imported, or nothing in it matches.
    """
    module, _, glob = pattern.partition(":")
    reply = ask_probe(with_python(ask_with(f"{module}:Client")), (), list_classes=True)
    if "refusal" in reply:
        raise TargetError(f"{pattern}: {reply['refusal']}")
    names: list[str] = reply["public"]
    found = [name for name in names if fnmatchcase(name, glob)]
    if not found:
        close = nearest(glob.strip("*"), names, count=3) or names[:3]
        hint = f"; it defines {', '.join(close)}" if close else "; it defines none at all"
        raise TargetError(
            f"{pattern}: no public class that {module} defines matches {glob!r}{hint}"
        )
    return [f"{module}:{name}" for name in found]
