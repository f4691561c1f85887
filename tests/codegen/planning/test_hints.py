"""Hints at errors of the client's own: what nobody has decided is told, with the lines to paste."""

from importlib import import_module
from pathlib import Path
from textwrap import indent
from types import new_class

import pytest
from typer.testing import CliRunner

from connpool_gen.cli import app
from connpool_gen.planning.hints import FAILURES
from connpool_runtime import Outcome
from connpool_runtime.classifiers.transport import transport

ERRORS = """
class SoldOut(Exception): ...
class Closed(Exception): ...
class Holiday(Closed): ...
class Unused(Exception): ...

def failure() -> Exception:
    return Closed()
"""
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


@pytest.mark.parametrize(
    ("methods", "flags", "shown", "left"),
    [(12, [], 12, ""), (13, [], 8, "5 methods more"), (13, ["--verbose"], 13, "")],
)
def test_many_hints_leave_the_screen_to_other_lines(
    here: Path, methods: int, flags: list[str], shown: int, left: str
) -> None:
    """Of a client with many errors the first hints are shown, and how to see the others."""
    body = "\n".join(f"    def f{i}(self): raise Closed" for i in range(methods))
    source = f"from shop.errors import Closed\nclass Client:\n{body}\n"
    (here / "shop" / "__init__.py").write_text(source, "utf-8")
    told = run("--client", "shop:Client", *flags)[1]
    assert len([line for line in told if "expected" in line]) == shown
    assert ("--verbose lists all" in "\n".join(told)) == bool(left)
    assert left in "\n".join(told)
    if flags:  # also of what is up to date
        assert [line for line in run("--client", "shop:Client", *flags)[1] if "expected" in line]


STYLES = {
    "titled": "Raises:\n    errors.Closed: at night.",
    "underlined": "Raises\n------\nClosed\n    At night.\nSoldOut : later\n\nReturns\n-------\nUnused",
    "field": ":param a: a\n:raises shop.errors.Closed: at night",
    "role": "Ends with :exc:`~shop.errors.Closed` at night.",
}


def found_in(here: Path, body: str, head: str = "") -> str:
    """What is told of a client with one method `order`, or with this class body."""
    text = f"from shop import errors\nfrom .errors import *\n{head}\nclass Client:\n{indent(body, '    ')}\n"
    (here / "shop" / "__init__.py").write_text(text, "utf-8")
    return "\n".join(run("--client", "shop:Client")[1])


@pytest.mark.parametrize("style", STYLES)
def test_every_style_of_docstring_is_read(here: Path, style: str) -> None:
    """Errors are found in titled and underlined sections, in fields and in roles, by whatever name."""
    body = f'def order(self) -> None:\n    """Order.\n\n{indent(STYLES[style], "    ")}\n    """'
    told = found_in(here, body, "from shop.errors import Closed, SoldOut, Unused")
    more = ', "shop.errors:SoldOut"' if style == "underlined" else ""
    assert f'order = {{ expected = ["shop.errors:Closed"{more}] }}' in told


@pytest.mark.parametrize("error", ["errors.Closed", "e.Closed()", "shop.errors.Closed"])
def test_an_error_is_known_by_its_module(here: Path, error: str) -> None:
    """An error may be named through its module, however that was imported."""
    body = f"def order(self) -> None:\n    raise {error}"
    told = found_in(here, body, "import shop.errors\nimport shop.errors as e")
    assert 'order = { expected = ["shop.errors:Closed"] }' in told


def test_an_error_has_one_name_in_all_hints(here: Path) -> None:
    """An error that the text names in several ways is told once, by the best of its names in every hint."""
    head = "import shop\nfrom shop.errors import Closed\nimport shop._inner as i"
    (here / "shop" / "_inner.py").write_text("from .errors import Closed, SoldOut\n", "utf-8")
    body = (
        'def order(self) -> None:\n    """:raises shop.Closed: at night."""\n    raise errors.Closed\n'
        "def ask(self) -> None:\n    raise errors.Closed\n"
        "def sell(self) -> None:\n    if self:\n        raise i.SoldOut\n    raise errors.SoldOut\n"
    )
    told = found_in(here, body, head)
    assert 'order = { expected = ["shop:Closed"] }' in told
    assert 'ask = { expected = ["shop:Closed"] }' in told
    assert 'sell = { expected = ["shop.errors:SoldOut"] }' in told


NESTED = [
    "if x:\n    pass\nelse:\n    RAISE",
    "for _ in x:\n    RAISE",
    "while x:\n    pass\nelse:\n    RAISE",
    "with x:\n    RAISE",
    "try:\n    pass\nexcept OSError:\n    RAISE",
    "try:\n    pass\nexcept* OSError:\n    RAISE",
    "try:\n    pass\nfinally:\n    RAISE",
    "match x:\n    case 1:\n        RAISE",
    "def inner() -> None:\n    RAISE",
    "if x: RAISE",
]


@pytest.mark.parametrize("statement", NESTED, ids=lambda text: " ".join(text.split()))
def test_an_error_is_found_in_every_statement(here: Path, statement: str) -> None:
    """However deep a `raise` stands in a method, its error is told."""
    lines = indent(statement.replace("RAISE", "raise errors.Closed"), "    ")
    told = found_in(here, f"def order(self, x: object) -> None:\n{lines}")
    assert 'order = { expected = ["shop.errors:Closed"] }' in told


def test_what_is_no_call_of_the_pool_has_no_hint(here: Path) -> None:
    """Closing a client is nobody's call to judge, so nothing is asked about its errors."""
    body = "def get(self) -> int:\n    return 1\ndef close(self) -> None:\n    raise errors.Closed"
    assert "expected" not in found_in(here, body)


def test_what_makes_an_error_is_none(here: Path) -> None:
    """A function whose result is raised is not told as if it were an error."""
    body = "def order(self) -> None:\n    raise failure()"
    assert "expected" not in found_in(here, body, "from shop.errors import failure")


def test_a_policy_for_a_base_is_enough(here: Path) -> None:
    """An error whose base has a policy is decided, as it is when the pool runs."""
    (here / "pyproject.toml").write_text(
        '[[tool.connpool-gen.target]]\nclient = "shop:Client"\n[tool.connpool-gen.target.methods]\n'
        'order = { expected = ["shop.errors:Closed"] }\n',
        "utf-8",
    )
    body = "def order(self) -> None:\n    raise errors.Holiday"
    assert "expected" not in found_in(here, body)


def test_methods_of_namespaces_have_hints(here: Path) -> None:
    """What a method of a namespace raises is told by its dotted name, in quotes that TOML asks for."""
    head = (
        "class Orders:\n    def __init__(self, client: object) -> None: ...\n"
        "    def create(self) -> None:\n        raise errors.SoldOut\n"
    )
    body = "def __init__(self) -> None:\n    self.orders = Orders(self)\ndef get(self) -> int:\n    return 1"
    assert '"orders.create" = { expected = ["shop.errors:SoldOut"] }' in found_in(here, body, head)


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


def test_errors_of_the_network_are_failures_already(here: Path) -> None:
    """Nobody is asked about an error that is a ConnectionError or TimeoutError, by which the runtime judges it."""
    (here / "shop" / "errors.py").write_text(
        ERRORS.replace("class Closed(Exception)", "class Closed(ConnectionError)"), "utf-8"
    )
    done = CliRunner().invoke(app, ["--client", "shop:Client"])
    assert done.exit_code == 0
    assert '    order = { expected = ["shop.errors:SoldOut"] }' in done.output
    assert "inherited" not in done.output


@pytest.mark.parametrize("name", sorted(FAILURES))
def test_the_runtime_takes_them_for_failures(name: str) -> None:
    """What is left out of the hints is what the runtime calls a failure, of a subclass too."""
    module, _, kind = name.partition(":")
    base = getattr(import_module(module), kind)
    error = new_class("Own", (base,))
    verdict = transport(error.__new__(error, "line"))
    assert verdict is not None
    assert verdict.outcome is Outcome.FAILURE
