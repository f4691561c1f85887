"""The type checker as a judge of a text that is not written yet."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mypy import build
from mypy.build import BuildResult

from connpool_gen import generate
from connpool_gen.config.request import SearchPath
from connpool_gen.reading.import_hooks import with_runtime
from connpool_gen.reading.type_checker import TypeChecker
from connpool_gen.verifying.verify import verify_text
from tests.codegen.made import Maker


def verify(maker: Maker, source: str) -> list[str]:
    return verified(source, maker.request("any:Client").search, maker.cache_dir)


def verified(
    text: str, search: SearchPath, cache_dir: Path, sources: Collection[str] = ()
) -> list[str]:
    seen = with_runtime(search, cache_dir)
    with TypeChecker(cache_dir) as checker:
        return list(verify_text(text, seen, checker, cache_dir, sources))


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
    (finding,) = verified(text, search, maker.cache_dir, ["/elsewhere/client.py"])
    assert "expression has type" in finding


def test_a_text_that_imports_more_of_the_runtime(maker: Maker) -> None:
    """A text that is verified after another one is checked against all that it imports itself."""
    seen = with_runtime(maker.request("any:Client").search, maker.cache_dir)
    with TypeChecker(maker.cache_dir) as checker:

        def findings(text: str) -> int:
            found = verify_text(text, seen, checker, maker.cache_dir, ["/elsewhere/client.py"])
            return len(found)

        assert findings("from connpool_runtime import Pool\nx: Pool[int] = 0\n") == 1
        text = "from connpool_runtime.middleware import Retry\nx: int = Retry()\n"
        assert findings(text) == 1
        assert findings(f"from connpool_runtime import Pool\n{text}y: Pool[int] = 0\n") == 2


def test_reading_and_verifying_are_one_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client, what its namespaces hold, and the output are checked in one build: mypy loads what they share once."""
    maker = Maker(tmp_path, tmp_path / "cache")
    builds = counted(monkeypatch)
    name = maker.write("""
        class Keys:
            def get(self) -> int: ...
        class Client:
            def __init__(self) -> None:
                self.keys: Keys = Keys()
            def get(self) -> int: ...
        """)
    request = replace(maker.request(f"{name}:Client", namespaces=("keys",)), verify=True)
    assert "class _Keys" in generate(request).text
    assert len(builds) == 1


def test_a_client_that_is_not_strict_with_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read strictly, and from then on with all that it does not export; the output is verified strictly."""
    maker = Maker(tmp_path, tmp_path / "cache")
    builds = counted(monkeypatch)
    a = maker.write("class Reply: ...\n")
    b = maker.write(f"from {a} import Reply\n")
    name = maker.write(f"""
        import {b}
        class Deeper:
            def get(self) -> {b}.Reply: ...
        class Keys:
            deeper: Deeper
        class Client:
            keys: Keys
            def get(self) -> {b}.Reply: ...
        """)
    request = maker.request(f"{name}:Client", namespaces=("keys", "keys.deeper"))
    text = generate(replace(request, verify=True)).text
    assert text.count("-> Reply") == 2
    assert len(builds) == 3


def counted(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Note each build that mypy begins."""
    builds: list[object] = []

    def noting(*args: Any, **options: Any) -> BuildResult:
        builds.append(args)
        return real(*args, **options)

    real = build.build
    monkeypatch.setattr(build, "build", noting)
    return builds
