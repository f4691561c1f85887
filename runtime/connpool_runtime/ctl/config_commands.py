"""`connpoolctl config`: checks and shows a config of services, and prints its JSON schema."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.table import Table

from connpool_runtime.config.config import Config
from connpool_runtime.config.loading import read_config
from connpool_runtime.config.problems import InvalidConfigFile
from connpool_runtime.config.schema import services_schema

__all__ = ["config_app"]

WRONG, UNUSABLE = 1, 2
"""Exit codes beside 0: the config has errors; the command cannot do what it was told."""

config_app = typer.Typer(
    help="Check and show a config of services; exit code 0 if it is right, 1 if it has errors, 2 if it"
    " cannot be read or the command is misused.",
    no_args_is_help=True,
)

_File = Annotated[Path, typer.Argument(help="The config, a TOML, YAML or JSON file.")]
_Section = Annotated[
    str, typer.Option(help='The key of the services in the file; "" if they are the whole file.')
]
_Env = Annotated[
    str,
    typer.Option(help="The prefix of the environment variables that override the file."),
]
_Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A value that overrides the file and the environment, such as "
        "services.users.pool.max_fails=3.",
    ),
]


@config_app.command()
def check(
    file: _File,
    section: _Section = "services",
    env: _Env = "",
    arguments: _Set = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the errors as JSON.")] = False,
) -> None:
    """Check a config, and print all problems, each with its line.

    Nothing is connected to. Exit codes: 0 it is right, 1 it has errors, 2 it cannot be read.
    """
    try:
        config = _read(file, section, env, arguments)
    except InvalidConfigFile as error:
        if as_json:
            problems = [
                {"place": one.place, "path": one.path, "text": one.text} for one in error.problems
            ]
            sys.stdout.write(json.dumps({"file": str(file), "errors": problems}, indent=2) + "\n")
        else:
            _tell(error)
        raise typer.Exit(WRONG) from None
    if as_json:
        right = {"file": str(file), "errors": [], "notes": list(config.notes)}
        sys.stdout.write(json.dumps(right, indent=2) + "\n")
    else:
        services = ", ".join(config.services) or "no services"
        sys.stdout.write(f"{file} is right: {services}\n")
        for note in config.notes:
            sys.stdout.write(f"note: {note}\n")


@config_app.command()
def show(
    file: _File,
    service: Annotated[str, typer.Option(help="Show only this service.")] = "",
    section: _Section = "services",
    env: _Env = "",
    arguments: _Set = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Also show options that were not given.")
    ] = False,
) -> None:
    """Show every option that was given, its value and its origin. Secrets are masked.

    Exit codes: 0 it was shown, 1 the config has errors, 2 it cannot be read, or has no such service.
    """
    try:
        config = _read(file, section, env, arguments)
    except InvalidConfigFile as error:
        _tell(error)
        raise typer.Exit(WRONG) from None
    shown = config.shown(defaults=everything)
    if service:
        shown = _only(shown, section.rpartition(".")[2], service, config)
    if as_json:
        sys.stdout.write(json.dumps(shown, indent=2, allow_nan=False) + "\n")
        return
    table = Table("option", "value", "from", box=None, pad_edge=False)
    for path, value, origin in _rows(shown):
        table.add_row(path, json.dumps(value), origin)
    # A pipe has no width, and unwrapped lines are easier to search.
    width = None if sys.stdout.isatty() else 200
    Console(width=width, highlight=False, markup=False).print(table)


@config_app.command()
def schema(
    section: _Section = "services",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file.")
    ] = None,
) -> None:
    """Print the JSON schema of configs, which editors complete and check by.

    Exit codes: 0 it was printed, 2 the file cannot be written.
    """
    text = json.dumps(services_schema(section), indent=2, allow_nan=False) + "\n"
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        _give_up(f"the schema cannot be written: {error}")


def _read(file: Path, section: str, env: str, arguments: list[str] | None) -> Config:
    given: dict[str, Any] = {}
    for one in arguments or ():
        key, between, value = one.partition("=")
        if not between or not key:
            _give_up(f"--set takes KEY=VALUE, such as services.users.pool.max_fails=3, not {one!r}")
        given[key.strip()] = value
    try:
        return read_config(file, section=section, env=env, arguments=given)
    except OSError as error:
        _give_up(f"the config cannot be read: {error}")
        raise


def _only(shown: dict[str, Any], services: str, name: str, config: Config) -> dict[str, Any]:
    """Return the part of a shown config about one service."""
    if name not in config.services:
        known = ", ".join(config.services) or "none"
        _give_up(f"there is no service {name!r}; there are {known}")
    return {services: {name: shown[services][name]}} if services else {name: shown[name]}


def _rows(shown: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any, str]]:
    """Yield the key path, the value and the origin of each option."""
    for name, inner in shown.items():
        inside = cast("Mapping[str, Any]", inner)
        if set(inside) == {"value", "from"} and isinstance(inside["from"], str):
            yield ".".join((*path, name)), inside["value"], inside["from"]
        else:
            yield from _rows(inside, (*path, name))


def _tell(error: InvalidConfigFile) -> None:
    sys.stderr.write("".join(f"{problem}\n" for problem in error.problems))


def _give_up(text: str) -> None:
    sys.stderr.write(f"connpoolctl: {text}\n")
    raise typer.Exit(UNUSABLE)
