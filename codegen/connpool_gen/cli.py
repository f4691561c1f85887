"""The command: flags -> requests -> results; the only file that sets exit codes.

What was asked for goes to stdout (the module, a diff, JSON); messages go to stderr.
Exit codes: 0 done or up to date, 1 stale (`--check`), 2 an error, nothing written for that target.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from platformdirs import user_cache_path
from rich.console import Console
from rich.markup import escape

from connpool_gen._version import __version__
from connpool_gen.config.manifest import configuration, read_manifest
from connpool_gen.config.options import OPTIONS, TARGET_OPTIONS, Kind, Option
from connpool_gen.config.request import GenerateRequest
from connpool_gen.config.schema import manifest_schema
from connpool_gen.errors import GenerationError, RequestError
from connpool_gen.nearest import suggestion
from connpool_gen.output.progress import ProgressLine
from connpool_gen.output.report import TextReport, as_json, write_ledger
from connpool_gen.output.run import Action, exit_code, run_all
from connpool_gen.output.write import write_output
from connpool_gen.pipeline import Progress
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
    told_as = flags["format"] or FORMAT.default
    FORMAT.refuse(told_as, "--format")
    text = TextReport(console, quiet=bool(flags["quiet"]), verbose=bool(flags["verbose"]))
    shown = not flags["quiet"] and told_as == "text"
    with ProgressLine(console, enabled=shown) as line:
        results = run_all(
            requests, action, force=bool(flags["force"]), watch=partial(watched, line)
        )
        told = list(text.tell(results) if told_as == "text" else results)
    if told_as == "json":
        typer.echo(as_json(told))
    if flags["ledger"] is not None:
        write_ledger(flags["ledger"], told)
    return exit_code(told, action)


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
    if any(option.shapes_output and option.field in given for option in TARGET_OPTIONS):
        changes["from_manifest"] = False
    return [replace(request, **changes) for request in chosen]


def for_client(name: str, targets: list[GenerateRequest]) -> list[GenerateRequest]:
    """Find the manifest's settings for a client, or use the defaults."""
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


@app.command("schema", help=escape("Print the JSON schema of [tool.connpool-gen], for editors."))
def schema_command() -> None:
    """Print the JSON schema of the table in pyproject.toml."""
    typer.echo(manifest_schema())


@app.command("adopt")
def adopt_command(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATHS...", help="Files and folders of the code to move."),
    ],
    client: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODULE:CLASS", help="Move this target of pyproject.toml; may be given again."
        ),
    ] = None,
    factory: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[CLIENT=]MODULE:FUNCTION",
            help="Call this function where the code makes a client; may be given again. CLIENT may end "
            "in a class method, as in redis:Redis.from_url.",
        ),
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Change the files, all or none; else print a diff.")
    ] = False,
    told_as: Annotated[
        str, typer.Option("--format", metavar="text|json", help="How results are told.")
    ] = "text",
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only the diff and what is left.")
    ] = False,
) -> None:
    """Move code from the clients of pyproject.toml to their wrappers.

    Rewrites annotations, imports and, with --factory, constructions; what it leaves is listed with the
    reason and what to do. Exit code 0: all is moved, 1: something is left, 2: an error.
    """
    from connpool_gen.adopting.adopt import AdoptRequest, adopt
    from connpool_gen.adopting.report import as_json, tell
    from connpool_gen.adopting.writing import write_all

    console = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
    try:
        FORMAT.refuse(told_as, "--format")
        request = AdoptRequest(
            targets=adoptable(client),
            paths=paths,
            factories=factory or (),
            cache_dir=cache_folder(),
        )
        with ProgressLine(console, enabled=not quiet and told_as == "text") as line:
            adoption = adopt(request, line)
        if write:
            write_all([file.replacement for file in adoption.files])
        if told_as == "json":
            typer.echo(as_json(adoption, written=write))
        else:
            tell(adoption, console, written=write, quiet=quiet)
        code = 1 if adoption.left else 0
    except GenerationError as error:
        console.print(f"error: {error}", style="red", markup=False)
        code = 2
    raise typer.Exit(code)


def adoptable(clients: list[str] | None) -> list[GenerateRequest]:
    """Collect the targets to move code to: the manifest's, or those of them that are named."""
    if not read_manifest(Path.cwd()):
        raise RequestError(
            "nothing to move: list the clients as [[tool.connpool-gen.target]] in pyproject.toml, run "
            "connpool-gen, then adopt from that folder"
        )
    targets = requested(None, {})
    named = [t.client for t in targets]
    for name in clients or ():
        if name not in named:
            raise RequestError(
                f"--client {name}: no target of pyproject.toml{suggestion(name, named)}; "
                "code is moved to wrappers that stand there"
            )
    return [t for t in targets if not clients or t.client in clients]


def main() -> None:
    """Run the command; a user's interrupt ends it without a traceback."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
