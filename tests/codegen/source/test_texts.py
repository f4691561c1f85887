"""Which file is the text of a module."""

import sys
from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from pathlib import Path
from typing import Any

import pytest

from connpool_gen.source.errors import Unreadable
from connpool_gen.source.texts import Texts

Touch = Callable[..., Path]


@pytest.fixture
def touch(tmp_path: Path) -> Touch:
    """Write a file below a folder that is searched."""

    def one(name: str, text: str = "") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return one


def found(folder: Path, module: str) -> tuple[str, bool, bool] | None:
    """The file of a module, whether it is a stub, whether there is something to import."""
    text = Texts([str(folder)]).module(module)
    if text is None:
        return None
    file = text.file.relative_to(folder).as_posix() if text.file is not None else ""
    return file, text.is_stub, text.runs


def test_a_source_comes_before_its_stub(touch: Touch, tmp_path: Path) -> None:
    """What runs is described by what runs; the stub beside it is for the type checker."""
    touch("shop/__init__.py")
    touch("shop/client.py")
    touch("shop/client.pyi")
    assert found(tmp_path, "shop.client") == ("shop/client.py", False, True)
    stub = Texts([str(tmp_path)]).stub("shop.client")
    assert stub is not None
    assert stub.file == tmp_path / "shop" / "client.pyi"


def test_a_stub_of_an_extension(touch: Touch, tmp_path: Path) -> None:
    """A module that was compiled is described by its stub, and can be imported."""
    touch(f"fast{EXTENSION_SUFFIXES[0]}")
    touch("fast.pyi")
    assert found(tmp_path, "fast") == ("fast.pyi", True, True)


def test_a_stub_package(touch: Touch, tmp_path: Path) -> None:
    """`shop-stubs` holds the stubs of `shop`; a module that it lacks may have one beside its source."""
    touch("shop-stubs/__init__.pyi")
    touch("shop-stubs/deep/client.pyi")
    touch("shop/other.pyi")
    assert found(tmp_path, "shop.deep.client") == ("shop-stubs/deep/client.pyi", True, False)
    assert found(tmp_path, "shop.other") == ("shop/other.pyi", True, False)


def test_parts_of_a_namespace_package(touch: Touch, tmp_path: Path) -> None:
    """A package without `__init__` may lie in several folders."""
    touch("one/shop/first.py")
    touch("two/shop/second/__init__.py")
    texts = Texts([str(tmp_path / "one"), str(tmp_path / "two")])
    for module in ("shop", "shop.first", "shop.second"):
        text = texts.module(module)
        assert text is not None
        assert text.runs


def test_the_standard_library_has_stubs(tmp_path: Path) -> None:
    """What Python has only in C is described by the stubs that the type checker brings."""
    text = Texts([str(tmp_path)]).module("sys")
    assert text is not None
    assert text.is_stub
    assert text.runs


def test_a_package_of_an_import_hook(
    touch: Touch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package that only a hook finds, as that of an editable install, is found by asking the hook."""
    place = touch("elsewhere/shop/__init__.py", "1 / 0")

    class Hook:
        def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
            if name != "hooked_shop":
                return None
            spec = ModuleSpec(name, None, origin=str(place), is_package=True)
            spec.submodule_search_locations = [str(place.parent)]
            return spec

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Hook()])
    texts = Texts([str(tmp_path / "nowhere")])
    text = texts.module("hooked_shop")
    assert text is not None
    assert text.file == place
    assert texts.hooked_place("hooked_shop") == str(place.parent)


def test_nothing_is_found(touch: Touch, tmp_path: Path) -> None:
    """A folder without modules is no package of stubs, and an unknown name is none."""
    touch("shop/readme.txt")
    assert found(tmp_path, "nowhere") is None
    assert found(tmp_path, "shop.client") is None


def test_a_text_that_does_not_parse(touch: Touch, tmp_path: Path) -> None:
    """The error names the file and the line, in Python's words."""
    touch("broken.py", "x = 1\nclass Client(:\n")
    text = Texts([str(tmp_path)]).module("broken")
    assert text is not None
    with pytest.raises(Unreadable, match=r"broken\.py, line 2: invalid syntax"):
        _ = text.tree
