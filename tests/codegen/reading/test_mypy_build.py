"""mypy as a guest in somebody's process."""

import gc
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from mypy import build
from mypy.errors import CompileError
from mypy.metastore import SqliteMetadataStore
from mypy.modulefinder import BuildSource
from mypy.nodes import MypyFile
from mypy.options import Options

from connpool_gen.errors import ReadError
from connpool_gen.reading.mypy_build import IncrementalBuild, run_mypy


@pytest.mark.parametrize("text", ["number: int = 0\n", "def f(:\n"])
def test_the_garbage_collector_is_left_as_it_was(tmp_path: Path, text: str) -> None:
    """After a build, whatever it came to, garbage is collected as often as before it."""
    options = Options()
    options.cache_dir = str(tmp_path)
    options.semantic_analysis_only = True
    before = gc.get_threshold()
    try:
        run_mypy([BuildSource(None, "shown", text)], options)
    except CompileError:
        assert text.startswith("def")
    assert gc.get_threshold() == before
    assert gc.isenabled()


@pytest.fixture
def collector_off() -> Iterator[None]:
    """The garbage collector is off, as it is in the command's process."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("collector_off")
def test_no_build_collects_garbage(tmp_path: Path, options: Options) -> None:
    """Where the collector is off, it stays off during a build, be that made from texts or loaded from mypy's cache."""
    collected: list[str] = []

    def note(phase: str, _: dict[str, int]) -> None:
        collected.append(phase)

    (tmp_path / "library.py").write_text("import asyncio\n")
    gc.callbacks.append(note)
    try:
        for _ in range(2):
            run_mypy([BuildSource(None, "shown", "import library\n")], options)
            assert not gc.isenabled()
    finally:
        gc.callbacks.remove(note)
    assert collected == []


@pytest.mark.usefixtures("collector_off")
def test_what_earlier_builds_left_is_collected(
    options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that has turned the collector off has room for one build, and not for many."""

    def trees() -> int:
        return sum(isinstance(one, MypyFile) for one in gc.get_objects())

    source = [BuildSource(None, "shown", "import asyncio\n")]
    for _ in range(2):
        run_mypy(source, options)
    left = trees()
    monkeypatch.setattr("connpool_gen.reading.mypy_build._MANY_OBJECTS", 10_000)
    run_mypy(source, options)
    assert trees() < left


def test_the_cache_is_closed(tmp_path: Path) -> None:
    """Whatever mypy keeps its cache in is closed after a build, a database too, and serves the next build."""
    options = Options()
    options.cache_dir, options.sqlite_cache = str(tmp_path), True
    for _ in range(2):
        store = run_mypy([BuildSource(None, "shown", "n = 0\n")], options).manager.metastore
        assert isinstance(store, SqliteMetadataStore)
        assert store.dbs == []
    assert [*tmp_path.rglob("*.db")]


@pytest.fixture
def options(tmp_path: Path) -> Options:
    """Options for modules in a folder of the test's own."""
    options = Options()
    options.cache_dir, options.sqlite_cache = str(tmp_path / "cache"), True
    options.mypy_path = [str(tmp_path)]
    options.local_partial_types = True
    options.follow_imports = "silent"
    return options


@pytest.fixture
def going(options: Options, tmp_path: Path) -> Iterator[IncrementalBuild]:
    """A build that knows a module `library`, which knows no module `plugin`."""
    library = """
        try:
            import plugin  # type: ignore
        except ImportError: ...
        def number() -> int: ...
    """
    (tmp_path / "library.py").write_text(dedent(library))
    (tmp_path / "more.py").write_text("import library\nnumber = library.number\n")
    (tmp_path / "left_out.py").write_text("x: int = 0\n")
    (tmp_path / "user.py").write_text("import own\nx = own.f()\n")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "package" / "part.py").write_text("x: int = 0\n")
    with IncrementalBuild(options) as incremental:
        assert errors(incremental, "first", "import library\nx: str = library.number()\n") == 1
        yield incremental


def errors(incremental: IncrementalBuild, module: str, text: str) -> int:
    result = incremental.check([BuildSource(None, module, text)])
    return sum(": error:" in line for line in result.errors)


def test_a_text_is_added(going: IncrementalBuild, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text is checked in the build that there is, with modules that it brings; errors are those of the text alone."""
    with monkeypatch.context() as patched:
        patched.setattr(build, "build", None)
        assert errors(going, "second", "import more\nx: str = more.number()\ny: str = 0\n") == 2
        assert errors(going, "third", "import more, second\nx: int = more.number()\n") == 0
        assert errors(going, "fourth", "import package.part\nx: str = package.part.x\n") == 1


def test_a_text_is_checked_anew(going: IncrementalBuild) -> None:
    """A module that was checked before is forgotten, with its names and errors."""
    assert errors(going, "first", "import library\ny: int = library.number()\n") == 0
    assert errors(going, "first", "def f(a: int) -> str:\n    return a\nx = y\n") == 2
    assert errors(going, "second", "from first import y\n") == 1


def test_a_text_that_others_import(going: IncrementalBuild) -> None:
    """Where a module of the build imports what is checked again, it sees the new text."""
    assert errors(going, "second", "import first\nx: str = first.x\n") == 0
    result = going.check(
        [
            BuildSource(None, "first", "x: int = 0\n"),
            BuildSource("second", "second", "import first\nx: str = first.x\n"),
        ]
    )
    assert [line for line in result.errors if line.startswith("second:2")]


def test_a_module_that_could_not_be_found_before(going: IncrementalBuild) -> None:
    """A module whose import failed in the build, and that comes later, is seen by its importer."""
    assert errors(going, "plugin", "def f() -> int:\n    return 0\n") == 0
    assert errors(going, "last", "import library\nx: str = library.plugin.f()\n") == 1


def test_a_text_that_stops_mypy(going: IncrementalBuild) -> None:
    """What does not parse stops this check alone."""
    with pytest.raises(CompileError) as raised:
        going.check([BuildSource(None, "second", "def f(:\n")])
    assert "second" in str(raised.value) or "<string>:1" in raised.value.messages[0]
    assert errors(going, "second", "import library\nx: str = library.number()\n") == 1


@pytest.mark.parametrize("error", [AssertionError, SystemExit])
def test_mypy_has_changed(
    going: IncrementalBuild, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    """Where mypy cannot be gone on with in this way, texts are checked in builds of their own."""

    def broken(*arguments: Any) -> object:
        process(*arguments)
        raise error

    process = build.process_stale_scc
    with monkeypatch.context() as patched:
        patched.setattr(build, "process_stale_scc", broken)
        assert errors(going, "second", "import library\nx: str = library.number()\n") == 1
    assert errors(going, "third", "import second\ny: str = 0\n") == 1


def test_another_build_between(going: IncrementalBuild, options: Options) -> None:
    """mypy keeps some of a build in globals; after another build what is added is checked all the same."""
    run_mypy([BuildSource(None, "other", "x: int = 0\n")], options)
    text = "import library\nx: str = library.number()\ny: int = ''\n"
    assert errors(going, "second", text) == 2


def test_a_build_that_is_given_up_is_closed(going: IncrementalBuild, options: Options) -> None:
    """Whatever mypy keeps its cache in is closed when a build cannot be gone on with, as when all is done."""
    given_up = going.check([BuildSource(None, "second", "x: int = 0\n")]).manager.metastore
    run_mypy([BuildSource(None, "other", "x: int = 0\n")], options)
    last = going.check([BuildSource(None, "third", "x: int = 0\n")]).manager.metastore
    assert isinstance(given_up, SqliteMetadataStore)
    assert isinstance(last, SqliteMetadataStore)
    assert (given_up.dbs == [], last.dbs == []) == (True, False)
    going.close()
    assert last.dbs == []


def test_options_for_modules_to_come(going: IncrementalBuild) -> None:
    """Options that are changed between checks hold for the modules that come then."""
    going.options.per_module_options["left_out"] = {"follow_imports": "skip"}
    assert errors(going, "second", "import left_out\ny: str = left_out.x\n") == 0


def test_changed_options_hold_in_a_new_build(going: IncrementalBuild, options: Options) -> None:
    """Options that are changed between checks hold also where the next check has to begin a new build."""
    run_mypy([BuildSource(None, "other", "x: int = 0\n")], options)
    going.options.per_module_options["left_out"] = {"follow_imports": "skip"}
    assert errors(going, "second", "import left_out\ny: str = left_out.x\n") == 0


def test_the_cache_serves_the_next_build(going: IncrementalBuild, options: Options) -> None:
    """What a text brings is remembered as what a build of its own brings."""
    errors(going, "second", "import json\n")
    going.close()
    going.close()
    graph = run_mypy([BuildSource(None, "third", "import json, library\n")], options).graph
    assert graph["json"].is_fresh()
    assert graph["library"].is_fresh()


def test_the_garbage_collector_is_left_as_it_was_by_each_check(going: IncrementalBuild) -> None:
    """A check that adds to a build sets the garbage collector back too."""
    before = gc.get_threshold()
    errors(going, "second", "x: int = 0\n")
    assert gc.get_threshold() == before
    assert gc.isenabled()


def test_another_client_goes_on_with_the_build(
    going: IncrementalBuild, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next client finds analyzed what it has in common with the last, of which it sees nothing else."""
    assert errors(going, "first", "import more, package.part\nx: str = more.number()\n") == 1
    going.begin_another(Options())
    assert "first" not in going.result.graph
    with monkeypatch.context() as patched:
        patched.setattr(build, "build", None)
        assert errors(going, "second", "import library\nx: str = library.number()\n") == 1
    seen = going.imported
    assert {"second", "library", "builtins"} <= seen.modules.keys() == seen.states.keys()
    assert seen.modules.keys().isdisjoint({"first", "more", "package", "package.part"})
    assert "more" in going.result.manager.modules  # for a third client


def test_what_a_client_imports_are_all_its_texts(going: IncrementalBuild) -> None:
    """A text that replaces another of the same client takes nothing away from what is seen; packages are seen with their parts."""
    errors(going, "first", "import package.part\n")
    errors(going, "first", "import more\n")
    assert {"first", "more", "library", "package", "package.part"} <= going.imported.modules.keys()


def test_packages_of_what_is_imported_count(options: Options, tmp_path: Path) -> None:
    """The packages that an imported module lies in are imported too, also where no import names them."""
    package = tmp_path / "outer" / "inner"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "part.py").write_text("x: int = 0\n")
    (tmp_path / "user.py").write_text("from outer.inner.part import x as x\n")
    for _ in range(2):  # read from its text, then from mypy's cache
        with IncrementalBuild(options) as going:
            assert errors(going, "first", "from user import x\ny: str = x\n") == 1
            packages = {"outer", "outer.inner", "outer.inner.part"}
            assert packages <= going.imported.modules.keys() & going.imported.states.keys()


def test_a_text_of_another_client_may_be_a_file_by_now(
    going: IncrementalBuild, tmp_path: Path
) -> None:
    """What was checked as a text for one client is read as it was written for the next, whoever looked for it meanwhile."""
    errors(going, "later", "x: str = ''\n")
    assert errors(going, "first", "import later, missing\ny: int = later.x\n") == 2
    (tmp_path / "later.py").write_text("x: int = 0\n")
    (tmp_path / "missing.py").write_text("x: int = 0\n")
    going.begin_another(Options())
    assert errors(going, "second", "import later, missing\nx: int = later.x + missing.x\n") == 0


def test_what_one_client_missed_another_does_not(going: IncrementalBuild) -> None:
    """A module that a text imports and that does not exist is no excuse for the texts of the next client."""
    assert errors(going, "first", "import package.gone\nx: str = package.gone.y\n") == 1
    going.begin_another(Options())
    assert errors(going, "second", "import package\nx: str = package.gone.y\n") == 1


def test_a_text_that_the_build_depends_on_ends_it(going: IncrementalBuild, tmp_path: Path) -> None:
    """Where a module imports a text of the last client, the next client sees both as they are on disk."""
    errors(going, "own", "def f() -> int: ...\n")
    assert errors(going, "first", "import user\nx: int = user.x\n") == 0
    (tmp_path / "own.py").write_text("def f() -> str: ...\n")
    ended = going.result.manager.metastore
    going.begin_another(Options())
    assert isinstance(ended, SqliteMetadataStore)
    assert ended.dbs == []
    assert errors(going, "second", "import user\nx: int = user.x\n") == 1


def test_a_file_may_have_another_name_for_another_client(options: Options, tmp_path: Path) -> None:
    """A file that one client knows as a module of a package, and another as one at the top, stops neither."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "part.py").write_text("x: int = 0\n")
    options.mypy_path.append(str(package))
    with IncrementalBuild(options) as going:
        errors(going, "first", "import package.part\n")
        with pytest.raises(CompileError):  # as one client may not
            errors(going, "second", "import part\n")
        errors(going, "first", "import package.part\n")
        going.begin_another(Options())
        assert errors(going, "second", "import part\nx: str = part.x\n") == 1


def test_options_of_modules_are_those_of_the_client(going: IncrementalBuild) -> None:
    """What was left out to verify the wrapper of one client is read for the next."""
    going.options.per_module_options["left_out"] = {"follow_imports": "skip"}
    assert errors(going, "first", "import left_out\ny: str = left_out.x\n") == 0
    going.begin_another(Options())
    assert errors(going, "second", "import left_out\ny: str = left_out.x\n") == 1


# mypy leaves the database open that it cannot use, of which Python warns from 3.13 on.
@pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_cache_that_cannot_be_used(options: Options) -> None:
    """A cache that mypy fails on, as on a full disk or after a crash, is an error that names it and what to do."""
    source = [BuildSource(None, "shown", "number: int = 0\n")]
    run_mypy(source, options)
    stores = list(Path(options.cache_dir).rglob("*.db"))
    assert stores
    for store in stores:
        store.write_text("no database" * 1_000)
    for build_it in (
        partial(run_mypy, source, options),
        partial(IncrementalBuild(options).check, source),
    ):
        with pytest.raises(ReadError, match=r"cannot use its cache in .*delete that folder"):
            build_it()
    del build_it
    gc.collect()
