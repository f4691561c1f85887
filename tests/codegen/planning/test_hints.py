"""Hints at errors of the client's own: what nobody has decided is told, with the lines to paste."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from connpool_gen.cli import app

ERRORS = (
    "class SoldOut(Exception): ...\nclass Closed(Exception): ...\nclass Unused(Exception): ...\n"
)
CLIENT = '''
from .errors import Closed
from .errors import SoldOut as Gone


class Base:
    def inherited(self) -> None:
        raise Closed


class Client(Base):
    def order(self, thing: str) -> None:
        """Order a thing.

        Raises:
            Closed: at night.
            ValueError: no such thing.
        """
        if not thing:
            raise KeyError(thing)
        raise Gone(thing)

    def get(self) -> int:
        return 1

    def _hidden(self) -> None:
        raise Closed
'''
HINT = '    order = { expected = ["shop.errors:Closed", "shop.errors:SoldOut"] }'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli_cache: Path) -> Path:
    """A working directory with a client that has errors of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text(CLIENT, "utf-8")
    (tmp_path / "shop" / "errors.py").write_text(ERRORS, "utf-8")
    return tmp_path


def run(*arguments: str) -> tuple[int, list[str]]:
    done = CliRunner().invoke(app, [*arguments, "--no-verify"], env={"COLUMNS": "200"})
    return done.exit_code, done.stderr.splitlines()


def test_errors_of_the_clients_own_are_told(here: Path) -> None:
    """What is raised or documented, by its full name; neither errors of Python nor private methods."""
    code, told = run("--client", "shop:Client")
    assert code == 0
    assert HINT in told
    assert any("judged by comparing members" in line for line in told)
    assert '    inherited = { expected = ["shop.errors:Closed"] }' in told
    assert len([line for line in told if "expected" in line]) == 2


def test_strict_asks_for_a_decision(here: Path) -> None:
    """`--strict` refuses what is undecided, and passes once every error has its policy."""
    code, told = run("--client", "shop:Client", "--strict")
    assert (code, "  " + HINT.strip() in told) == (2, True)
    (here / "pyproject.toml").write_text(
        '[[tool.connpool-gen.target]]\nclient = "shop:Client"\n[tool.connpool-gen.target.methods]\n'
        'order = { expected = ["shop.errors:SoldOut"], failures = ["shop.errors:Closed"] }\n'
        'inherited = { ignored = ["shop.errors:Closed"] }\n',
        "utf-8",
    )
    assert run("--strict")[0] == 0
    assert "failures=(Closed,)" in (here / "generated" / "client_pool.py").read_text("utf-8")
