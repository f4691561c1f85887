"""The command: flags -> requests -> results; the only file that sets exit codes.

What was asked for goes to stdout (the module, a diff, JSON); messages go to stderr.
Exit codes: 0 done or up to date, 1 stale (`--check`), 2 an error, nothing written for that target.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from platformdirs import user_cache_path
from rich.console import Console
from rich.markup import escape

from connpool_gen._version import __version__
from connpool_gen.config.manifest import (
    Entry,
    Manifest,
    configuration,
    find_manifest,
    is_glob,
    load_manifest,
    refuse_glob,
)
from connpool_gen.config.options import OPTIONS, TARGET_OPTIONS, Kind, Option
from connpool_gen.config.request import GenerateRequest
from connpool_gen.config.schema import manifest_schema
from connpool_gen.errors import GenerationError, RequestError
from connpool_gen.output.github import workflow_annotations
from connpool_gen.output.progress import ProgressLine
from connpool_gen.output.report import TextReport, as_json, write_ledger
from connpool_gen.output.revision import Revision, find_revision
from connpool_gen.output.run import Action, Result, compared, exit_code, gone_since, run_all
from connpool_gen.output.write import write_output
from connpool_gen.pipeline import Progress
from connpool_gen.planning.patterns import refuse_unmatched_anywhere
from connpool_gen.rendering.templates import template_names, template_text

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
    """Find the folder for the type checker's cache; None where no such folder can be made."""
    chosen = os.environ.get("CONNPOOL_GEN_CACHE")
    folder = Path(chosen) if chosen else user_cache_path("connpool-gen")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


FORMAT = next(option for option in OPTIONS if option.field == "format")
HELP = """Read a client class and write a typed pool wrapper for it.

Without --client, all targets of [[tool.connpool-gen.target]] in pyproject.toml are made.
"""
# What typer is told about single options beside the table.
MORE: dict[str, dict[str, Any]] = {"version": {"callback": show_version, "is_eager": True}}
# The types of the flags' values; all others are texts.
TYPES: dict[Kind, object] = {
    Kind.SWITCH: bool | None,
    Kind.PATH: Path | None,
    Kind.PATHS: list[Path] | None,
    Kind.TEXTS: list[str] | None,
}


def signature_of_options() -> inspect.Signature:
    """Make the parameters by which typer learns the flags, from the table of options."""
    context = inspect.Parameter(
        "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )
    flags = [flag for option in OPTIONS for flag in parameters_of(option)]
    return inspect.Signature([context, *flags])


def parameters_of(option: Option) -> Iterator[inspect.Parameter]:
    """Make the parameters of one option: none without flags, several for a choice that has a flag each."""
    for value, help_text in option.value_flags:
        flag = typer.Option(f"--{value}", help=escape(help_text))
        yield parameter(value.replace("-", "_"), bool | None, flag)
    if option.flags:
        flags = list(option.flags)
        if option.off_flag is not None:
            flags[0] = f"{flags[0]}/{option.off_flag}"
        flag = typer.Option(
            *flags,
            help=escape(option.help_text),
            metavar=option.metavar,
            show_default=shown_default(option),
            autocompletion=completer(option) if option.allowed else None,
            **MORE.get(option.field, {}),
        )
        many = list[str] | None if option.field == "client" else str | None
        yield parameter(option.field, TYPES.get(option.kind, many), flag)


def shown_default(option: Option) -> str | bool:
    """Choose what the help shows as the default; False where that would say nothing."""
    said = option.default_said
    return said if said not in ("", "none") and option.kind is not Kind.SWITCH else False


def completer(option: Option) -> Callable[[str], list[str]]:
    """Make the function that completes the value of a choice in a shell."""

    def complete(incomplete: str) -> list[str]:
        return [value for value in option.allowed if value.startswith(incomplete)]

    return complete


def parameter(name: str, kind: object, flag: object) -> inspect.Parameter:
    """Make one parameter of the command; None stands for a flag that was not given."""
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind, flag],
    )


def generate_command(context: typer.Context, **flags: Any) -> None:
    """Make, check or print the wrappers that were asked for."""
    if context.invoked_subcommand is not None:
        return
    console = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
    try:
        requests = requested(flags["client"], given_options(flags))
        if flags["show_config"]:
            typer.echo(configuration(requests))
            raise typer.Exit
        code = run_requests(requests, flags, console)
    except GenerationError as error:
        console.print(f"error: {error}", style="red", markup=False)
        code = 2
    raise typer.Exit(code)


# typer reads the flags off the signature.
vars(generate_command)["__signature__"] = signature_of_options()
app.callback(invoke_without_command=True, help=escape(HELP))(generate_command)


def run_requests(requests: list[GenerateRequest], flags: dict[str, Any], console: Console) -> int:
    """Run the requests, tell the results, and give the exit code."""
    action = Action.chosen(check=flags["check"], diff=flags["diff"], stdout=flags["stdout"])
    revision = chosen_revision(flags["against"], action)
    told_as = flags["format"] or FORMAT.default
    FORMAT.refuse(told_as, "--format")
    text = TextReport(console, quiet=bool(flags["quiet"]), verbose=bool(flags["verbose"]))
    shown = not flags["quiet"] and told_as == "text"
    with ProgressLine(console, enabled=shown) as line:
        results = run_all(
            requests, action, force=bool(flags["force"]), watch=partial(watched, line)
        )
        if revision is not None:
            results = (compared(result, revision) for result in results)
        told = list(text.tell(results) if told_as == "text" else results)
    gone = gone_since(revision, told) if revision is not None and not flags["client"] else []
    if told_as == "json":
        typer.echo(as_json(told, gone if revision is not None else None))
    elif told_as == "github":
        typer.echo(workflow_annotations(told, gone), nl=False)
    else:
        for one in gone:
            console.print(str(one), style="red", markup=False)
    if not flags["client"]:
        refuse_useless_patterns(told)
    if flags["ledger"] is not None:
        write_ledger(flags["ledger"], told)
    return exit_code(told, action, gone)


def chosen_revision(name: str | None, action: Action) -> Revision | None:
    """Find the revision of `--against`, which only a check can compare with."""
    if name is None:
        return None
    if action is not Action.CHECK:
        raise RequestError("--against goes with --check: nothing is written while versions are compared")
    return find_revision(name, Path.cwd())


def refuse_useless_patterns(results: Sequence[Result]) -> None:
    """Refuse names and globs that several targets share, as those of the defaults, and that match in none."""
    made = [(result.request, result.made) for result in results]
    if all(module is not None for _, module in made):
        refuse_unmatched_anywhere(
            [(r, [e.name for e in m.ledger.entries]) for r, m in made if m is not None]
        )


def given_options(flags: dict[str, Any]) -> dict[str, Any]:
    """Collect the fields of a request that flags set; `--client` chooses the request itself."""
    given: dict[str, Any] = {}
    for option in TARGET_OPTIONS:
        chosen = [v for v, _ in option.value_flags if flags[v.replace("-", "_")]]
        if len(chosen) > 1:
            named = " and ".join(f"--{value}" for value in chosen)
            raise RequestError(f"{named} exclude each other")
        value = chosen[0] if chosen else flags.get(option.field)
        # A flag that may be given again is an empty list where it was not given.
        if value is None or value == [] or option.field == "client":
            continue
        if option.kind is Kind.SECONDS and not option.fits(value):
            raise RequestError(f"{option.flags[0]} is {value!r}; it must be {option.kind.value}")
        given[option.field] = option.read(value)
    return given


def watched(line: ProgressLine, request: GenerateRequest) -> Progress:
    """Make the function that tells the progress line which step of which client is under way."""
    return lambda step: line(f"{step} {request.client}")


def requested(clients: list[str] | None, given: dict[str, Any]) -> list[GenerateRequest]:
    """Collect the targets of this run: the manifest's or the named clients', with flags over both."""
    manifest = load_manifest(find_manifest(Path.cwd()))
    if not clients:
        chosen = manifest.requests()
        if not chosen:
            raise RequestError(
                "nothing to do: give --client MODULE:CLASS, for example redis:Redis, or list "
                "[[tool.connpool-gen.target]] in pyproject.toml, as `connpool-gen init` does"
            )
    else:
        chosen = [found for name in clients for found in for_client(name, manifest)]
    if len(chosen) > 1 and given.keys() & {"wrapper"}:
        raise RequestError("--wrapper names one class; give one --client with it")
    # Flags that were given stand in the command, so the header must show them.
    given = {name: from_here(value, manifest.folder) for name, value in given.items()}
    changes: dict[str, Any] = {**given, "cache_dir": cache_folder()}
    if any(option.shapes_output and option.field in given for option in TARGET_OPTIONS):
        changes["from_manifest"] = False
    return [replace(request, **changes) for request in chosen]


def for_client(name: str, manifest: Manifest) -> list[GenerateRequest]:
    """Find the manifest's settings for a client or a glob of clients, or use the defaults.

    A client that the manifest does not list is imported from the working directory.
    """
    if listed := manifest.requests_for(name):
        return listed
    here = Path.cwd()
    fields: dict[str, Any] = dict(manifest.defaults)
    if manifest.folder != here:
        fields = {field: from_there(value, manifest.folder) for field, value in fields.items()}
    entry = Entry(
        where=f"--client {name}",
        clients=(name,),
        excluded=(),
        fields=fields,
        inherited=frozenset(fields),
        root=here,
    )
    if is_glob(name):
        refuse_glob(name, entry.where)
        classes = manifest.expanded(entry, name)
        return [found for client in classes for found in for_client(client, manifest)]
    return [replace(entry.request(name), from_manifest=bool(fields))]


def from_here(value: Any, folder: Path) -> Any:
    """Make the paths of a flag independent of the working directory, where the manifest stands elsewhere."""
    return value if folder == Path.cwd() else from_there(value, Path.cwd())


def from_there(value: Any, folder: Path) -> Any:
    """Make a path, or a tuple of paths, that is relative to a folder independent of where we are."""
    if isinstance(value, tuple):
        return tuple(from_there(item, folder) for item in value)
    return folder / value if isinstance(value, Path) else value


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


@app.command("schema", help=escape("Print the JSON schema of [tool.connpool-gen], for editors."))
def schema_command() -> None:
    """Print the JSON schema of the table in pyproject.toml."""
    typer.echo(manifest_schema())


def main() -> None:
    """Run the command; a user's interrupt ends it without a traceback."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
