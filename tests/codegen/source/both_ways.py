"""The facts of one class in both ways: from the running class, and from its text."""

import functools
import importlib
import itertools
import json
import sys
from collections.abc import Sequence
from inspect import cleandoc
from pathlib import Path
from textwrap import dedent
from typing import Any

from connpool_gen.probe.members import describe_class
from connpool_gen.source.read import SourceReader
from tests.codegen.made import importable

Json = dict[str, Any]
_NUMBERS = itertools.count()


def write(folder: Path, source: str, suffix: str = ".py") -> str:
    """Write a module and return its name, which no other test has."""
    name = f"read_client_{next(_NUMBERS)}"
    (folder / f"{name}{suffix}").write_text(dedent(source), "utf-8")
    importlib.invalidate_caches()
    return name


def running(folder: Path, module: str, path: str = "Client") -> Json:
    """Describe a class by importing it."""
    with importable(folder):
        found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return plain(describe_class(found, module, path))


def read(folders: Sequence[Path | str], module: str, path: str = "Client") -> Json:
    """Describe a class from its text."""
    return plain(reader(*map(str, folders)).target(module, path)["class"])


@functools.cache
def reader(*folders: str) -> SourceReader:
    """Give the reader of some folders: what it has parsed once need not be parsed for each example."""
    return SourceReader([*folders, *sys.path])


def plain(described: Json) -> Json:
    """Take out what only one of the readers tells, and what is said by leaving it out.

    Since 3.13 the compiler takes the indentation off docstrings, as wrappers do in any case.
    """
    told = json.loads(json.dumps(described))
    told.pop("static_only", None)
    told["members"] = [
        {
            key: cleandoc(value) if key == "doc" else value
            for key, value in member.items()
            if key != "note" and value not in (None, False)
        }
        | {"params": member.get("params")}
        for member in told["members"]
        if member["name"] != "__replace__"  # of dataclasses since 3.13, and never wrapped
    ]
    if told.get("doc"):
        told["doc"] = cleandoc(told["doc"])
    return dict(told)


def member(described: Json, name: str) -> Json:
    """Take one member out of a description."""
    return next(one for one in described["members"] if one["name"] == name)
