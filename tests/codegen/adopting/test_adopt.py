"""What is moved and what is left, case by case; all cases are files of one project, moved once."""

from textwrap import dedent

import pytest

from connpool_gen.adopting.adopt import Adoption
from connpool_gen.errors import GenerationError
from tests.codegen.adopting.cases import LEFT, MOVED
from tests.codegen.adopting.projects import Project

CRLF = b"\xef\xbb\xbffrom shop import Shop\r\n\x0c\r\ndef price(shop: Shop) -> int:  # \xc2\xa0\r\n\treturn shop.price('tea')"
LATIN = (
    "# -*- coding: latin-1 -*-\nfrom shop import Shop\n\nx: Shop | None = None  # caf\xe9\n".encode(
        "latin-1"
    )
)


@pytest.fixture(scope="module")
def project(shops: Project) -> Project:
    """A project with all cases in it."""
    project = shops
    project.write({f"cases/{name}": before for name, (before, _) in MOVED.items()})
    project.write({f"left/{name}": text for name, (text, _) in LEFT.items()})
    project.write(
        {
            "cases/__init__.py": "",
            "left/__init__.py": "",
            "cases/crlf.py": CRLF,
            "cases/latin.py": LATIN,
        }
    )
    outside = "from shop import Shop\ndef price(shop: Shop) -> int: return 1\ndef anything(shop): ...\ndef make() -> Shop: return Shop()\n"
    project.write(
        {"outside.py": outside, "cases/broken.py": "def f(:\n", "cases/.hidden/x.py": "("}
    )
    return project


@pytest.fixture(scope="module")
def adoption(project: Project) -> Adoption:
    """What moving the project gives."""
    return project.adopt("cases", "left")


@pytest.fixture(scope="module")
def texts(project: Project, adoption: Adoption) -> dict[str, str]:
    """The texts of all files after the move."""
    found = {
        str(p.relative_to(project.folder)): p.read_bytes() for p in project.folder.rglob("*.py")
    }
    found |= {str(file.path): file.replacement.after for file in adoption.files}
    return {name: data.decode("utf-8", "replace") for name, data in found.items()}


@pytest.mark.parametrize("name", MOVED)
def test_code_is_moved(name: str, texts: dict[str, str]) -> None:
    """Annotations, imports and constructions get the wrapper's names; all else stays as it was."""
    assert texts[f"cases/{name}"] == dedent(MOVED[name][1]).lstrip("\n")


@pytest.mark.parametrize("name", LEFT)
def test_what_cannot_be_moved_is_listed(name: str, adoption: Adoption) -> None:
    """What a person has to look at is listed with line, kind, reason and advice."""
    found = [one for one in adoption.left if one.path == f"left/{name}"]
    wanted = LEFT[name][1]
    assert [(one.line, one.what) for one in found] == [(line, what) for line, what, _ in wanted]
    for one, (_, _, reason) in zip(found, wanted, strict=True):
        assert reason in one.reason
        assert one.advice


def test_only_what_is_expected_is_left(adoption: Adoption) -> None:
    """The cases that are moved leave nothing but the file that is no Python."""
    assert {one.path for one in adoption.left if one.path.startswith("cases/")} == {
        "cases/broken.py"
    }


def test_line_ends_and_encodings_stay(adoption: Adoption) -> None:
    """A byte order mark, CRLF, form feeds, tabs, a missing last line end and an encoding are kept."""
    after = {str(file.path): file.replacement.after for file in adoption.files}
    assert after["cases/crlf.py"] == CRLF.replace(
        b"from shop import Shop", b"from generated.shop_pool import ShopPool"
    ).replace(b": Shop", b": ShopPool")
    assert after["cases/latin.py"] == LATIN.replace(
        b"from shop import Shop", b"from generated.shop_pool import ShopPool"
    ).replace(b"x: Shop", b"x: ShopPool")


def test_classes_and_errors_are_kept(adoption: Adoption) -> None:
    """Errors and attributes of the client's class stay, and are no work for anybody."""
    kept = [(one.line, one.what) for one in adoption.kept if one.path == "left/kept.py"]
    assert kept == [
        (5, "call of the class method tax"),
        (5, "class attribute, unchanged"),
        (6, "except clause, unchanged"),
    ]


def test_diffs_are_those_of_the_texts(adoption: Adoption) -> None:
    """A diff removes and adds the lines that differ, and says so where no line end comes last."""
    [file] = [file for file in adoption.files if str(file.path) == "cases/crlf.py"]
    assert (
        "-\ufefffrom shop import Shop\r\n" in file.diff()
        or "-from shop import Shop\r\n" in file.diff()
    )
    assert file.diff().endswith("\\ No newline at end of file\n")


def test_a_second_move_changes_nothing(project: Project, adoption: Adoption) -> None:
    """Moving what is moved already changes no file."""
    project.write_moved(adoption)
    try:
        repeated = project.adopt("cases", "left")
    finally:
        project.undo(adoption)
    assert repeated.files == ()
    assert {one.what for one in repeated.left} >= {"subclass", "instance check"}


def test_constructions_wait_for_a_factory(project: Project) -> None:
    """Without a factory, annotations move and each construction is listed with what to do."""
    project.write({"alone/one.py": MOVED["fields.py"][0]})
    adoption = project.adopt("alone", factories=())
    [file] = adoption.files
    assert "    shop: ShopPool\n" in file.after
    assert 'Street(Shop("left"), [Shop.at("right")])' in file.after
    assert [(one.line, one.what) for one in adoption.left] == [
        (10, "default factory"),
        (13, "call of a class method .at"),
        (13, "construction"),
    ]
    assert all("--factory shop:Shop" in one.advice for one in adoption.left)


def test_importing_back_is_left(project: Project) -> None:
    """A module that the factory's module imports does not import the factory."""
    project.write(
        {
            "circle/__init__.py": "",
            "circle/settings.py": "from shop import Shop\n\nDEFAULT = Shop('x')\n",
            "circle/makers.py": """
                from circle import settings
                from generated.shop_pool import ShopPool

                def make(town: str) -> ShopPool:
                    assert settings.DEFAULT
                    return ShopPool()
            """,
        }
    )
    adoption = project.adopt("circle", factories=("shop:Shop=circle.makers:make",))
    assert adoption.files == ()
    assert ["circle.makers imports this module" in one.reason for one in adoption.left] == [True]


def refused(project: Project, *paths: str, factories: tuple[str, ...] = ()) -> str:
    """Move what cannot be moved; give the message."""
    with pytest.raises(GenerationError) as raised:
        project.adopt(*paths, factories=factories)
    return str(raised.value)


def test_slips_are_explained(project: Project) -> None:
    """Paths, factories and wrappers that are not there are named, with what to do."""
    assert "nowhere does not exist" in refused(project, "nowhere")
    assert "not a Python file" in refused(project, "pyproject.toml")
    assert "must be MODULE:FUNCTION" in refused(project, "cases", factories=("shop:Shop=x",))
    assert "say for which it is" in refused(project, "cases", factories=("a:b",))
    assert "did you mean 'shop:Shop'" in refused(project, "cases", factories=("shop:Shap=a:b",))
    project.write({"nothing/x.py": "x = 1\n"})
    missing = refused(project, "nothing", factories=("shop:Shop=nomodule:make",))
    assert "--factory nomodule:make" in missing


def test_a_stale_wrapper_comes_first(project: Project) -> None:
    """Without its wrapper nothing is moved; the message has the command that makes it."""
    path = project.folder / "generated" / "shop_pool.py"
    text = path.read_text()
    try:
        path.write_text(text + "\nx = 1\n")
        assert "run `connpool-gen --client shop:Shop` first" in refused(project, "cases")
        path.unlink()
        assert "does not exist yet" in refused(project, "cases")
    finally:
        path.write_text(text)
