"""The type checker as a judge of a text that is not written yet."""

from dataclasses import replace
from pathlib import Path

import pytest
from mypy.build import BuildResult
from mypy.modulefinder import BuildSource
from mypy.options import Options

from connpool_gen import generate
from connpool_gen.reading.mypy_build import run_mypy
from connpool_gen.verifying import verify as verify_module
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


def test_verifying_begins_with_what_reading_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client and the standard library are analyzed once: the first check of an output takes them from what reading left."""
    maker = Maker(tmp_path, tmp_path / "cache")
    runs: list[BuildResult] = []

    def run(sources: list[BuildSource], options: Options) -> BuildResult:
        runs.append(run_mypy(sources, options))
        return runs[-1]

    monkeypatch.setattr(verify_module, "run_mypy", run)
    name = maker.write("class Client:\n    def get(self) -> int: ...\n")
    generate(replace(maker.request(f"{name}:Client"), verify=True))
    [run_of_verifying] = runs
    assert run_of_verifying.graph["builtins"].is_fresh()
    assert run_of_verifying.graph[name].is_fresh()
    assert not run_of_verifying.graph["connpool_runtime"].is_fresh()
