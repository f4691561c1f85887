"""What names stand for: imports followed through modules, conditions decided."""

import sys
from pathlib import Path
from textwrap import dedent

import pytest

from connpool_gen.source.names import Names
from connpool_gen.source.texts import Texts
from connpool_gen.source.values import ClassValue, Constant, ModuleValue, Unknown, Value


@pytest.fixture
def names(tmp_path: Path) -> Names:
    """A package whose modules import from each other in every way."""
    files = {
        "shop/__init__.py": """
            from shop import _private as _private
            from .api import *
            from .api import __all__ as _listed
            __all__ = ["extra"] + api.__all__
            __all__ += ("more",)
            __all__.extend(["most"])
            from typing import TYPE_CHECKING
            if TYPE_CHECKING:
                from .late import Late
            def __getattr__(name): ...
            """,
        "shop/_private.py": "from shop import LIMIT\nfrom shop.api import LIMIT as SAME\n",
        "shop/api/__init__.py": """
            from ..late import Late as Renamed
            from . import deep
            __all__ = ["LIMIT", "Renamed"]
            LIMIT = 5 * 60
            HIDDEN = 1
            """,
        "shop/api/deep.py": "from shop.circle_a import A\n",
        "shop/late.py": "class Late:\n    most = 3\n    class Inner: ...\n",
        "shop/circle_a.py": "from shop.circle_b import A\n",
        "shop/circle_b.py": "from shop.circle_a import A\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(dedent(text))
    return Names(Texts([str(tmp_path), *sys.path]))


def find(names: Names, dotted: str, module: str = "shop", *, checking: bool = False) -> Value:
    scope = names.module(module, checking=checking)
    assert scope is not None
    return names.find(dotted, scope)


def test_imports_are_followed(names: Names) -> None:
    """Renamed, relative, starred and circular imports lead to what is meant, or to nothing."""
    assert find(names, "LIMIT") == Constant(300)
    assert find(names, "_private") == ModuleValue("shop._private")
    assert find(names, "_private.SAME") == Constant(300)
    renamed = find(names, "Renamed")
    assert isinstance(renamed, ClassValue)
    assert renamed.scope.module == "shop.late"
    assert isinstance(find(names, "Renamed.Inner"), ClassValue)
    assert find(names, "Renamed.most") == Constant(3)
    assert isinstance(find(names, "A", "shop.circle_a"), Unknown)
    assert isinstance(find(names, "deep.A", "shop.api"), Unknown)


def test_only_what_is_exported_is_starred(names: Names) -> None:
    """A star takes what `__all__` names; `__all__` may be made of others'."""
    scope = names.module("shop", checking=False)
    assert scope is not None
    assert "HIDDEN" not in scope.names
    assert scope.exported == {"extra", "LIMIT", "Renamed", "more", "most"}


def test_a_lazy_module_shows_what_checkers_see(names: Names) -> None:
    """A module with `__getattr__` has, when it is asked, what stands there under TYPE_CHECKING."""
    scope = names.module("shop", checking=False)
    assert scope is not None
    assert "Late" not in scope.names
    found = names.followed(names.member("shop", "Late", checking=False), checking=False)
    assert isinstance(found, ClassValue)
