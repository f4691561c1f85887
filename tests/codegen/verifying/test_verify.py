"""The type checker as a judge of a text that is not written yet."""

from dataclasses import replace
from pathlib import Path

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


def test_a_template_with_packages_of_its_own(maker: Maker, tmp_path: Path) -> None:
    """Where the text imports what the client does not, nothing is left out: that may need anything."""
    (tmp_path / "theirs.py").write_text("import helper\nclass Base(helper.Root): ...\n")
    (tmp_path / "helper.py").write_text("class Root:\n    number: int = 0\n")
    search = replace(maker.request("any:Client").search, paths=(str(tmp_path),))
    text = "import theirs\nnumber: str = theirs.Base().number\n"
    (finding,) = verify_text(text, search, maker.cache_dir, ["/elsewhere/client.py"])
    assert "expression has type" in finding
