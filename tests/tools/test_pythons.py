"""The Pythons that the tests are run on, and what is said of them."""

import re
import sys
import tomllib
from pathlib import Path

import pytest

from tools import pythons
from tools.pythons import NOT_PACKAGED, Python, Run, ask, find, pinned_without, report

ROOT = Path(__file__).parents[2]
VERSION = re.compile(r"3\.\d+")


def test_this_python_is_known_for_what_it_is() -> None:
    """An interpreter is asked for its version; what is none is passed over."""
    python = ask(Path(sys.executable))
    assert python is not None
    assert python.version == ".".join(map(str, sys.version_info[:3]))
    assert python.kind.rstrip("t") == ".".join(map(str, sys.version_info[:2]))
    assert ask(ROOT / "README.md") is None
    assert list(find(iter([ROOT / "nowhere", Path(sys.executable)])).values()) == [python]


def test_what_is_missing_is_said_loudly() -> None:
    """A Python that is not here stands in the report, and one that failed is no success."""
    python = Python("3.12", "3.12.1", Path("python"))
    told = report([Run(python, False, "1 failed", 2.0)], ["3.12", "3.13"])
    assert re.search(r"3\.12\.1 .* FAILED in 2 s: 1 failed", told)
    assert re.search(r"3\.14 .*NOT RUN", told)
    assert "3.13 " not in told


def test_without_a_python_nothing_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing was run, the command fails."""
    monkeypatch.setattr(pythons, "candidates", lambda: iter(()))
    monkeypatch.setattr(sys, "argv", ["pythons"])
    assert pythons.main() == 1


@pytest.mark.parametrize("kind", NOT_PACKAGED)
def test_what_has_no_package_is_left_out(kind: str) -> None:
    """The other pins stay, each with its hashes; a name that nobody pins any more is noticed."""
    pinned = (ROOT / "requirements/dev.txt").read_text()
    names = re.findall(r"(?m)^([\w.-]+)==", pinned)
    assert set(NOT_PACKAGED[kind]) <= set(names)
    left = pinned_without(pinned, NOT_PACKAGED[kind])
    kept = [name for name in names if name not in NOT_PACKAGED[kind]]
    assert re.findall(r"(?m)^([\w.-]+)==", left) == kept
    assert left.count("--hash") < pinned.count("--hash")
    assert all(re.search(rf"(?m)^{name}==.*\\\n +--hash", left) for name in kept)


@pytest.mark.parametrize("project", ["pyproject.toml", "runtime/pyproject.toml"])
def test_classifiers_say_what_was_run(project: str) -> None:
    """The Pythons of the classifiers are those that the page says were run."""
    classifiers = tomllib.loads((ROOT / project).read_text())["project"]["classifiers"]
    said = {one for text in classifiers for one in VERSION.findall(text)}
    table = (
        (ROOT / "docs/install.md").read_text().partition("## Pythons")[2].partition("\n\n`make")[0]
    )
    rows = [line.split("|")[1:3] for line in table.splitlines() if VERSION.search(line)]
    run = {
        one for pythons, what in rows if "not yet" not in what for one in VERSION.findall(pythons)
    }
    assert said == run
