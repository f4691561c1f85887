"""The pinned requirements are those of the projects."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


def wanted() -> list[Requirement]:
    """What the generator needs, and what its developers need, but for this repository's own runtime."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    found = [Requirement(line) for line in lines]
    return [requirement for requirement in found if requirement.name != "connpool-runtime"]


def pinned() -> dict[str, str]:
    """The versions in requirements/dev.txt, by name."""
    text = (ROOT / "requirements" / "dev.txt").read_text()
    return dict(re.findall(r"^([\w.-]+)==([\w.!+]+)", text, re.MULTILINE))


def test_every_need_is_pinned() -> None:
    """`make requirements` was run after the last change of a dependency."""
    pins = pinned()
    missing = [
        str(requirement)
        for requirement in wanted()
        if not requirement.specifier.contains(pins.get(canonicalize_name(requirement.name), "0"))
    ]
    assert missing == []


def test_every_pin_has_hashes() -> None:
    """No package is installed that is not known byte for byte."""
    text = (ROOT / "requirements" / "dev.txt").read_text().replace("\\\n", "")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines
    assert [line for line in lines if "--hash=sha256:" not in line] == []
