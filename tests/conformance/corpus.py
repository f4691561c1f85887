"""The classes that wrappers are made for, read from corpus.txt; `CLIENTS="redis* etcd*"` takes a few of them."""

from __future__ import annotations

import fnmatch
import functools
import importlib
import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
TOOLS = ("editables", "hatchling", "pyright[nodejs]", "pytest", "pytest-asyncio", "pytest-xdist")


@dataclass(frozen=True, slots=True)
class Client:
    """One class of the corpus: the requirement that brings it, and where it is imported from."""

    requirement: str
    path: str

    @property
    def module(self) -> str:
        """The module half of the path."""
        return self.path.partition(":")[0]

    @property
    def qualname(self) -> str:
        """The class half of the path."""
        return self.path.partition(":")[2]

    @property
    def slug(self) -> str:
        """The path as the name of a Python module."""
        return re.sub(r"\W+", "_", self.path)

    def load(self) -> type:
        """Import the class; what its package warns of meanwhile is its own business."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found: object = importlib.import_module(self.module)
        found = functools.reduce(getattr, self.qualname.split("."), found)
        assert isinstance(found, type)
        return found

    def __str__(self) -> str:
        return self.path


def read_corpus() -> tuple[tuple[str, ...], tuple[Client, ...]]:
    """The packages that are only needed by others, and the classes."""
    also: list[str] = []
    clients: list[Client] = []
    for line in (HERE / "corpus.txt").read_text().splitlines():
        match line.split():
            case [first, path] if not first.startswith("#"):
                clients.append(Client(first, path))
            case [requirement] if requirement != "#":
                also.append(requirement)
    return tuple(also), tuple(clients)


ALL = read_corpus()[1]
CHOICE = os.environ.get("CLIENTS", "*").split()
CLIENTS = tuple(c for c in ALL if any(fnmatch.fnmatch(c.path, wanted) for wanted in CHOICE))


def requirements() -> list[str]:
    """All packages to install, each once, and the tools that look at them."""
    also, clients = read_corpus()
    return sorted({*TOOLS, *also, *(c.requirement for c in clients if "==" in c.requirement)})


if __name__ == "__main__":
    print("\n".join(requirements()))
