"""The committed wrappers are held to pyright's strict rules, though each asks for lenience."""

from pathlib import Path

import pytest

from tools import strict_wrappers


def test_copies_do_not_ask_for_lenience(tmp_path: Path) -> None:
    """Every committed wrapper is copied, without the line and otherwise as it is."""
    source = strict_wrappers.ROOT / "generated"
    copies = strict_wrappers.copy_wrappers(source, tmp_path / "copies")
    assert [path.name for path in copies] == sorted(path.name for path in source.glob("*.py"))
    for path in copies:
        lines = (source / path.name).read_text().splitlines()
        assert path.read_text().splitlines() == [x for x in lines if x != "# pyright: basic"]


def test_a_wrapper_without_the_line(tmp_path: Path) -> None:
    """Another line for the same would make the check lenient: it is an error."""
    (tmp_path / "pool.py").write_text("# pyright: standard\n")
    with pytest.raises(ValueError, match=r"pool\.py"):
        strict_wrappers.copy_wrappers(tmp_path, tmp_path / "copies")
