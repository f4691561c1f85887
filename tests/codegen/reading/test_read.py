"""A client is read with its namespaces in as few processes and builds as can be."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from connpool_gen.reading import read as reading
from connpool_gen.reading.type_checker import TypeChecker
from tests.codegen.made import Maker

PARTS = """
    from __future__ import annotations

    class Runs:
        def __init__(self, client: object) -> None: ...
        def list(self) -> list[str]: ...

    class Threads:
        def __init__(self, client: object) -> None:
            self.runs = Runs(client)
        def get(self) -> str: ...
    class Hooks:
        def __init__(self, client: object) -> None: ...
        def unwrap(self, text: str) -> str: ...
"""
CLIENT = """
    from __future__ import annotations
    from functools import cached_property
    from typing import TYPE_CHECKING

    if TYPE_CHECKING:
        from {package}.parts import Hooks, Runs, Threads

    class Files:
        def __init__(self, client: Client) -> None: ...
        def put(self, name: str) -> None: ...

    class Client:
        batches: Runs
        def __init__(self) -> None:
            self.files = Files(self)
        @cached_property
        def threads(self) -> Threads:
            from .parts import Threads
            return Threads(self)
        @cached_property
        def hooks(self) -> Hooks:
            from .more import Hooks
            return Hooks(self)
"""
MORE = """
    from {package} import parts

    class Hooks(parts.Hooks):
        pass
"""


@pytest.fixture
def package(maker: Maker) -> str:
    """A client whose namespaces are made in `__init__`, imported by getters, and namespaces of those."""
    name = "read_ahead"
    folder = maker.folder / name
    folder.mkdir(exist_ok=True)
    for module, source in (("__init__", ""), ("parts", PARTS), ("more", MORE), ("client", CLIENT)):
        written = maker.write(source.format(package=name))
        (maker.folder / f"{written}.py").rename(folder / f"{module}.py")
    return name


def test_namespaces_are_read_with_their_client(
    maker: Maker, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What getters import and `__init__` makes, or a base of it, at any depth, costs no process and no build of its own."""
    builds = counted(monkeypatch, "merge")
    processes = counted(monkeypatch, "read_classes")
    request = maker.request(f"{package}.client:Client")
    with TypeChecker(request.cache_dir) as checker:
        facts = reading.read(request, checker)
    assert {"files", "threads", "hooks"} <= facts.namespaces.keys()
    assert set(facts.namespaces["threads"].namespaces) == {"runs"}
    assert (len(builds), len(processes)) == (1, 0)
    assert f"{package}.client" not in sys.modules


def counted(monkeypatch: pytest.MonkeyPatch, name: str) -> list[object]:
    """Note each call of a function of the reader."""
    calls: list[object] = []
    real: Callable[..., Any] = getattr(reading, name)

    def noting(*args: Any) -> Any:
        calls.append(args)
        return real(*args)

    monkeypatch.setattr(reading, name, noting)
    return calls
