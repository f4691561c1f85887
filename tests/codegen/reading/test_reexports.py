"""Whether the types of a program depend on names that its modules import and do not export."""

from pathlib import Path
from textwrap import dedent

import pytest
from mypy.modulefinder import BuildSource

from connpool_gen.reading.mypy_build import BuildPart, run_mypy
from connpool_gen.reading.mypy_options import check_options
from connpool_gen.reading.reexports import depends_on_reexports
from tests.codegen.made import Maker

# Each package of the test has the same modules beside the one in question.
PACKAGE = {
    "__init__": "from . import passing",
    "defining": "class Reply: ...\nclass Base: ...\ndef ask() -> Reply: ...",
    "passing": "from .defining import Base, Reply, ask\nfrom . import defining\nclass Own: ...",
    "exporting": "from .defining import Reply as Reply",
    "listing": "from .defining import Base, Reply\n__all__ = ['Reply']",
    "all_of_passing": "from .passing import *",
}
NEEDED = (
    "from . import passing\nx: passing.Reply",
    "from . import passing as other\nclass Client(other.Base): ...",
    "import {p}.passing\nx: {p}.passing.Reply",
    "import {p}\nx: {p}.passing.Reply",
    "from . import passing\nx: passing.Own | passing.defining.Reply",
    "from .passing import *\nx: Reply",
    "from {p}.passing import *\nx: Reply",
    "from .all_of_passing import *\nx: list[Reply]",
    "from .all_of_passing import Reply\nx: Reply",
)
NOT_NEEDED = (
    "from .passing import Reply\nx: Reply",
    "from . import passing\nx: passing.Own",
    "from . import passing\nx = passing.ask()",
    "from . import defining, exporting\nx: defining.Reply | exporting.Reply",
    "from . import listing\nx: listing.Reply",
    "from .exporting import *\nx: Reply",
    "from .listing import *\nx: Reply  # and no Base",
    "from .passing import *\nx: Own",
    "from .passing import *\nfrom .exporting import Reply\nx: Reply",
    "from .nowhere import Reply\nx: Reply",
    "import asyncio\nx: asyncio.Task[int]",
)


def answer(maker: Maker, folder: Path, text: str, cached: bool = False) -> bool:
    name = f"package_of_{folder.name}"
    (folder / name).mkdir(exist_ok=True)
    for module, source in {**PACKAGE, "asked": text}.items():
        (folder / name / f"{module}.py").write_text(dedent(source).replace("{p}", name) + "\n")
    options = check_options(maker.request("any:Client").search, maker.cache_dir / "reexports")
    options.mypy_path = [str(folder)]
    sources = [BuildSource(None, "asking", f"import {name}.asked\nimport {name}.listing\n")]
    result = run_mypy(sources, options)
    if cached:
        result = run_mypy(sources, options)
        assert result.graph[f"{name}.asked"].is_fresh()
    return depends_on_reexports(BuildPart.whole(result))


@pytest.mark.parametrize("text", NEEDED)
def test_strict_code_does_not_find_it(maker: Maker, tmp_path: Path, text: str) -> None:
    """A dotted name and `import *` reach only what is exported: what they are used for else is a dependence."""
    assert answer(maker, tmp_path, text)


@pytest.mark.parametrize("text", NOT_NEEDED)
def test_strict_code_finds_it(maker: Maker, tmp_path: Path, text: str) -> None:
    """What is exported, imported by name, or not used is no dependence."""
    assert not answer(maker, tmp_path, text)


@pytest.mark.parametrize(("text", "expected"), [(NEEDED[0], True), (NOT_NEEDED[0], False)])
def test_from_the_cache(maker: Maker, tmp_path: Path, text: str, expected: bool) -> None:
    """Modules that mypy takes from its cache are looked at as those that it analyzes."""
    assert answer(maker, tmp_path, text, cached=True) is expected


def test_a_file_that_is_gone(maker: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was removed after mypy read it stops nothing."""

    def gone(*_: object, **__: object) -> str:
        raise FileNotFoundError

    with monkeypatch.context() as patched:
        patched.setattr("connpool_gen.reading.reexports.Path.read_text", gone)
        assert not answer(maker, tmp_path, NOT_NEEDED[0])
