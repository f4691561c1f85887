"""What the documentation shows is run: blocks that follow a `<!-- test: ... -->` line.

    <!-- test: write FILE -->    the block is the content of a file
    <!-- test: run -->           the block is for the shell; lines with a leading `$ ` are commands, others their output
    <!-- test: python -->        the block is a program; what it prints must stand in its `# -> ` comments

The blocks of one page share a folder and run in order.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"<!-- test: (?P<what>[^\n]*?) -->\n+```\w*\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
PATH = re.compile(r"`([\w./-]+(?:/|\.(?:py|j2|md|toml|txt)))`")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


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
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
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


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks_of(page)], ids=lambda page: page.name
)
def test_what_is_shown_works(page: Path, tmp_path: Path) -> None:
    """The marked commands and programs of a page run, and print what the page says."""
    for block in blocks_of(page):
        what, _, file = block.what.partition(" ")
        if what == "write":
            (tmp_path / file).write_text(block.text)
        elif what == "run":
            shell(block.text, tmp_path)
        else:
            assert what == "python"
            program(block.text, tmp_path)


def test_the_readme_is_tested() -> None:
    """The README's example is among what is run."""
    assert {block.what.partition(" ")[0] for block in blocks_of(PAGES[0])} == {
        "write",
        "run",
        "python",
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page names a file or folder that is there."""
    broken = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert broken == []


def test_the_map_is_true() -> None:
    """Every file in the README's map exists."""
    table = PAGES[0].read_text().partition("## Find it in a minute")[2].partition("\n## ")[0]
    paths = PATH.findall(table)
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_architecture_is_true() -> None:
    """Every file that the architecture page names exists in one of the two packages or at the top."""
    homes = [ROOT, ROOT / "codegen" / "connpool_gen", ROOT / "runtime" / "connpool_runtime"]
    paths = PATH.findall((ROOT / "docs" / "architecture.md").read_text())
    assert len(paths) > 20
    assert [path for path in paths if not any((home / path).exists() for home in homes)] == []


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
