"""Drift in words: each kind of change between two versions of a client has its sentence."""

import os
import re
from collections.abc import Callable
from typing import Any

import pytest

from connpool_gen import generate
from connpool_gen.config.request import MethodPolicy
from connpool_gen.output.changes import MISSING, UNREADABLE, Drift, explain
from connpool_gen.rendering.format import FORMATTER
from connpool_gen.rendering.header import print_of
from tests.codegen.made import Maker

HEAD = "from typing import overload\n\n\nclass Client:\n"
BEFORE = HEAD + "    def get(self, key: str, ttl: int = 1) -> str:\n        '''One.'''\n"
OTHER = "    def ping(self) -> bool: ...\n"


@pytest.fixture
def drift(maker: Maker) -> Callable[..., tuple[str, ...]]:
    """Explain what changes when a client's source or the options change."""

    def lines(before: str, after: str, **options: Any) -> tuple[str, ...]:
        name = maker.write(before)
        client = f"{name}:Client"
        old = maker.of(client).text
        path = maker.folder / f"{name}.py"
        path.write_text(after, "utf-8")
        # As an edit of somebody would: later by more than the second that the cache looks at.
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime + 10))
        new = generate(maker.request(client, **options)).text
        return explain(old, new).lines

    return lines


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (BEFORE + OTHER, "method added: ping"),
        (HEAD + OTHER, "method removed: get"),
        (BEFORE.replace("ttl: int = 1", "ttl: int = 2"), "default of get.ttl changed: 1 -> 2"),
        (BEFORE.replace("ttl: int = 1", "ttl: int"), "default of get.ttl changed: 1 -> none"),
        (BEFORE.replace("key: str", "key: bytes"), "annotation of get.key changed: str -> bytes"),
        (BEFORE.replace("-> str", "-> int"), "annotation of get's result changed: str -> int"),
        (BEFORE.replace("ttl: int = 1", "ttl: int = 1, nx: bool = False"), "parameter added: get(nx)"),
        (BEFORE.replace(", ttl: int = 1", ""), "parameter removed: get(ttl)"),
        (
            BEFORE.replace("key: str, ttl", "key: str, *, ttl"),
            "kind of get.ttl changed: positional or keyword -> keyword only",
        ),
        (
            BEFORE.replace("key: str, ttl", "key: str, /, ttl"),
            "kind of get.key changed: positional or keyword -> positional only",
        ),
        (BEFORE.replace("One.", "Two."), "docstring of get changed"),
        (
            BEFORE.replace("def get", "@overload\n    def get(self, key: bytes) -> int: ...\n    @overload\n    def get(self, key: str, ttl: int = 1) -> str: ...\n    def get").replace("-> str:\n", "-> 'str | int':\n").replace("key: str, ttl: int = 1) -> 'str", "key: 'str | bytes', ttl: int = 1) -> 'str"),
            "overloads of get changed",
        ),
    ],
)  # fmt: skip
def test_what_changed_in_the_client(
    drift: Callable[..., tuple[str, ...]], after: str, expected: str
) -> None:
    """Each change of the client is named with its member, its parameter, the old and the new."""
    assert expected in drift(BEFORE, after)


def test_sync_to_async(drift: Callable[..., tuple[str, ...]]) -> None:
    """A method that became asynchronous is said to."""
    assert "get is now async" in drift(BEFORE, BEFORE.replace("def get", "async def get"))


def test_the_order_of_parameters(drift: Callable[..., tuple[str, ...]]) -> None:
    """The same parameters in another order are a change of their order."""
    before = HEAD + "    def get(self, a: int, b: int) -> None: ...\n"
    after = HEAD + "    def get(self, b: int, a: int) -> None: ...\n"
    assert drift(before, after) == ("order of the parameters of get changed",)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"idempotent": ("get",)}, "policy of get changed: none -> idempotent=True"),
        (
            {"policies": (MethodPolicy(pattern="get", timeout=2.0),)},
            "policy of get changed: none -> timeout=2.0",
        ),
        (
            {"balancer": "consistent_hash"},
            "default of the pool's balancer changed: none -> 'consistent_hash'",
        ),
        ({"metrics": False}, "default of the pool's metrics changed: none -> False"),
        ({"wrapper": "Renamed"}, "wrapper renamed: ClientPool -> Renamed"),
    ],
)
def test_what_changed_in_the_options(
    drift: Callable[..., tuple[str, ...]], options: dict[str, Any], expected: str
) -> None:
    """A policy or a name that changed is told from a change of the client."""
    assert expected in drift(BEFORE, BEFORE, **options)


def test_only_one_line_per_change(drift: Callable[..., tuple[str, ...]]) -> None:
    """One change gives one sentence, not a list of its consequences."""
    assert drift(BEFORE, BEFORE.replace("= 1", "= 2")) == ("default of get.ttl changed: 1 -> 2",)
    assert len(drift(BEFORE, BEFORE, balancer="random")) == 1


def test_a_new_version_of_the_tool(maker: Maker) -> None:
    """When only the tool's version differs, that is what is said, and it can be told apart."""
    text = maker.text(BEFORE)
    older = text.replace("connpool-gen 0.", "connpool-gen 999.", 1)
    assert older != text
    drift = explain(older, text)
    assert drift.only_tool
    assert drift.lines == ("only the version of connpool-gen differs",)


def test_another_version_of_the_formatter(maker: Maker) -> None:
    """When the formatter's version alone differs, or it lays the same code out otherwise, that is the cause that is told."""
    text = maker.text(BEFORE)
    older = text.replace(f"formatter: {FORMATTER}", "formatter: ruff 0.9.0", 1)
    assert explain(older, text) == Drift(("only the version of ruff differs",), only_tool=True)
    both = older.replace("connpool-gen 0.", "connpool-gen 999.", 1)
    assert explain(both, text).lines == ("only the versions of connpool-gen and ruff differ",)
    laid_out = f"ruff 0.9.0 has laid it out, {FORMATTER} does now"
    wider = with_body(older, older.partition('"""')[2].replace("\n\n\n", "\n\n"))
    assert explain(wider, text) == Drift(("only the layout differs", laid_out), only_tool=True)


def test_another_version_of_the_formatter_is_not_all(maker: Maker) -> None:
    """Where the code differs too, or somebody edited the file, that is told, and the formatter's version last."""
    text = maker.text(BEFORE)
    laid_out = f"ruff 0.9.0 has laid it out, {FORMATTER} does now"
    older = text.replace(f"formatter: {FORMATTER}", "formatter: ruff 0.9.0", 1)
    drift = explain(older + "# mine\n", text)
    assert drift.lines[0] == "the file was changed since connpool-gen made it"
    assert (drift.lines[-1], drift.only_tool) == (laid_out, False)
    other = with_body(older, older.partition('"""')[2].replace("ttl: int = 1", "ttl: int = 2"))
    assert explain(other, text).lines == ("default of get.ttl changed: 2 -> 1", laid_out)


def with_body(text: str, rest: str) -> str:
    """Give a module another text below the first quotes of its docstring, and the print that it then has."""
    head, quotes, _ = text.partition('"""')
    body = quotes + rest
    command = text.partition("# command: ")[2].partition("\n")[0]
    return re.sub(r"fingerprint: \S+", f"fingerprint: {print_of(command, body)}", head) + body


def test_a_comment_that_somebody_added(maker: Maker) -> None:
    """An edit that no member shows is still said to be one."""
    text = maker.text(BEFORE)
    drift = explain(text + "# mine\n", text)
    assert drift.lines == (
        "the file was changed since connpool-gen made it",
        "only comments, imports or layout differ",
    )
    assert not drift.only_tool


@pytest.mark.parametrize("old", ["<<<<<<< HEAD\n", "def (:\n", "\x00", "\ufffd"])
def test_a_broken_old_file(maker: Maker, old: str) -> None:
    """A committed file that does not parse, a conflict for example, is named as that."""
    assert explain(old, maker.text(BEFORE)).lines == (UNREADABLE,)


def test_no_old_file(maker: Maker) -> None:
    """A missing output is said to be missing."""
    assert explain(None, maker.text(BEFORE)).lines == (MISSING,)
