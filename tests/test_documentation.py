"""What the documentation shows is run: blocks that follow a `<!-- test: ... -->` line.

    <!-- test: write FILE -->    the block is the content of a file
    <!-- test: run -->           the block is for the shell; lines with a leading `$ ` are commands, others their output
    <!-- test: python -->        the block is a program; what it prints must stand in its `# -> ` comments
    <!-- test: part of FILE -->  the block stands in the file, word for word

The blocks of one page share a folder and run in order. An address such as `10.0.0.1:6379` stands for a real server, which is
started when a page first names it; its port tells the kind.
"""

import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from typer.main import get_command

from connpool_gen.building import model
from connpool_gen.cli import app
from connpool_gen.config.options import ENTRY_KEYS, METHOD_KEYS, TARGET_KEYS
from local_servers import EtcdCluster, GreeterServer, HttpServer, MilvusServer, RedisServer
from tests.thorough import thorough
from tools import options_page, reference_pages

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FOLDERS = (
    "",
    ".github",
    ".github/ISSUE_TEMPLATE",
    "benchmarks",
    "benchmarks/simulation",
    "examples/fleet",
    "runtime",
)
WRITTEN = [
    *PAGES[1:],
    *(page for folder in FOLDERS for page in sorted((ROOT / folder).glob("*.md"))),
]
BLOCK = re.compile(
    r"<!-- test: (?P<what>[^\n]*?) -->\n+```\w*\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
PATH = re.compile(r"`([\w./-]+(?:/|\.(?:py|j2|md|toml|txt)))`")
# Of the form [text](target), <target>, and [text]: target.
TARGET = re.compile(r"\]\(([^)\s]+)\)|<(https?:[^>\s]+)>|^\[[^]]+\]: (\S+)", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
INLINE_CODE = re.compile(r"`[^`\n]*`")
# Sites that pages send readers to. Nothing looks at them from here: whoever adds one has looked.
HOSTS = {
    "docs.astral.sh",
    "keepachangelog.com",
    "libcst.readthedocs.io",
    "pipx.pypa.io",
    "pre-commit.com",
    "pypi.org",
    "semver.org",
    "stamina.hynek.me",
    "tenacity.readthedocs.io",
}
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
CELL = re.compile(r"^\| `([\w.-]+)` \|", re.MULTILINE)
PART = re.compile(r"^\| `\S+` \| `(\w+)\(", re.MULTILINE)
ADDRESS = re.compile(r"\b10\.0\.0\.\d:(\d+)\b")
LONG = ("generator.md", "moving.md", "install.md")  # they run the generator again and again
SERVERS: dict[str, Callable[[], Any]] = {
    "2379": lambda: EtcdCluster(1).servers[0],
    "6379": RedisServer,
    "8080": lambda: HttpServer("hello"),
    "19530": MilvusServer,
    "50051": lambda: GreeterServer("a"),
}


@dataclass(frozen=True)
class Block:
    """One tested block: what to do with it, and its text."""

    what: str
    text: str


def blocks_of(page: Path) -> list[Block]:
    return [Block(found["what"], found["text"]) for found in BLOCK.finditer(page.read_text())]


def run(command: list[str], folder: Path) -> str:
    """Run as a user would who has installed both distributions, and return what was printed."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    ours = os.pathsep.join([str(ROOT), str(ROOT / "examples")])  # `generated` and `greeter`
    environment = {**os.environ, "PATH": path, "PYTHONPATH": ours}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def shell(text: str, folder: Path) -> None:
    for line in text.splitlines():
        if line.startswith("$ "):
            run(["bash", "-c", line.removeprefix("$ ")], folder)


def program(text: str, folder: Path) -> None:
    promised = re.findall(r"# -> (.*)", text)
    (folder / "shown.py").write_text(text)
    assert run([sys.executable, "shown.py"], folder).splitlines() == promised


class Places:
    """The servers that a page's addresses stand for."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._started: dict[str, str] = {}

    def real(self, text: str) -> str:
        """Put the addresses of real servers in."""
        return ADDRESS.sub(self._address, text)

    def _address(self, found: re.Match[str]) -> str:
        if found[0] not in self._started:
            server = self._stack.enter_context(SERVERS[found[1]]())
            self._started[found[0]] = f"{server.host}:{server.port}"
        return self._started[found[0]]


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=thorough if page.name in LONG else (), id=page.name)
        for page in PAGES
        if blocks_of(page)
    ],
)
def test_what_is_shown_works(page: Path, tmp_path: Path) -> None:
    """The marked commands and programs of a page run, and print what the page says."""
    with ExitStack() as stack:
        places = Places(stack)
        for block in blocks_of(page):
            show(block.what, places.real(block.text), tmp_path)


def show(instruction: str, text: str, folder: Path) -> None:
    what, _, file = instruction.partition(" ")
    if what == "write":
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_text(text)
    elif what == "part":
        assert text in (folder / file.removeprefix("of ")).read_text()
    elif what == "run":
        shell(text, folder)
    else:
        assert what == "python"
        program(text, folder)


def test_the_readme_is_tested() -> None:
    """The README's example is among what is run."""
    assert {block.what.partition(" ")[0] for block in blocks_of(PAGES[0])} == {
        "write",
        "run",
        "python",
        "part",
    }


def test_links_lead_somewhere() -> None:
    """Every link to this repository names a file or folder that is there, and a heading that the page has."""
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in WRITTEN
        for target in links_of(page)
        if not urlsplit(target).scheme and not leads_somewhere(page, target)
    ]
    assert broken == []


def test_links_to_elsewhere_are_plausible() -> None:
    """A link to another site is by https, to a host that somebody has looked at; whether it answers is not tried."""
    found = [target for page in WRITTEN for target in links_of(page) if urlsplit(target).scheme]
    assert len(found) > 5
    odd = [target for target in found if not re.fullmatch(r"https://[\w.-]+(/[\w./#-]*)?", target)]
    assert odd == []
    assert {urlsplit(target).hostname for target in found} <= HOSTS


def test_a_broken_link_is_found() -> None:
    """A file, a heading and the second of two equal headings are told from what is not there."""
    page = ROOT / "README.md"
    assert leads_somewhere(page, "docs/install.md#pythons")
    assert leads_somewhere(page, "#ten-lines")
    assert not leads_somewhere(page, "#eleven-lines")
    assert not leads_somewhere(page, "docs/install.md#eleven-lines")
    assert not leads_somewhere(page, "docs/nothing.md")
    assert anchors("# A `b_c`: d, e\n## Twice\n## Twice\n```\n# none\n```\n<a id=own></a>") == {
        "a-b_c-d-e",
        "twice",
        "twice-1",
        "own",
    }


def links_of(page: Path) -> list[str]:
    """What the links of a page lead to, but for those that are shown as code."""
    text = INLINE_CODE.sub("", FENCED.sub("", page.read_text()))
    return [target for found in TARGET.findall(text) for target in found if target]


def leads_somewhere(page: Path, target: str) -> bool:
    """Whether a link of a page to this repository leads to what is there."""
    file, _, anchor = target.partition("#")
    path = page.parent / file if file else page
    if not path.exists():
        return False
    return not anchor or path.suffix != ".md" or anchor in anchors(path.read_text())


def anchors(text: str) -> set[str]:
    """The names of a page's headings as GitHub and the site make them, and those that are written out."""
    named = set(re.findall(r"""<a (?:id|name)=["']?([\w-]+)""", text))
    for title in re.findall(r"^#+ +(.+?)$", FENCED.sub("", text), re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title)
        slug = re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")
        number = next(
            number for number in count() if (f"{slug}-{number}" if number else slug) not in named
        )
        named.add(f"{slug}-{number}" if number else slug)
    return named


def section(page: str, title: str) -> str:
    """The text of a page from one heading to the next."""
    text = (ROOT / "docs" / page).read_text()
    found = re.search(rf"^#+ {title}$(.*?)(?=^#+ |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, f"{page} has no heading {title}"
    return found[1]


def test_every_key_of_a_target_is_explained() -> None:
    """The two tables of keys list what the manifest accepts, in the order of the help, with its defaults."""
    text = section("generator.md", "Targets in pyproject.toml")
    stated = {**TARGET_KEYS, **ENTRY_KEYS}
    assert CELL.findall(text) == [*stated, *METHOD_KEYS]
    rows = [line.split(" | ") for line in text.splitlines() if CELL.match(line)]
    said = {row[0].strip("| `"): row[2].strip("| `") for row in rows if len(row) == 3}
    assert said == {key: option.default_said for key, option in stated.items()}


def test_the_tables_of_options_are_those_of_the_code() -> None:
    """The page of options shows what the runtime states of each, all of it and nothing else."""
    pages = [page.read_text() for page in options_page.PAGES]
    assert [len(re.findall("<!-- table: ", page)) for page in pages] == [18, 5]
    assert [options_page.filled(page) for page in pages] == pages


def test_flags_exist() -> None:
    """Every flag that a page names is one of a command that the page is about."""
    pages = [ROOT / "README.md", ROOT / "docs" / "generator.md", ROOT / "docs" / "templates.md"]
    named = {flag for page in pages for flag in FLAG.findall(page.read_text())}
    known = {flag for option in get_command(app).params for flag in option.opts}
    assert len(named) > 10
    assert named <= known | {"--help", "--install-completion"}


@pytest.mark.parametrize(
    "kind",
    [found for found in vars(model).values() if dataclasses.is_dataclass(found)],
    ids=lambda kind: kind.__name__,
)
def test_the_template_contract_lists_every_field(kind: type[Any]) -> None:
    """Each class of the model has a table with its fields, in their order."""
    fields = [field.name for field in dataclasses.fields(kind)]
    assert CELL.findall(section("templates.md", kind.__name__)) == fields


def test_the_template_contract_lists_every_part() -> None:
    """The table of templates names every file and every macro and block in it."""
    table = section("templates.md", "Templates of your own")
    files = sorted((ROOT / "templates").glob("*.j2"))
    parts = [
        part for file in files for part in re.findall(r"{% (?:macro|block) (\w+)", file.read_text())
    ]
    assert parts
    assert set(CELL.findall(table)) == {file.name for file in files}
    assert sorted(PART.findall(table)) == sorted(parts)


def test_the_map_is_true() -> None:
    """Every file in the map of CONTRIBUTING exists, and every folder has files of ours in it."""
    table = (
        (ROOT / "CONTRIBUTING.md")
        .read_text()
        .partition("## Find it in a minute")[2]
        .partition("\n## ")[0]
    )
    paths = PATH.findall(table)
    assert len(paths) > 10
    assert [path for path in paths if not is_ours(ROOT / path)] == []


def is_ours(path: Path) -> bool:
    """Whether a path is a file, or a folder that holds more than what caches left in it."""
    return path.is_file() or any("__pycache__" not in found.parts for found in path.rglob("*.*"))


def test_the_architecture_is_true() -> None:
    """Every file that the architecture page names exists in one of the two packages or at the top."""
    homes = [ROOT, ROOT / "codegen" / "connpool_gen", ROOT / "runtime" / "connpool_runtime"]
    paths = PATH.findall((ROOT / "docs" / "architecture.md").read_text())
    assert len(paths) > 20
    assert [path for path in paths if not any((home / path).exists() for home in homes)] == []


def test_the_architecture_is_complete() -> None:
    """The architecture page names every module and package of the generator."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    entries = (ROOT / "codegen" / "connpool_gen").iterdir()
    names = {path.name + "/" * path.is_dir() for path in entries} - {"__pycache__/", "py.typed"}
    untold = {name for name in names if not re.search(rf"[`/]{re.escape(name)}", text)}
    assert untold == {"__init__.py", "__main__.py"}


def test_make_help_lists_every_command() -> None:
    """`make help` names each target that the README names."""
    listed = set(
        re.findall(
            r"^  make (\w+)", run(["make", "--no-print-directory", "help"], ROOT), re.MULTILINE
        )
    )
    assert {
        "help",
        "demo",
        "test",
        "lint",
        "bench",
        "conformance",
        "requirements",
        "clean",
    } <= listed
    assert set(re.findall(r"`make (\w+)`", PAGES[0].read_text())) <= listed


def test_ticked_features_are_proven() -> None:
    """Every feature of the list appears once; one that is ticked names tests, and these exist."""
    text = (ROOT / "docs" / "features.md").read_text()
    features = re.findall(r"^- \[([ x])\] \*\*(\w+)\*\* .*\n((?:  - `.*`\n)*)", text, re.MULTILINE)
    names = [name for _, name, _ in features]
    assert len(names) == len(set(names)) > 30
    for tick, name, tests in features:
        proofs = re.findall(r"`(\S+)::(\w+)`", tests)
        assert bool(proofs) == (tick == "x"), name
        for path, test in proofs:
            assert re.search(rf"\bdef {test}\(", (ROOT / path).read_text()), f"{path}::{test}"


def test_every_page_has_its_place() -> None:
    """Each page of the documentation is in a table of contents of docs/index.md, once, and each entry is a page.

    The contents are what the site's menu shows; above them each page is linked with what it is about.
    """
    index = (ROOT / "docs" / "index.md").read_text()
    trees = re.findall(r"```{toctree}\n(.*?)```", index, re.DOTALL)
    lines = [line for tree in trees for line in tree.splitlines() if not line.startswith(":")]
    entries = [re.sub(r".*<(.*)>", r"\1", line) for line in lines]
    absolute = [entry for entry in entries if entry.startswith("/")]
    placed = [
        found
        for entry in entries
        if entry not in absolute
        for found in sorted((ROOT / "docs").glob(f"{entry}.md"))
    ]
    pages = {page for page in PAGES if page.is_relative_to(ROOT / "docs")}
    modules = (ROOT / "docs" / "reference" / "api").glob("*.md")  # they have an index of their own
    missing = pages - {*placed, *modules, ROOT / "docs" / "index.md"}
    assert missing == set(), "name it in docs/index.md, where it belongs"
    assert len(placed) == len(set(placed))
    assert [entry for entry in absolute if not (ROOT / f"{entry[1:]}.md").exists()] == []
    read = index.partition("```{toctree}")[0]
    linked = {
        (ROOT / "docs" / target).resolve() for target in re.findall(r"\]\(([\w./-]+)\)", read)
    }
    assert {*placed, *(ROOT / f"{entry[1:]}.md" for entry in absolute)} - linked == set()


def test_the_reference_is_that_of_the_code() -> None:
    """The pages of names, events, errors and the command say what the code says, and there are no others."""
    made = reference_pages.pages()
    folder = reference_pages.FOLDER
    there = {str(page.relative_to(folder)): page.read_text() for page in folder.rglob("*.md")}
    assert there == made, "python -m tools.reference_pages"
