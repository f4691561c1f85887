"""The type checker as a judge of a text that is not written yet."""

from connpool_gen.verifying.verify import verify_text
from tests.codegen.made import Maker


def verify(maker: Maker, source: str) -> list[str]:
    search = maker.request("any:Client").search
    return list(verify_text(source, search, maker.cache_dir))


def test_verifying_is_strict(maker: Maker) -> None:
    """The check of the output is mypy --strict: an untyped definition is a finding with its line."""
    assert verify(maker, "def f(x: int) -> int:\n    return x\n") == []
    findings = verify(maker, "\ndef f(x):\n    return x\n")
    assert any(":2: error:" in f and "no-untyped-def" in f for f in findings)


def test_verifying_reports_what_does_not_parse(maker: Maker) -> None:
    """Text that is no Python is a finding, not a crash."""
    assert verify(maker, "def f(:\n") != []
