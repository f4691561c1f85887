"""Templates of one's own: single files overridden, variables declared, mistakes named."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connpool_gen.building.model import BodyForm
from connpool_gen.cli import app
from connpool_gen.errors import GenerationError
from connpool_gen.rendering.templates import template_names, template_text
from tests.codegen.made import ROOT, Maker

SOURCE = "class Client:\n    def get(self, key: str) -> str: ...\n"


def folder_of(maker: Maker, **files: str) -> Path:
    folder = maker.folder / "templates"
    folder.mkdir()
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, "utf-8")
    return folder


def test_one_template_is_overridden(maker: Maker) -> None:
    """A folder takes the place of the templates that it holds; the others stay ours."""
    ours = template_text("module.py.j2")
    folder = folder_of(maker, module__py__j2=ours.replace("__all__ =", "OURS = 1\n__all__ ="))
    text = maker.text(SOURCE, templates=folder)
    assert "OURS = 1" in text
    assert "def get(self, key: str) -> str:" in text


def test_changed_templates_are_used(maker: Maker) -> None:
    """A template that is added, changed or removed while a program runs counts from the next wrapper on."""
    ours = template_text("module.py.j2")
    folder = folder_of(maker, method__py__j2=template_text("method.py.j2"))
    module = folder / "module.py.j2"
    assert "EXTRA" not in maker.text(SOURCE, templates=folder)
    for number in (1, 2):
        module.write_text(ours.replace("__all__ =", f"EXTRA = {number}\n__all__ ="), "utf-8")
        os.utime(module, ns=(number, number))
        assert f"EXTRA = {number}" in maker.text(SOURCE, templates=folder)
    module.unlink()
    assert "EXTRA" not in maker.text(SOURCE, templates=folder)


def test_variables_reach_the_templates(maker: Maker) -> None:
    """A declared variable has its default, or the value of `-v`, in its type."""
    ours = template_text("module.py.j2")
    folder = folder_of(
        maker,
        module__py__j2=ours.replace("__all__ =", "LIMIT = {{ variables.limit }}\n__all__ ="),
        templates__toml="[variables]\nlimit = {type = 'integer', default = 3}\n",
    )
    assert "LIMIT = 3" in maker.text(SOURCE, templates=folder)
    assert "LIMIT = 8" in maker.text(SOURCE, templates=folder, variables=("limit=8",))


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (("limt=1",), "did you mean 'limit'"),
        (("limit=x",), "must be an integer"),
        (("limit",), "not KEY=VALUE"),
        ((), "need -v limit="),
    ],
)
def test_a_mistake_in_a_variable(maker: Maker, variables: tuple[str, ...], words: str) -> None:
    """Unknown, mistyped and missing variables are refused by name."""
    folder = folder_of(
        maker,
        method__py__j2=template_text("method.py.j2"),
        templates__toml="[variables]\nlimit = {type = 'integer'}\n",
    )
    with pytest.raises(GenerationError, match=words):
        maker.text(SOURCE, templates=folder, variables=variables)


@pytest.mark.parametrize(
    "template", ["{{ module.nothing }}", "{% for x in %}", "{{ 1 / 0 }}", "def (:\n"]
)
def test_a_template_that_fails(maker: Maker, template: str) -> None:
    """A wrong name, wrong syntax, an error or output that is no Python is one error, with a cause."""
    folder = folder_of(maker, module__py__j2=template)
    with pytest.raises(GenerationError):
        maker.text(SOURCE, templates=folder)


def test_the_templates_can_be_looked_at(tmp_path: Path) -> None:
    """`templates list`, `show` and `copy` give names, text and files to start from."""
    run = CliRunner()
    assert run.invoke(app, ["templates", "list"]).stdout.split() == template_names()
    shown = run.invoke(app, ["templates", "show", "module.py.j2"])
    assert shown.stdout == template_text("module.py.j2")
    assert run.invoke(app, ["templates", "copy", str(tmp_path / "mine")]).exit_code == 0
    copied = {path.name: path.read_text("utf-8") for path in (tmp_path / "mine").iterdir()}
    assert copied == {name: template_text(name) for name in template_names()}
    wrong = run.invoke(app, ["templates", "show", "modul.py.j2"])
    assert wrong.exit_code == 2
    assert "module.py.j2" in wrong.stderr


@pytest.mark.parametrize("form", BodyForm)
def test_every_form_of_body_has_its_statement(form: BodyForm) -> None:
    """The template writes something for each form that the model has, and the contract names it."""
    assert f'method.form == "{form}"' in template_text("method.py.j2")
    assert f"`{form}`" in (ROOT / "docs" / "templates.md").read_text("utf-8")
