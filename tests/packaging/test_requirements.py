"""The pinned requirements are those of the projects."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


def of_group(name: str) -> list[str]:
    """The lines of a group of dependencies, and of the groups that it includes."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    lines: list[str] = []
    for entry in groups[name]:
        lines += [entry] if isinstance(entry, str) else of_group(entry["include-group"])
    return lines


def of_the_generator() -> list[str]:
    """What the generator needs, but for this repository's own runtime."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [line for line in project["dependencies"] if not line.startswith("connpool-runtime")]


# What each file is for: the lines that it pins.
FILES = {
    "dev": [*of_the_generator(), *of_group("dev")],
    "demo": [*of_the_generator(), *of_group("demo")],
    "docs": of_group("docs"),
    "packages": of_group("packages"),
}
of_each_file = pytest.mark.parametrize("file", FILES)


def pinned(file: str) -> dict[str, set[str]]:
    """The versions in a file of requirements, by name; more than one where Pythons differ."""
    text = (ROOT / "requirements" / f"{file}.txt").read_text()
    pins: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([\w.!+]+)", text, re.MULTILINE):
        pins.setdefault(name, set()).add(version)
    return pins


@of_each_file
def test_every_need_is_pinned(file: str) -> None:
    """`make requirements` was run after the last change of a dependency."""
    pins = pinned(file)
    missing = [
        line
        for line in FILES[file]
        for version in pins.get(canonicalize_name(Requirement(line).name), {"0"})
        if not Requirement(line).specifier.contains(version)
    ]
    assert missing == []


def test_the_demo_is_what_was_tested() -> None:
    """The demo's environment has the versions that the tests ran with, and only the packages that it shows."""
    dev, demo = pinned("dev"), pinned("demo")
    assert {name for name in demo if not demo[name] <= dev[name]} == set()
    assert len(demo) * 2 < len(dev)


@of_each_file
def test_every_pin_has_hashes(file: str) -> None:
    """No package is installed that is not known byte for byte."""
    text = (ROOT / "requirements" / f"{file}.txt").read_text().replace("\\\n", "")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines
    assert [line for line in lines if "--hash=sha256:" not in line] == []
