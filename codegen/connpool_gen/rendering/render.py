"""Renders the model with the templates, which arrange and decide nothing; only this file imports Jinja."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PrefixLoader,
    StrictUndefined,
    TemplateSyntaxError,
)

from connpool_gen.errors import GenerationError
from connpool_gen.rendering.templates import template_folder

if TYPE_CHECKING:
    from connpool_gen.building.model import ModuleModel


def render(
    module: ModuleModel, folder: Path | None = None, variables: dict[str, object] | None = None
) -> str:
    """Render the model; the text is not formatted yet.

    `folder` holds templates that take the place of ours by name; they reach ours as
    `builtin/<name>`, to extend them block by block. `variables` are for such templates.
    """
    try:
        template = environment_for(folder).get_template("module.py.j2")
        return template.render(module=module, variables=variables or {})
    except Exception as error:  # a template is code and may raise anything
        place = ""
        if isinstance(error, TemplateSyntaxError):
            place = f" ({error.name}, line {error.lineno})"
        raise GenerationError(
            f"a template failed: {type(error).__name__}: {error}{place}"
        ) from error


def environment_for(folder: Path | None) -> Environment:
    """Find the environment of a folder of templates, if there is one, as it is now."""
    if folder is None:
        return environment(None, ())
    folder = folder.resolve()
    return environment(folder, tuple(sorted(path.name for path in folder.glob("*.j2"))))


@lru_cache(maxsize=8)
def environment(folder: Path | None, _names: tuple[str, ...]) -> Environment:
    """Create an environment, which compiles a template once, and again when its file has changed.

    Not when a folder has got a template that takes the place of ours: therefore the names of those that it has.
    """
    return Environment(
        loader=loader(folder),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def loader(folder: Path | None) -> BaseLoader:
    """Create the loader: the user's templates first, then ours, which are also under `builtin/`."""
    ours = FileSystemLoader(template_folder())
    named = PrefixLoader({"builtin": ours})
    theirs = [FileSystemLoader(folder)] if folder is not None else []
    return ChoiceLoader([*theirs, ours, named])
