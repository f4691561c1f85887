"""What users may rely on changes on purpose only."""

import inspect
from importlib import import_module
from pathlib import Path

import pytest

import connpool_gen
import connpool_runtime
from tools import public_names

ROOT = Path(__file__).parents[2]


def test_public_names_are_listed() -> None:
    """No public name appears or vanishes unless the committed list says so."""
    listed = set(public_names.FILE.read_text().splitlines())
    found = set(public_names.public_names())
    how = "if that is wanted: python -m tools.public_names, and a line in CHANGELOG.md"
    assert found - listed == set(), f"new names; {how}"
    assert listed - found == set(), f"names that are gone, which breaks users; {how}"
    assert public_names.FILE.read_text() == public_names.text()


@pytest.mark.parametrize("package", [connpool_gen, connpool_runtime], ids=lambda p: p.__name__)
def test_every_package_with_a_surface_is_public(package: object) -> None:
    """A package whose `__init__` names what it exports is among the public modules."""
    home = Path(str(getattr(package, "__file__", ""))).parent
    surfaces = {
        ".".join(path.parent.relative_to(home.parent).parts)
        for path in home.rglob("__init__.py")
        if "__all__ = [" in path.read_text()
    }
    internal = {"connpool_runtime.options"}
    assert surfaces - internal <= set(public_names.MODULES)


def test_public_names_are_explained() -> None:
    """Every public class and function has a docstring of its own, not one that a dataclass makes."""
    silent = [
        f"{module}.{name}"
        for module in public_names.MODULES
        for name in import_module(module).__all__
        if inspect.isroutine(value := getattr(import_module(module), name))
        or inspect.isclass(value)
        if not value.__doc__ or value.__doc__.startswith(f"{name}(")
    ]
    assert silent == []
