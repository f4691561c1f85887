"""What the check of the output reads beside the output."""

from pathlib import Path

import pytest
from mypy.modulefinder import BuildSource
from mypy.nodes import TypeInfo
from mypy.options import OPTIONS_AFFECTING_CACHE, Options

from connpool_gen.reading.mypy_build import run_mypy
from connpool_gen.reading.mypy_options import check_options
from connpool_gen.verifying.follow_imports import follow_only_what_is_needed, needs_nothing_else
from tests.codegen.made import ROOT, Maker

SOURCES = [
    "/site-packages/redis/client.py",
    "/site-packages/redis/asyncio/client.py",
    "/site-packages/boto3-stubs/__init__.pyi",
    "/site-packages/six.py",
]
TEXT = "from typing import Any\nfrom connpool_runtime import Pool\nimport redis.client\n"


@pytest.fixture
def options(maker: Maker, tmp_path: Path) -> Options:
    """Options for a search that finds some packages."""
    for name in ("redis", "httpx", "dns"):
        (tmp_path / "site" / name).mkdir(parents=True)
    made = check_options(maker.request("any:Client").search, None)
    made.mypy_path = [*made.mypy_path, str(tmp_path / "site"), str(ROOT / "runtime")]
    return made


def followed(options: Options, module: str, text: str = TEXT) -> bool:
    follow_only_what_is_needed(options, text, SOURCES)
    return options.clone_for_module(module).follow_imports != "skip"


@pytest.mark.parametrize(
    "module", ["redis", "redis.client", "boto3", "six", "connpool_runtime.pool", "asyncio.events"]
)
def test_what_the_client_needs_is_read(options: Options, module: str) -> None:
    """Packages of the files that were read for the client are followed, modules and stubs as well."""
    assert followed(options, module)


@pytest.mark.parametrize("module", ["httpx._client", "httpx", "dns"])
def test_what_only_the_runtime_imports_is_not_read(options: Options, module: str) -> None:
    """Libraries of the runtime's integrations that the client does not need are left out."""
    assert not followed(options, module)


def test_what_a_wrapper_passes_on_is_not_read(options: Options) -> None:
    """Folders of the runtime whose types a wrapper only passes on are left out."""
    assert not followed(options, "connpool_runtime.manager.reload")
    assert not followed(options, "connpool_runtime.connectors.redis")


@pytest.mark.parametrize(
    ("line", "modules"),
    [
        ("import connpool_runtime.manager.reload", ["manager", "manager.reload"]),
        ("from connpool_runtime.manager import Manager", ["manager", "manager.manager"]),
        ("from connpool_runtime import Manager as M", ["manager", "manager.manager"]),
        ("from connpool_runtime.connectors.redis import RedisConfig", ["connectors.redis"]),
        ("from connpool_runtime.connectors import Connector", ["connectors.protocols"]),
        ("class A:\n    from connpool_runtime.manager import Manager", ["manager.manager"]),
        ('"""\nclass of its own\n"""\nimport connpool_runtime.manager', ["manager"]),
    ],
)
def test_what_a_wrapper_imports_is_read(options: Options, line: str, modules: list[str]) -> None:
    """Of those folders the modules are read that define what the text imports, in whatever way."""
    text = f"{TEXT}{line}\n"
    assert all(followed(options, f"connpool_runtime.{module}", text) for module in modules)
    assert not followed(options, "connpool_runtime.admin.server", text)


@pytest.mark.parametrize("module", ["asyncio.events", "redis.client"])
def test_what_reading_knows_holds(options: Options, module: str) -> None:
    """The options of what was read are those for reading, so that mypy's cache of it is used again."""
    before = options.clone_for_module(module)
    follow_only_what_is_needed(options, TEXT, ["/typeshed/stdlib/asyncio/events.pyi", *SOURCES])
    after = options.clone_for_module(module)
    assert [n for n in OPTIONS_AFFECTING_CACHE if getattr(before, n) != getattr(after, n)] == []


@pytest.mark.parametrize("module", ["pool", "redis", "redis.client"])
def test_the_client_must_export_what_is_imported(options: Options, module: str) -> None:
    """As under --strict, an import of what the client only imports itself is a finding."""
    follow_only_what_is_needed(options, TEXT, SOURCES)
    assert not options.clone_for_module(module).implicit_reexport


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        (
            '"""Some text.\n\n    from the list\n    import httpx\n    import any thing"""\n',
            True,
        ),
        ("import json, redis as r  # and more\n", True),
        ("import httpx\n", False),
        ("import json, httpx as s\n", False),
        ("def f() -> None:\n    from httpx.stdlib import BoundLogger\n", False),
        ("from . import httpx\n", False),
        ("from .httpx import x\n", False),
        ("import httpx\ndef f(:", False),
    ],
)
def test_packages_of_a_template(options: Options, text: str, expected: bool) -> None:
    """Where the text imports what the client does not, anything may be needed; what a docstring says is no import."""
    assert needs_nothing_else(TEXT + text, SOURCES, options) is expected


def test_nothing_is_known_of_the_client(options: Options) -> None:
    """Without the files that were read, anything may be needed."""
    assert not needs_nothing_else(TEXT, [], options)


# Members of a pool that take or give what a wrapper only passes on, or that no wrapper uses.
OTHERS = {
    "__init__",
    "add_clients",
    "add_endpoint",
    "add_connector",
    "discover",
    "execute",
    "lease",
    "members",
    "reconfigure",
    "stats",
    "subscribe",
}


def test_what_a_wrapper_calls_is_known_in_full(maker: Maker) -> None:
    """The types of the calls, streams and handles of a pool are those that all of the runtime gives them."""
    text = "from connpool_runtime import AsyncPool, Pool, default_of, method, unless_default\n"
    text += "from connpool_runtime.wrapper import explain_missing\n"
    known, known_in_full = types_in(text, maker, only_needed=True), types_in(text, maker)
    differing = {name for name in known_in_full if known_in_full[name] != known[name]}
    assert {name.partition(".")[2] for name in differing} <= OTHERS
    assert {"Pool.call", "AsyncPool.stream", "default_of", "method"} <= known.keys()


def types_in(text: str, maker: Maker, only_needed: bool = False) -> dict[str, str]:
    """The types of the names in a text, of the members of its classes, and the classes' bases."""
    options = check_options(maker.request("any:Client").search, maker.cache_dir / "types_in")
    options.mypy_path = [*options.mypy_path, str(ROOT / "runtime")]
    if only_needed:
        follow_only_what_is_needed(options, text, SOURCES)
    names = run_mypy([BuildSource(None, "asking", text)], options).files["asking"].names
    found: dict[str, str] = {}
    for name, symbol in names.items():
        if not isinstance(symbol.node, TypeInfo):
            found[name] = str(symbol.type)
            continue
        found[f"{name}."] = str((symbol.node.mro, symbol.node.fallback_to_any))
        for base in reversed(symbol.node.mro):
            found |= {f"{name}.{n}": str(s.type) for n, s in base.names.items()}
    return {n: t for n, t in found.items() if "._" not in n or n.endswith("__init__")}
