"""An answer from memory is given only when nothing that shapes the output can have changed."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connpool_gen import GenerateRequest, generate, pipeline
from connpool_gen.config.request import MethodPolicy
from connpool_gen.environment import interpreter
from connpool_gen.output import cache
from connpool_gen.output.run import Action, Result, Status, run_all
from tests.codegen.made import Maker
from tests.pythons import make_environment

BASE = "class Base:\n    def ping(self) -> bool: ...\n"
CLIENT = """
from base import Base
from replies import Reply
class Client(Base):
    def get(self, key: str, ttl: int = 1) -> Reply: ...
"""
REPLIES = "Reply = dict[str, int]\n"


class Project:
    """A client over three modules, with its wrapper made and checked once."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        self.cache = cache
        self.readings = 0
        for name, text in (("base", BASE), ("replies", REPLIES), ("app", CLIENT)):
            (folder / f"{name}.py").write_text(text, "utf-8")

    def request(self, **options: Any) -> GenerateRequest:
        usual: dict[str, Any] = {
            "app_dirs": (self.folder,),
            "cache_dir": self.cache,
            "output": self.folder / "pool.py",
            "verify": False,
        }
        return GenerateRequest(client="app:Client", **(usual | options))

    def run(self, action: Action, **options: Any) -> Result:
        [result] = run_all(
            [self.request(**options)], action, force=False, watch=lambda request: lambda step: None
        )
        return result

    def edit(self, name: str, old: str, new: str) -> None:
        """Change a file as an editor would, later than what was remembered."""
        path = self.folder / name
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")
        later = path.stat().st_mtime_ns + 2_000_000_000
        os.utime(path, ns=(later, later))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checker_cache: Path) -> Project:
    """A project that is up to date, and counts how often its client is read from here on."""
    folder, cache = tmp_path / "project", tmp_path / "cache"
    folder.mkdir()
    cache.mkdir()
    # What mypy knows about the standard library is shared, or each test would take a second.
    (checker_cache / "read").mkdir(exist_ok=True)
    (cache / "read").symlink_to(checker_cache / "read")
    monkeypatch.chdir(folder)
    project = Project(folder, cache)
    assert project.run(Action.WRITE).status is Status.WROTE
    really = generate

    def counting(*args: Any) -> Any:
        project.readings += 1
        return really(*args)

    monkeypatch.setattr(pipeline, "generate", counting)
    return project


def test_nothing_changed_is_answered_from_memory(project: Project) -> None:
    """A check of an output that was just made reads nothing, and still tells the ledger."""
    result = project.run(Action.CHECK)
    assert (result.status, project.readings) == (Status.UP_TO_DATE, 0)
    assert result.made is not None
    assert {entry.name for entry in result.made.ledger.entries} == {"get", "ping"}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("app.py", "ttl: int = 1", "ttl: int = 22"),
        ("app.py", "ttl: int = 1", "ttl: int = 2"),
        ("base.py", "ping(self)", "ping(self, wait: int)"),
        ("replies.py", "dict[str, int]", "list[int]"),
        ("pool.py", "class ClientPool", "class MyPool"),
    ],
)
def test_an_edit_is_noticed(project: Project, file: str, old: str, new: str) -> None:
    """A change of the client, of its base, of a module it imports types from, or of the output is read."""
    project.edit(file, old, new)
    result = project.run(Action.CHECK)
    assert project.readings == 1
    if file != "replies.py":  # the alias keeps its name, so the output stays as it is
        assert result.status is Status.STALE


def test_an_edit_that_changes_nothing_is_remembered_too(project: Project) -> None:
    """A comment makes the client be read once, not for ever."""
    project.edit("app.py", "class Client", "# comment\nclass Client")
    for _ in range(3):
        assert project.run(Action.CHECK).status is Status.UP_TO_DATE
    assert project.readings == 1


@pytest.mark.parametrize(
    "options",
    [
        {"wrapper": "Other"},
        {"metrics": False},
        {"include": ("get",)},
        {"idempotent": ("get",)},
        {"policies": (MethodPolicy(pattern="get", timeout=1.0),)},
        {"mode": "protocol"},
        {"pool_field": "members"},
    ],
)
def test_other_options_are_noticed(project: Project, options: dict[str, Any]) -> None:
    """The memory of one set of options says nothing about another."""
    assert project.run(Action.CHECK, **options).status is Status.STALE


def test_a_stub_beside_the_client_is_noticed(project: Project) -> None:
    """A new `.pyi`, which type checkers read before the source, makes the output stale."""
    stub = "class Client:\n    def get(self, key: bytes, ttl: int = ...) -> int: ...\n    def ping(self) -> bool: ...\n"
    (project.folder / "app.pyi").write_text(stub, "utf-8")
    assert project.run(Action.CHECK).status is Status.STALE


def test_a_module_that_comes_before_another_is_noticed(project: Project) -> None:
    """A package of the same name, which Python finds before the module, makes the output stale."""
    (project.folder / "replies").mkdir()
    (project.folder / "replies" / "__init__.py").write_text("class Reply: ...\n", "utf-8")
    (project.folder / "base").mkdir()
    (project.folder / "base" / "__init__.py").write_text(
        "class Base:\n    def other(self) -> bool: ...\n", "utf-8"
    )
    assert project.run(Action.CHECK).status is Status.STALE


def test_line_ends_of_a_checkout_are_no_change(project: Project) -> None:
    """A wrapper whose line ends Git has made those of Windows is up to date, remembered or read anew, and shows no diff."""
    output = project.folder / "pool.py"
    output.write_bytes(output.read_bytes().replace(b"\n", b"\r\n"))
    assert (project.run(Action.CHECK).status, project.readings) == (Status.UP_TO_DATE, 0)
    assert project.run(Action.DIFF).diff == ""
    (project.folder / "base.py").touch()
    assert (project.run(Action.CHECK).status, project.readings) == (Status.UP_TO_DATE, 2)


def test_a_missing_output_is_noticed(project: Project) -> None:
    """A wrapper that was deleted is stale, whatever is remembered."""
    (project.folder / "pool.py").unlink()
    assert project.run(Action.CHECK).status is Status.STALE


def test_a_missing_source_is_noticed(project: Project) -> None:
    """A client whose module is gone is an error, not up to date."""
    (project.folder / "app.py").unlink()
    assert project.run(Action.CHECK).status is Status.ERROR


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"text": 1}', '{"text": "", "ledger": 1, "sources": 2}']
)
def test_a_broken_memory_is_no_memory(project: Project, text: str) -> None:
    """A cache file that somebody cut or edited costs a reading, and nothing else."""
    for file in (project.cache / "fresh").iterdir():
        file.write_text(text, "utf-8")
    assert project.run(Action.CHECK).status is Status.UP_TO_DATE
    assert project.readings == 1


def test_a_cache_that_cannot_be_written(project: Project) -> None:
    """Where the cache folder cannot be made, checks work and nothing is remembered."""
    blocked = project.cache / "file"
    blocked.write_text("in the way", "utf-8")
    project.cache = blocked
    for _ in range(2):
        assert project.run(Action.CHECK).status is Status.UP_TO_DATE
    assert project.readings == 2


def test_another_tool_or_interpreter_is_noticed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another version of the tool remembered does not count."""
    monkeypatch.setattr(cache, "__version__", "999")
    project.run(Action.CHECK)
    assert project.readings == 1


def test_another_environment_is_noticed(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another interpreter, and another version of any package of its environment, is read anew; the same is not."""
    python = make_environment(Path(sys.executable), tmp_path / "venv")
    [installed] = (tmp_path / "venv").glob("lib/python*/site-packages")
    for version in ("1.0", "1.1"):
        metadata = installed / f"shop-{version}.dist-info"
        metadata.mkdir()
        monkeypatch.setattr(interpreter, "ANSWERS", {})  # as in a run of its own
        before = project.readings
        for _ in range(2):
            assert project.run(Action.CHECK, python=python).status is Status.UP_TO_DATE
        assert project.readings == before + 1
        metadata.rmdir()


@pytest.fixture
def own_anew() -> Iterator[None]:
    """What the tool's interpreter was told to have is forgotten after the test."""
    yield
    interpreter.own.cache_clear()


@pytest.mark.usefixtures("own_anew")
def test_another_hook_is_noticed(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A package with a hook beside the tool is noticed: a new one, another version, and another hook of the same version."""
    installed = tmp_path / "installed"
    installed.mkdir()
    (installed / "quiet.py").write_text("def hook(method, module): return method\n", "utf-8")
    monkeypatch.syspath_prepend(installed)
    python = make_environment(Path(sys.executable), tmp_path / "venv")  # which has no hooks itself
    project.run(Action.CHECK, python=python)

    def read_anew() -> int:
        interpreter.own.cache_clear()  # as in a run of its own
        before = project.readings
        for _ in range(2):
            assert project.run(Action.CHECK, python=python).status is Status.UP_TO_DATE
        return project.readings - before

    metadata = installed / "shop-1.0.dist-info"
    metadata.mkdir()
    hooks = metadata / "entry_points.txt"
    hooks.write_text("[connpool_gen.method_hooks]\nquiet = quiet:hook\n", "utf-8")
    assert read_anew() == 1
    hooks.write_text("[connpool_gen.method_hooks]\nquieter = quiet:hook\n", "utf-8")
    assert read_anew() == 1
    metadata.rename(metadata.with_name("shop-1.1.dist-info"))
    assert read_anew() == 1


def test_checking_writes_no_output(maker: Maker) -> Any:
    """An answer, from memory or not, leaves the file as it is."""
    name = maker.write("class Client:\n    def get(self) -> int: ...\n")
    output = maker.folder / "pool.py"
    request = maker.request(f"{name}:Client", output=output)
    watch: Callable[..., Any] = lambda request: lambda step: None  # noqa: E731
    list(run_all([request], Action.WRITE, force=False, watch=watch))
    before = output.stat().st_mtime_ns
    for _ in range(2):
        list(run_all([request], Action.CHECK, force=False, watch=watch))
    assert output.stat().st_mtime_ns == before
