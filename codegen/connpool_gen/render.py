"""Model -> text. The only file that knows Jinja; the templates arrange, they decide nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from connpool_gen.errors import GenerationError

if TYPE_CHECKING:
    from connpool_gen.model import ModuleModel


def template_folder() -> Path:
    """The templates: beside this file in an installed package, two levels up in a checkout."""
    here = Path(__file__).resolve().parent
    for folder in (here / "templates", here.parents[1] / "templates"):
        if (folder / "module.py.j2").is_file():
            return folder
    raise GenerationError("the templates are missing; reinstall connpool-gen")


def render(module: ModuleModel) -> str:
    """Arrange the model's strings; the text is not yet formatted."""
    environment = Environment(
        loader=FileSystemLoader(template_folder()),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    try:
        return environment.get_template("module.py.j2").render(module=module)
    except TemplateError as error:
        raise GenerationError(f"a template failed: {type(error).__name__}: {error}") from error
