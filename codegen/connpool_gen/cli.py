"""The command: flags -> requests -> pipeline; the only file that sets exit codes.

What was asked for goes to stdout (the module, a diff, JSON); messages go to stderr.
Exit codes: 0 done or up to date, 1 stale (`--check`), 2 an error, nothing written for that target.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from platformdirs import user_cache_path
from rich.console import Console

from connpool_gen._version import __version__
from connpool_gen.config.manifest import configuration, read_manifest
from connpool_gen.config.request import GenerateRequest
from connpool_gen.config.schema import manifest_schema
from connpool_gen.errors import GenerationError, RequestError
from connpool_gen.output.progress import ProgressLine
from connpool_gen.output.report import TextReport, as_json, write_ledger
from connpool_gen.output.run import Action, Result, exit_code, run_all
from connpool_gen.output.write import write_output
from connpool_gen.pipeline import Progress
from connpool_gen.rendering.templates import template_names, template_text


class OutputFormat(Enum):
    """How results are told."""

    TEXT = "text"
    JSON = "json"


app = typer.Typer(
    name="connpool-gen",
    help="Read a client class and write a typed pool wrapper for it.",
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def show_version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        typer.echo(f"connpool-gen {__version__}")
        raise typer.Exit


def cache_folder() -> Path | None:
    """Where the type checker keeps what it knows; None where no such folder can be made."""
    chosen = os.environ.get("CONNPOOL_GEN_CACHE")
    folder = Path(chosen) if chosen else user_cache_path("connpool-gen")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


@app.callback(invoke_without_command=True)
def generate_command(
    context: typer.Context,
    client: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODULE:CLASS",
            help="The client class; may be given again. Without it: all targets of pyproject.toml.",
        ),
    ] = None,
    wrapper: Annotated[
        str | None, typer.Option(help="Name of the generated class.", show_default="<Class>Pool")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="File or folder.", show_default="generated/<class>_pool.py"
        ),
    ] = None,
    pool_field: Annotated[
        str | None, typer.Option(help="Attribute that holds the pool.", show_default="pool")
    ] = None,
    drop_in: Annotated[
        bool, typer.Option("--drop-in", help="For type checkers the wrapper is a client.")
    ] = False,
    protocol: Annotated[
        bool, typer.Option("--protocol", help="Add a Protocol of the client to type against.")
    ] = False,
    metrics: Annotated[
        bool | None, typer.Option("--metrics/--no-metrics", help="Measure calls per method.")
    ] = None,
    connector: Annotated[
        str | None,
        typer.Option(
            metavar="KIND", help="Let the wrapper connect: etcd, grpc, http, milvus, redis."
        ),
    ] = None,
    include: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Wrap only these members.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Leave these members out.")
    ] = None,
    idempotent: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help="Methods that may be retried on another member."),
    ] = None,
    app_dir: Annotated[
        list[Path] | None,
        typer.Option(help="Folder to import the client from, beside the working directory."),
    ] = None,
    templates: Annotated[
        Path | None, typer.Option(help="Folder of templates that take the place of ours.")
    ] = None,
    variable: Annotated[
        list[str] | None,
        typer.Option("-v", "--variable", metavar="KEY=VALUE", help="Value for such templates."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 if an output is out of date.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Write nothing; print what would change.")
    ] = False,
    stdout: Annotated[
        bool, typer.Option("--stdout", help="Write nothing; print the module.")
    ] = False,
    verify: Annotated[
        bool | None, typer.Option("--verify/--no-verify", help="Run mypy --strict on the output.")
    ] = None,
    strict: Annotated[
        bool | None,
        typer.Option("--strict", help="Fail if a member is skipped or loses its type."),
    ] = None,
    ledger: Annotated[
        Path | None,
        typer.Option(help="Write what became of each member: JSON if it ends in .json, else text."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that connpool-gen did not make.")
    ] = False,
    import_timeout: Annotated[
        float | None,
        typer.Option(help="Seconds the client's module may take to import.", show_default="60"),
    ] = None,
    output_format: Annotated[
        OutputFormat, typer.Option("--format", help="How results are told.")
    ] = OutputFormat.TEXT,
    show_config: Annotated[
        bool, typer.Option("--show-config", help="Print the resolved targets as JSON and stop.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only errors.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Also what became of each member.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Read a client class and write a typed pool wrapper for it.

    Without --client, all targets of [[tool.connpool-gen.target]] in pyproject.toml are made.
    """
    given: dict[str, Any] = {
        "wrapper": wrapper,
        "output": output,
        "pool_field": pool_field,
        "mode": chosen_mode(drop_in=drop_in, protocol=protocol),
        "metrics": metrics,
        "connector": connector,
        "include": as_tuple(include),
        "exclude": as_tuple(exclude),
        "idempotent": as_tuple(idempotent),
        "app_dirs": as_tuple(app_dir),
        "templates": templates,
        "variables": as_tuple(variable),
        "verify": verify,
        "strict": strict,
        "import_timeout": import_timeout,
    }
    if context.invoked_subcommand is not None:
        return
    console = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
    try:
        requests = requested(client, {k: v for k, v in given.items() if v is not None})
        if show_config:
            typer.echo(configuration(requests))
            raise typer.Exit
        action = Action.chosen(check=check, diff=diff, stdout=stdout)
        text = TextReport(console, quiet=quiet, verbose=verbose)
        with ProgressLine(
            console, enabled=not quiet and output_format is OutputFormat.TEXT
        ) as line:
            results = run_all(requests, action, force=force, watch=partial(watched, line))
            told = list(text.tell(results) if output_format is OutputFormat.TEXT else results)
        write_results(told, output_format, ledger)
        code = exit_code(told, action)
    except GenerationError as error:
        console.print(f"error: {error}", style="red", markup=False)
        code = 2
    raise typer.Exit(code)


def write_results(results: list[Result], output_format: OutputFormat, ledger: Path | None) -> None:
    """The results for programs: JSON to stdout, the ledger to its file."""
    if output_format is OutputFormat.JSON:
        typer.echo(as_json(results))
    if ledger is not None:
        write_ledger(ledger, results)


def watched(line: ProgressLine, request: GenerateRequest) -> Progress:
    """Tell the progress line which step of which client is under way."""
    return lambda step: line(f"{step} {request.client}")


def chosen_mode(*, drop_in: bool, protocol: bool) -> str | None:
    """The mode that the flags ask for; None when neither is given."""
    if drop_in and protocol:
        raise typer.BadParameter("--drop-in and --protocol exclude each other")
    return "drop-in" if drop_in else "protocol" if protocol else None


def as_tuple(values: list[Any] | None) -> tuple[Any, ...] | None:
    """An option that may be given again: None when it was not given at all."""
    return tuple(values) if values else None


def requested(clients: list[str] | None, given: dict[str, Any]) -> list[GenerateRequest]:
    """The targets of this run: the manifest's, the named clients', flags over both."""
    targets = read_manifest(Path.cwd())
    if not clients:
        if not targets:
            raise RequestError(
                "nothing to do: give --client MODULE:CLASS, for example redis:Redis, or list "
                "[[tool.connpool-gen.target]] in pyproject.toml"
            )
        chosen = targets
    else:
        chosen = [found for name in clients for found in for_client(name, targets)]
    if len(chosen) > 1 and given.keys() & {"wrapper"}:
        raise RequestError("--wrapper names one class; give one --client with it")
    # Flags that were given stand in the command, so the header must show them.
    changes: dict[str, Any] = {**given, "cache_dir": cache_folder()}
    if given.keys() - {"verify", "import_timeout"}:
        changes["from_manifest"] = False
    return [replace(request, **changes) for request in chosen]


def for_client(name: str, targets: list[GenerateRequest]) -> list[GenerateRequest]:
    """The manifest's settings for a client, or the defaults."""
    return [t for t in targets if t.client == name] or [GenerateRequest(client=name)]


templates_app = typer.Typer(
    help="Look at the templates, or copy them to change them.", no_args_is_help=True
)
app.add_typer(templates_app, name="templates")


@templates_app.command("list")
def templates_list() -> None:
    """List the templates."""
    for name in template_names():
        typer.echo(name)


@templates_app.command("show")
def templates_show(name: str) -> None:
    """Print one template."""
    try:
        typer.echo(template_text(name), nl=False)
    except RequestError as error:
        raise typer.BadParameter(str(error)) from error


@templates_app.command("copy")
def templates_copy(folder: Path, names: list[str] | None = None) -> None:
    """Copy templates into a folder for --templates; all of them, or those named."""
    try:
        for name in names or template_names():
            write_output(folder / name, template_text(name), force=False)
            typer.echo(folder / name)
    except GenerationError as error:
        raise typer.BadParameter(str(error)) from error


@app.command("schema")
def schema_command() -> None:
    """Print the JSON schema of [tool.connpool-gen], for editors."""
    typer.echo(manifest_schema())


def main() -> None:
    """Run the command; a user's interrupt ends it without a traceback."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
