"""Asks mypy where each class is defined and which public names it has for a type checker.

A script for a process of its own, because mypy keeps much in memory:
`python static_names.py QUESTION.json ANSWER.json`, with the options of the mypy run in between.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from mypy.build import BuildResult, BuildSource, build
from mypy.main import process_options
from mypy.nodes import SymbolNode, TypeAlias, TypeInfo, Var
from mypy.types import Instance, TypeType, get_proper_type

SILENT = ("builtins.object", "typing.Generic", "typing.Protocol")


def main(question: str, answer: str, *options: str) -> None:
    clients: dict[str, str] = json.loads(Path(question).read_text())
    imports = sorted({f"import {path.partition(':')[0]}" for path in clients.values()})
    _, chosen = process_options([*options, "-c", "pass"])
    result = build([BuildSource(None, "every_client", "\n".join(imports) + "\n")], chosen)
    seen = {slug: describe(result, path) for slug, path in clients.items()}
    Path(answer).write_text(json.dumps(seen))


def describe(result: BuildResult, path: str) -> dict[str, object] | None:
    """Where the class is defined, and its names over the whole MRO; None for a class without types."""
    info = class_info(result, path)
    if info is None:
        return None
    names = {
        name
        for base in info.mro
        if base.fullname not in SILENT
        for name in base.names
        if not name.startswith("_")
    }
    return {
        "module": info.module_name,
        "qualname": info.fullname.removeprefix(info.module_name + "."),
        "names": sorted(names),
    }


def class_info(result: BuildResult, path: str) -> TypeInfo | None:
    """Find a class by its path, through whatever re-exports it."""
    module, _, qualname = path.partition(":")
    tree = result.manager.modules.get(module)
    names = tree.names if tree is not None else {}
    node: SymbolNode | None = None
    for part in qualname.split("."):
        symbol = names.get(part)
        node = resolved(symbol.node) if symbol is not None else None
        names = node.names if isinstance(node, TypeInfo) else {}
    return node if isinstance(node, TypeInfo) else None


def resolved(node: SymbolNode | None) -> SymbolNode | None:
    """What an alias of a class stands for."""
    type_ = (
        node.target if isinstance(node, TypeAlias) else node.type if isinstance(node, Var) else None
    )
    proper = get_proper_type(type_)
    if isinstance(proper, TypeType):
        proper = proper.item
    return proper.type if isinstance(proper, Instance) else node


if __name__ == "__main__":
    main(*sys.argv[1:])
