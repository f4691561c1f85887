"""What the check of the output reads beside the output."""

from pathlib import Path

import pytest
from mypy.options import OPTIONS_AFFECTING_CACHE, Options

from connpool_gen.reading.mypy_reader import check_options
from connpool_gen.verifying.follow_imports import follow_only_what_is_needed, needs_nothing_else
from tests.codegen.made import Maker

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
    made.mypy_path = [*made.mypy_path, str(tmp_path / "site")]
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


def test_what_no_wrapper_is_made_of_is_not_read(options: Options) -> None:
    """Folders of the runtime that no type of a wrapper comes from are left out."""
    module = "connpool_runtime.manager.reload"
    assert not followed(options, module)


def test_what_a_wrapper_imports_is_read(options: Options) -> None:
    """A folder of the runtime that is left out as a rule is followed where the text names it."""
    text = TEXT + "from connpool_runtime.manager import Manager\n"
    assert followed(options, "connpool_runtime.manager.reload", text)


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


def test_packages_of_a_template() -> None:
    """Where the text imports what the client does not, or is no Python, anything may be needed."""
    assert needs_nothing_else(TEXT, SOURCES)
    assert not needs_nothing_else(TEXT + "import structlog\n", SOURCES)
    assert not needs_nothing_else("def f(:", SOURCES)


def test_nothing_is_known_of_the_client() -> None:
    """Without the files that were read, anything may be needed."""
    assert not needs_nothing_else(TEXT, [])
