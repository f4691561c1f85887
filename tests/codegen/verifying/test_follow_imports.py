"""What the check of the output reads beside the output."""

from mypy.options import Options

from connpool_gen.verifying.follow_imports import follow_only_what_is_needed

SOURCES = [
    "/site-packages/redis/client.py",
    "/site-packages/redis/asyncio/client.py",
    "/site-packages/boto3-stubs/__init__.pyi",
    "/site-packages/six.py",
]
TEXT = "from typing import Any\nfrom connpool_runtime import Pool\nimport redis.client\n"


def followed(text: str, module: str, sources: list[str]) -> bool:
    options = Options()
    follow_only_what_is_needed(options, text, sources)
    return options.clone_for_module(module).follow_imports != "skip"


def test_what_the_client_needs_is_read() -> None:
    """Packages of the files that were read for the client are followed, modules and stubs as well."""
    for module in ("redis", "redis.client", "boto3", "six", "connpool_runtime.pool"):
        assert followed(TEXT, module, SOURCES), module


def test_what_only_the_runtime_imports_is_not_read() -> None:
    """Libraries of the runtime's integrations that the client does not need are left out."""
    assert not followed(TEXT, "httpx._client", SOURCES)
    assert not followed(TEXT, "dns", SOURCES)


def test_packages_of_a_template() -> None:
    """Where the text imports what the client does not, or is no Python, nothing is left out."""
    assert followed(TEXT + "import structlog\n", "httpx", SOURCES)
    assert followed(TEXT + "import structlog\n", "structlog", SOURCES)
    assert followed("def f(:", "httpx", SOURCES)


def test_nothing_is_known_of_the_client() -> None:
    """Without the files that were read, nothing is left out."""
    assert followed(TEXT, "httpx", [])
