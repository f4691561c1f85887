"""Write the pages of docs/reference from the code: the public names, the events, the errors, the command.

python -m tools.reference_pages     put them in place; a test compares them
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from connpool_gen.cli import app
from connpool_runtime import errors
from connpool_runtime.events import types as events
from tools.public_names import MODULES

__all__ = ["FOLDER", "pages"]

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
MADE = "<!-- Made by tools/reference_pages.py. -->\n\n"
API = f"""{MADE}# Python names

What users import, module by module; [what stays stable](../../stability.md) says what is promised of it.

```{{toctree}}
:maxdepth: 1
:glob:
*
```
"""


def pages() -> dict[str, str]:
    """Return the text of each page by its name."""
    api = {f"api/{module}.md": _api(module) for module in MODULES}
    return {
        **api,
        "api/index.md": API,
        "errors.md": MADE + "\n".join(_errors()) + "\n",
        "events.md": MADE + "\n".join(_events()) + "\n",
        "cli.md": MADE + "\n".join(_cli()) + "\n",
    }


def _api(module: str) -> str:
    return f"""{MADE}# {module}

```{{eval-rst}}
.. automodule:: {module}
   :members:
   :undoc-members:
   :show-inheritance:
   :no-index:
```
"""


def _errors() -> Iterator[str]:
    yield "# Errors\n"
    yield "What the runtime raises itself. An error of the client comes through as it was raised.\n"
    yield "| error | is a | raised when |\n|---|---|---|"
    for name in errors.__all__:
        kind = getattr(errors, name)
        bases = ", ".join(f"`{base.__name__}`" for base in kind.__bases__)
        yield f"| `{name}` | {bases} | {_first_line(kind)} |"


def _events() -> Iterator[str]:
    yield "# Events\n"
    yield "What a listener is told: `pool.subscribe(listener)` calls it with each, outside of all locks.\n"
    yield "| event | fields | told when |\n|---|---|---|"
    for name in events.__all__:
        kind = getattr(events, name)
        if not inspect.isclass(kind):
            continue
        fields = ", ".join(f"`{field}`" for field in getattr(kind, "__dataclass_fields__", {}))
        yield f"| `{name}` | {fields} | {_first_line(kind)} |"


def _cli() -> Iterator[str]:
    yield "# The command\n"
    yield "What `--help` says. [The generator](../generator.md) tells what each option is for.\n"
    command: Any = get_command(app)
    yield from _command("connpool-gen", command)
    for name, each in command.commands.items():
        if not each.hidden:
            yield from _command(f"connpool-gen {name}", each)


def _command(name: str, command: Any) -> Iterator[str]:
    yield f"\n## `{name}`\n"
    yield _cell(inspect.cleandoc(command.help or "")) + "\n"
    options = [each for each in command.params if not getattr(each, "hidden", False)]
    if options:
        yield "| option | what |\n|---|---|"
    for each in options:
        names = ", ".join(f"`{flag}`" for flag in (*each.opts, *each.secondary_opts))
        if each.param_type_name == "argument":
            names = f"`{each.name}`"
        yield f"| {names} | {_cell(getattr(each, 'help', None) or '')} |"


def _first_line(kind: type) -> str:
    return _cell((inspect.getdoc(kind) or "").partition("\n\n")[0])


def _cell(text: str) -> str:
    return " ".join(text.replace("\\[", "[").split()).replace("|", "\\|")


def main() -> None:
    """Write the pages, and remove those of modules that are public no more."""
    wanted = pages()
    for old in FOLDER.rglob("*.md"):
        if str(old.relative_to(FOLDER)) not in wanted and old.read_text("utf-8").startswith(MADE):
            old.unlink()
    for name, text in wanted.items():
        (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
