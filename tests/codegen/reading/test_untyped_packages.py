"""Packages that are annotated and ship no `py.typed`: their annotations are read, member by member."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mypy import build
from mypy.errors import CompileError
from mypy.modulefinder import get_search_dirs

from connpool_gen import generate
from connpool_gen.generated_module import GeneratedModule
from connpool_gen.reading import untyped_packages
from tests.codegen.made import Maker

BROKEN = "class Message:\n    def text(self -> str: ...\n"
CLIENT = """
from functools import wraps
from typing import Generic, List, Optional, TypeVar, Union, overload

from plainly.messages import Message
from plainly.records import Record

def logged(function):
    @wraps(function)
    def logging(*args, **kwargs):
        return function(*args, **kwargs)
    return logging

Key = Union[str, bytes]
T = TypeVar("T")


class Client:
    retries = 3
    label = None

    def __init__(self, host: str, port: int = 1):
        self.host = host
        self.records = [Record()]
        self.socket = None
        self.tries = 0

    def open_socket(self):
        self.socket = object()
        self.tries = 1.5

    def put(self, key: Key, value: bytes, timeout: float = None) -> bool:
        return True

    def record(self, key: str) -> List[Record]:
        return []

    def first(self, of: List[T]) -> Optional[T]:
        return of[0]

    def message(self) -> Message:
        return Message()

    def plain(self, a, b=1):
        return a

    def half(self, a: int, b=1):
        return a

    def wrong(self, count: int = "five") -> int:
        return 5

    @logged
    def decorated(self, key: str) -> int:
        return 1

    @overload
    def write(self, path: str, wrap: Optional[str]): ...

    def write(self, *args, **kwargs):
        return args


class Table(Generic[T]):
    def __init__(self, rows: List[T]) -> None:
        self.rows = rows

    def get(self, number: int) -> T:
        return self.rows[number]


class Plain:
    def __init__(self, host):
        self.host = host

    def get(self, key):
        return key
"""
FILES = {
    "plainly/__init__.py": "",
    "plainly/client.py": CLIENT,
    "plainly/messages.py": "class Message:\n    def text(self) -> str:\n        return ''\n",
    "plainly/messages.pyi": BROKEN,
    "plainly/records.py": "class Record:\n    name: str = ''\n",
}
PATHS = "import sys\nsys.path.append({site!r})\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checker_cache: Path) -> Iterator[Path]:
    """A folder like site-packages, at the end of the path here and in the process that imports."""
    folder, started = tmp_path / "site", tmp_path / "started"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    started.mkdir()
    (started / "sitecustomize.py").write_text(PATHS.format(site=str(folder)), "utf-8")
    shutil.rmtree(checker_cache / "left-out", ignore_errors=True)
    monkeypatch.setenv("PYTHONPATH", str(started))
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
    get_search_dirs.cache_clear()
    yield folder
    get_search_dirs.cache_clear()


@pytest.fixture
def stops(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The modules that stopped mypy, in the order of its runs."""
    found: list[str] = []
    run: Callable[..., build.BuildResult] = build.build

    def noting(*args: Any, **options: Any) -> build.BuildResult:
        try:
            return run(*args, **options)
        except CompileError as error:
            found.append(str(error.module_with_blocker))
            raise

    monkeypatch.setattr(untyped_packages.build, "build", noting)
    return found


def made(maker: Maker, client: str = "plainly.client:Client", **options: Any) -> GeneratedModule:
    return generate(maker.request(client, **options))


def test_what_is_remembered_changes_nothing(maker: Maker, site: Path, tmp_path: Path) -> None:
    """A wrapper is the same when mypy has its package in the cache, as by the names that a package exports."""
    package = site / "plainly" / "_inner"
    package.mkdir()
    (site / "plainly" / "outer").mkdir()
    (site / "plainly" / "outer" / "__init__.py").write_text(
        "from plainly.outer._own import Own as Own\n"
    )
    (site / "plainly" / "outer" / "_own.py").write_text("class Own:\n    name: str = ''\n")
    (package / "client.py").write_text(
        "from plainly.outer._own import Own\n"
        "class Client:\n"
        "    def get(self, key: str) -> Own: ...\n"
        "    def count(self, key: str) -> int: ...\n"
    )
    cache = tmp_path / "cache"
    texts = [made(maker, "plainly._inner.client:Client", cache_dir=cache).text for _ in range(2)]
    assert texts[0] == texts[1]
    assert "from plainly.outer import Own" in texts[0]


def test_each_member_keeps_what_is_written(maker: Maker, site: Path) -> None:
    """Annotations reach the wrapper; what is missing or cannot be read is Any, there alone."""
    text = made(maker).text
    # An alias and a variable of such a package would be Any for mypy, so they are written out.
    assert (
        "def put(self, key: str | bytes, value: bytes, timeout: float | None = None) -> bool:"
        in (" ".join(text.split()).replace("( self", "(self").replace(", ) ->", ") ->"))
    )
    assert "def record(self, key: str) -> list[Record]:" in text
    assert "def first(self, of: list[T]) -> T | None:" in text
    assert 'T = TypeVar("T")' in text
    assert "def message(self) -> Any:" in text
    assert "def plain(self, a: Any, b: Any = 1) -> Any:" in text
    assert "def half(self, a: int, b: Any = 1) -> Any:" in text
    # What a decorator without types makes of a result, nobody knows.
    assert "def decorated(self, key: str) -> Any:" in text


def test_only_what_nothing_changes_later_is_inferred(maker: Maker, site: Path) -> None:
    """The type of a first value counts if `__init__` alone sets the attribute, and if it is no None."""
    text = made(maker).text
    assert "def host(self) -> str:" in text
    assert "def records(self) -> list[Record]:" in text
    assert "def retries(self) -> int:" in text
    for name in ("socket", "tries", "label"):
        assert f"def {name}(self) -> Any:" in text


def test_annotations_that_no_call_fits_are_not_believed(maker: Maker, site: Path) -> None:
    """Where the signature differs from what runs, the method is Any, and the ledger says so."""
    module = made(maker)
    assert "def write(self, *args: Any, **kwargs: Any) -> Any:" in module.text
    entry = next(e for e in module.ledger.entries if e.name == "write")
    assert (entry.untyped, "do not fit the arguments" in entry.reason) == (True, True)


@pytest.mark.parametrize("mode", ["pool", "drop-in", "protocol"])
def test_strict_code_may_use_it(maker: Maker, site: Path, mode: str) -> None:
    """The module passes mypy --strict as users have it, for whom the package is Any."""
    client = "plainly.client:Table" if mode == "pool" else "plainly.client:Client"
    module = made(maker, client, verify=True, mode=mode)
    codes = "import-untyped,import-not-found,unused-ignore"
    assert f"from plainly.client import {client.partition(':')[2]}  # type: ignore[{codes}]" in (
        module.text
    )
    if mode == "pool":
        assert "class TablePool(Generic[T]):" in module.text
        assert "def get(self, number: int) -> T:" in module.text
    elif mode == "protocol":  # its default is wrong, so that is the client's own to answer for
        assert "wrong = inherited(_Of.client.wrong)" in module.text


def test_modules_that_stop_the_checker_are_left_out_and_remembered(
    maker: Maker, site: Path, stops: list[str]
) -> None:
    """mypy stops at such a module once; later runs know it until its file changes; the text stays the same."""
    cold = made(maker, cache_dir=None)
    assert any("plainly.messages" in note and "cannot parse" in note for note in cold.notes)
    assert made(maker).text == cold.text
    assert stops == ["plainly.messages"] * 2
    assert made(maker).text == cold.text
    assert len(stops) == 2
    stub = site / "plainly" / "messages.pyi"
    assert str(stub.resolve()) in {str(Path(file).resolve()) for file in cold.sources}
    stub.write_text(BROKEN.replace("self ->", "self) ->"), "utf-8")
    assert "def message(self) -> Message:" in made(maker).text


def test_what_stops_the_checker_elsewhere_leaves_the_client_untyped(
    maker: Maker, site: Path
) -> None:
    """Another package's broken stubs cannot be left out: the client is Any as a whole, and the run says why."""
    for name, text in {"__init__.pyi": BROKEN, "__init__.py": "", "py.typed": ""}.items():
        (site / "broken").mkdir(exist_ok=True)
        (site / "broken" / name).write_text(text, "utf-8")
    client = site / "plainly" / "client.py"
    client.write_text("import broken\n" + client.read_text("utf-8"), "utf-8")
    module = made(maker)
    assert "def put(self, key: Any, value: Any, timeout: Any = None) -> Any:" in module.text
    assert any("could not be read: the type checker stopped" in note for note in module.notes)


def test_a_class_of_ones_own_keeps_the_types_of_its_base(maker: Maker, site: Path) -> None:
    """A typed class on top of an untyped package's has the types of both, and imports no ignored name of its own."""
    name = maker.write("""
        from plainly.client import Client
        class Mine(Client):
            def hello(self, n: int) -> str:
                return str(n)
    """)
    module = made(maker, f"{name}:Mine")
    assert "def hello(self, n: int) -> str:" in module.text
    assert "def record(self, key: str) -> list[Record]:" in module.text
    assert f"from {name} import Mine\n" in module.text


def test_a_package_without_annotations_is_not_read(maker: Maker, site: Path) -> None:
    """Where a class annotates nothing, its package is not read, and the note says that it has no types."""
    module = made(maker, "plainly.client:Plain")
    assert "def get(self, key: Any) -> Any:" in module.text
    assert module.notes == ("plainly.client ships no types: no py.typed, no stubs",)


def test_the_note_says_how_mypy_reads_them_too(maker: Maker, site: Path) -> None:
    """The run names the package and the setting with which the user's own mypy would see the types."""
    note, _ = made(maker).notes
    assert note.startswith("plainly ships no py.typed; its annotations were read all the same.")
    assert note.endswith("follow_untyped_imports for plainly.*")
