"""The command `adopt`: what goes to stdout and to stderr, exit codes, flags."""

import json

import pytest
from typer.testing import CliRunner, Result

from connpool_gen.cli import app
from tests.codegen.adopting.projects import FACTORY_FLAGS, Project, inside

TEXT = "from shop import Shop\n\nshop: Shop = Shop()\n"
FACTORIES = [word for text in FACTORY_FLAGS for word in ("--factory", text)]


@pytest.fixture
def project(shops: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with one file to move, whose wrappers are known to be up to date."""
    monkeypatch.setenv("CONNPOOL_GEN_CACHE", str(shops.cache))
    shops.write({"command/one.py": TEXT})
    return shops


def run(project: Project, *arguments: str) -> Result:
    """Run the command in the project's folder."""
    with inside(project.folder):
        return CliRunner().invoke(app, ["adopt", *arguments])


def test_a_diff_then_the_files(project: Project) -> None:
    """Without --write a diff is printed and the code is 1 while something is left; with it files change."""
    done = run(project, "command")
    assert done.exit_code == 1
    assert "-shop: Shop = Shop()\n+shop: ShopPool = Shop()\n" in done.stdout
    assert "command/one.py:3: construction: only you can say which servers" in done.stderr
    assert "would move 1 place in 1 of 1 file; 1 left to you; --write moves them" in done.stderr
    assert (project.folder / "command/one.py").read_text() == TEXT
    done = run(project, "command", "--write", *FACTORIES)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "moved 2 places in 1 of 1 file; 0 left to you" in done.stderr
    assert "shop: ShopPool = make_shop()" in (project.folder / "command/one.py").read_text()


def test_json(project: Project) -> None:
    """--format json tells files with their diffs, counts, and what is left, on stdout alone."""
    done = run(project, "command", "--format", "json", "--client", "shop:Shop")
    data = json.loads(done.stdout)
    assert [file["path"] for file in data["files"]] == ["command/one.py"]
    assert data["moved"] == {"annotation": 1}
    assert data["left"][0].keys() == {"path", "line", "what", "reason", "advice"}
    assert data["written"] is False
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "error: nowhere does not exist"),
        (["command", "--client", "shop:Shap"], "did you mean 'shop:Shop'?"),
        (["command", "--format", "yaml"], "--format 'yaml' is unknown"),
    ],
)
def test_slips(project: Project, arguments: list[str], said: str) -> None:
    """An error is one line on stderr, with exit code 2."""
    done = run(project, *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
