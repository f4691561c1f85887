"""The command line: flags become requests, requests become results; only this file sets exit codes.

What was asked for goes to stdout (the module, a diff, JSON); messages go to stderr.
Exit codes: 0 done or up to date, 1 stale (`--check`), 2 an error, nothing written for that target.
"""

from __future__ import annotations

import atexit
import gc
import inspect
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from platformdirs import user_cache_path
from rich.console import Console
from rich.markup import escape
from typer.core import TyperGroup

from connpool_gen._version import __version__
from connpool_gen.config.manifest import (
    FILE,
    TABLE,
    Entry,
    Manifest,
    configuration,
    find_manifest,
    is_glob,
    load_manifest,
    project_above,
    refuse_glob,
)
from connpool_gen.config.options import OPTIONS, TARGET_OPTIONS, Kind, Option
from connpool_gen.config.paths import from_here, from_there, seen_from
from connpool_gen.config.request import GenerateRequest
from connpool_gen.environment.choosing import with_python
from connpool_gen.environment.interpreter import python_of
from connpool_gen.errors import GenerationError, RequestError
from connpool_gen.nearest import suggestion
from connpool_gen.output.cache_slot import cache_slot
from connpool_gen.output.github import workflow_annotations, workflow_command
from connpool_gen.output.progress import ProgressLine
from connpool_gen.output.report import TextReport, as_json, write_ledger
from connpool_gen.output.revision import Revision, find_revision
from connpool_gen.output.run import Action, Result, compared, exit_code, gone_since, run_all
from connpool_gen.output.write import write_output
from connpool_gen.planning.patterns import refuse_unmatched_anywhere
from connpool_gen.rendering.templates import template_names, template_text

if TYPE_CHECKING:
    from connpool_gen.pipeline import Progress


class Commands(TyperGroup):
    """The commands of `connpool-gen`; the error for a word that is no command suggests what was probably meant."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that the first word names; `ctx` is of a class that typer does not publish."""
        if self.get_command(ctx, args[0]) is None:
            flags = [flag for option in OPTIONS for flag in option.flags]
            ctx.fail(no_command(args[0], list(self.commands), flags))
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take the values of the flags as they were given, since the table of options reads them.

        typer converts each value by pydantic, also one that was not given, and to import pydantic takes a third
        of a check that finds everything up to date.
        """
        for flag in self.get_params(ctx):
            flag.process_value = partial(as_given, flag)  # type: ignore[method-assign] # of this flag
        return super().parse_args(ctx, args)


def as_given(flag: Any, context: typer.Context, value: object) -> object:
    """Return the value of a flag; a flag with a callback, such as --version, may end the command instead."""
    if value is None and flag.multiple:
        value = ()  # typer asks for its length
    return value if flag.callback is None else flag.callback(context, flag, value)


def no_command(word: str, commands: list[str], flags: list[str]) -> str:
    """Suggest what was meant by a word that is no command: a client's class, a flag, a command."""
    if ":" in word:
        return f"{word!r} is not a command; to wrap a class, use --client: connpool-gen --client {word}"
    if f"--{word}" in flags:
        return f"{word!r} is not a command, but there is a flag --{word}"
    return f"{word!r} is not a command{suggestion(word, commands)}"


app = typer.Typer(
    name="connpool-gen",
    cls=Commands,
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
    """Find the folder for the type checker's cache; None if none can be created."""
    chosen = os.environ.get("CONNPOOL_GEN_CACHE")
    folder = Path(chosen) if chosen else user_cache_path("connpool-gen")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


LISTING_FORMATS = ("text", "json")
FORMAT = next(option for option in OPTIONS if option.field == "format")
HELP = """Read a client class and write a typed pool wrapper for it.

Without --client, all targets of [[tool.connpool-gen.target]] in pyproject.toml are made.
"""
# Details of single options for typer, beside the table.
MORE: dict[str, dict[str, Any]] = {"version": {"callback": show_version, "is_eager": True}}
# The groups of the help: an option that shapes a wrapper is a key of a target too; the rest is about one run.
OF_TARGETS = "Options of the wrapper, which are keys of pyproject.toml too"
OF_RUNS = "Options of this run"
# The types of flags' values; all others are texts.
TYPES: dict[Kind, object] = {
    Kind.SWITCH: bool | None,
    Kind.PATH: Path | None,
    Kind.PATHS: list[Path] | None,
    Kind.TEXTS: list[str] | None,
    Kind.METHODS: list[str] | None,
}


def signature_of_options() -> inspect.Signature:
    """Create the parameters by which typer learns the flags, from the table of options."""
    context = inspect.Parameter(
        "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )
    flags = [flag for option in OPTIONS for flag in parameters_of(option)]
    return inspect.Signature([context, *flags])


def parameters_of(option: Option) -> Iterator[inspect.Parameter]:
    """Create the parameters of one option: none without flags, several for a choice with a flag each."""
    panel = OF_TARGETS if option.key is not None else OF_RUNS
    for value, help_text in option.value_flags:
        flag = typer.Option(f"--{value}", help=escape(help_text), rich_help_panel=panel)
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
            rich_help_panel=panel,
            autocompletion=completer(option) if option.allowed else None,
            **MORE.get(option.field, {}),
        )
        many = list[str] | None if option.field == "client" else str | None
        yield parameter(option.field, TYPES.get(option.kind, many), flag)


def shown_default(option: Option) -> str | bool:
    """Choose the default that the help shows; False where it would say nothing."""
    said = option.default_said
    return said if said not in ("", "none") and option.kind is not Kind.SWITCH else False


def completer(option: Option) -> Callable[[str], list[str]]:
    """Create the function that completes the value of a choice in a shell."""

    def complete(incomplete: str) -> list[str]:
        return [value for value in option.allowed if value.startswith(incomplete)]

    return complete


def parameter(name: str, kind: object, flag: object) -> inspect.Parameter:
    """Create one parameter of the command; None means that the flag was not given."""
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind, flag],
    )


def generate_command(context: typer.Context, **flags: Any) -> None:
    """Generate, check or print the requested wrappers."""
    if context.invoked_subcommand is not None:
        return
    console = error_console()
    try:
        requests = requested(flags["client"], given_options(flags))
        if flags["show_config"]:
            typer.echo(configuration(requests))
            raise typer.Exit
        with cached(requests) as requests:
            code = run_requests(requests, flags, console)
    except GenerationError as error:
        console.print(f"error: {error}", style="red", markup=False)
        if flags["format"] == "github":
            typer.echo(workflow_command("error", Path(FILE), str(error)))
        code = 2
    raise typer.Exit(code)


def error_console() -> Console:
    """Create the console for messages."""
    return Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


# typer reads the flags from the signature.
vars(generate_command)["__signature__"] = signature_of_options()
app.callback(invoke_without_command=True, help=escape(HELP))(generate_command)


def run_requests(requests: list[GenerateRequest], flags: dict[str, Any], console: Console) -> int:
    """Run the requests, report the results, and return the exit code."""
    action = Action.chosen(check=flags["check"], diff=flags["diff"], stdout=flags["stdout"])
    revision = chosen_revision(flags["against"], action)
    told_as = flags["format"] or FORMAT.default
    FORMAT.refuse(told_as, "--format")
    text = TextReport(console, quiet=bool(flags["quiet"]), verbose=bool(flags["verbose"]))
    if told_as == "text":
        text.tell_pythons(requests)
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
        text.tell_runtimes(requests)
    if not flags["client"]:
        refuse_useless_patterns(told)
    if flags["ledger"] is not None:
        write_ledger(Path(flags["ledger"]), told)
    return exit_code(told, action, gone)


def chosen_revision(name: str | None, action: Action) -> Revision | None:
    """Find the revision of `--against`, which only a check can use."""
    if name is None:
        return None
    if action is not Action.CHECK:
        raise RequestError(
            "--against works only together with --check, which compares versions and writes nothing"
        )
    return find_revision(name, Path.cwd())


def refuse_useless_patterns(results: Sequence[Result]) -> None:
    """Refuse shared names and globs, such as those of the defaults, that match in none of the targets."""
    made = [(result.request, result.made) for result in results]
    if all(module is not None for _, module in made):
        refuse_unmatched_anywhere(
            [(r, [e.name for e in m.ledger.entries]) for r, m in made if m is not None]
        )


def given_options(flags: dict[str, Any]) -> dict[str, Any]:
    """Collect the fields of a request that flags set; `--client` selects the request itself."""
    given: dict[str, Any] = {}
    for option in TARGET_OPTIONS:
        chosen = [v for v, _ in option.value_flags if flags[v.replace("-", "_")]]
        if len(chosen) > 1:
            named = " and ".join(f"--{value}" for value in chosen)
            raise RequestError(f"{named} cannot be combined")
        value = chosen[0] if chosen else flags.get(option.field)
        # A repeatable flag is an empty list, or tuple with some versions of typer, if it was not given.
        if value is None or value in ([], ()) or option.field == "client":
            continue
        if option.kind is Kind.SECONDS and not option.fits(value):
            raise RequestError(f"{option.flags[0]} is {value!r}; it must be {option.kind.value}")
        given[option.field] = option.read(value)
    return given


def watched(line: ProgressLine, request: GenerateRequest) -> Progress:
    """Create the function that shows in the progress line which step of which client is running."""
    python = python_of(request).label
    return lambda step: line(f"{step} {request.client} ({python})")


def requested(clients: list[str] | None, given: dict[str, Any]) -> list[GenerateRequest]:
    """Collect the targets of this run: the manifest's or the given clients', overridden by flags."""
    manifest = load_manifest(find_manifest(Path.cwd()))
    if not clients:
        chosen = manifest.requests()
        if not chosen:
            raise RequestError(
                "nothing to do: give --client MODULE:CLASS, for example redis:Redis, or list "
                "[[tool.connpool-gen.target]] in pyproject.toml, as `connpool-gen init` does"
                + project_above(Path.cwd())
            )
    else:
        chosen = [found for name in clients for found in for_client(name, manifest)]
    if len(chosen) > 1 and given.keys() & {"wrapper"}:
        raise RequestError("--wrapper names one class; give one --client with it")
    # Given flags are part of the command, so the header must show them.
    given = {name: from_here(value, manifest.folder) for name, value in given.items()}
    changes: dict[str, Any] = dict(given)
    if any(option.shapes_output and option.field in given for option in TARGET_OPTIONS):
        changes["from_manifest"] = False
    return [with_python(replace(request, **changes)) for request in chosen]


@contextmanager
def cached(requests: list[GenerateRequest]) -> Generator[list[GenerateRequest]]:
    """Give the requests a cache that no other run uses at the same time."""
    with cache_slot(cache_folder()) as cache:
        yield [replace(request, cache_dir=cache) for request in requests]


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
        where=f"--client {name!r}",
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


@app.command(
    "init",
    help=escape("Begin: write [tool.connpool-gen] into pyproject.toml, and say what is next."),
)
def init_command(
    client: Annotated[
        list[str] | None,
        typer.Option(metavar="MODULE:CLASS", help="A client to begin with; may be given again."),
    ] = None,
) -> None:
    """Write the first lines of a manifest, and those that mark wrappers as generated for reviewers."""
    from connpool_gen.editing.targets import (
        add_target,
        begin,
        next_steps,
        place_of_manifest,
        usual_options,
    )

    with errors_told():
        folder = place_of_manifest(Path.cwd())
        place = shown_path(folder / FILE)
        if not client:
            said = (
                f"wrote [{TABLE}] into {place}"
                if begin(folder)
                else f"{place} has [{TABLE}] already"
            )
            typer.echo(said)
        for name in client or ():
            add_target(name, usual_options(name))
            typer.echo(f"added {name} to {place}")
        tell_marks(folder)
        for line in next_steps(load_manifest(folder)):
            typer.echo(line)


def add_client(context: typer.Context, **flags: Any) -> None:
    """Add a target to pyproject.toml, with the keys for the given flags."""
    from connpool_gen.editing.targets import add_target

    with errors_told():
        client: str = flags.pop("client")
        given = given_options({**flags, "client": None})
        folder = add_target(client, given)
        typer.echo(f"added {client} to {shown_path(folder / FILE)}")
        tell_marks(folder)
        typer.echo(f"make the wrapper: {shlex.join(['connpool-gen', '--client', client])}")


def tell_marks(folder: Path) -> None:
    """Mark the wrappers as generated, and say so."""
    from connpool_gen.editing import gitattributes
    from connpool_gen.editing.targets import mark_generated

    for line in mark_generated(folder):
        typer.echo(f"wrote into {shown_path(folder / gitattributes.FILE)}: {line}")


def shown_path(path: Path) -> str:
    """Return a path as seen from the working directory."""
    return seen_from(path).as_posix()


def signature_of_add() -> inspect.Signature:
    """Create the parameters of `add`: the client, and a flag for each key of a target."""
    context = inspect.Parameter(
        "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )
    client = inspect.Parameter(
        "client",
        inspect.Parameter.KEYWORD_ONLY,
        annotation=Annotated[
            str,
            typer.Argument(metavar="MODULE:CLASS", help="The client class, or a glob of classes."),
        ],
    )
    said = [o for o in TARGET_OPTIONS if o.key is not None and o.field != "client"]
    return inspect.Signature([context, client, *(p for o in said for p in parameters_of(o))])


vars(add_client)["__signature__"] = signature_of_add()
app.command("add", help="Add a client to the targets of pyproject.toml.")(add_client)


@contextmanager
def errors_told() -> Generator[None]:
    """Print an error of ours to stderr, and exit with code 2."""
    try:
        yield
    except GenerationError as error:
        error_console().print(f"error: {error}", style="red", markup=False)
        raise typer.Exit(2) from None


@app.command("list")
def list_command(
    told_as: Annotated[
        str,
        typer.Option("--format", metavar="FORMAT", help="The output format. One of: text, json."),
    ] = "text",
) -> None:
    """List the targets of pyproject.toml: the client, the file, and whether that is up to date."""
    from connpool_gen.output.listing import listed, listing_json, listing_table

    with errors_told():
        if told_as not in LISTING_FORMATS:
            raise RequestError(
                f"--format {told_as!r} is unknown{suggestion(told_as, LISTING_FORMATS)}"
            )
        with (
            cached(requested(None, {})) as requests,
            ProgressLine(error_console(), enabled=told_as == "text") as line,
        ):
            results = listed(requests, partial(watched, line))
        if told_as == "json":
            typer.echo(listing_json(results))
            return
        # In a pipe, lines may be as long as necessary.
        console = Console(highlight=False, emoji=False)
        wide = console if console.is_terminal else Console(highlight=False, emoji=False, width=1000)
        wide.print(listing_table(results))


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
    from connpool_gen.config.schema import manifest_schema

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
        str, typer.Option("--format", metavar="text|json", help="The output format.")
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

    console = error_console()
    shown = not quiet and told_as == "text"
    with errors_told():
        FORMAT.refuse(told_as, "--format")
        with cached(adoptable(client)) as targets, ProgressLine(console, enabled=shown) as line:
            adoption = adopt(AdoptRequest(targets, paths, factory or ()), line)
        if write:
            write_all([file.replacement for file in adoption.files])
    if told_as == "json":
        typer.echo(as_json(adoption, written=write))
    else:
        tell(adoption, console, written=write, quiet=quiet)
    raise typer.Exit(1 if adoption.left else 0)


def adoptable(clients: list[str] | None) -> list[GenerateRequest]:
    """Collect the targets to move code to: the manifest's, or the named ones of them."""
    if not load_manifest(find_manifest(Path.cwd())).requests():
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


def print_any_text() -> None:
    """Let stdout accept every character of a client's text, which a redirected stdout on Windows would not.

    What goes to a file is a module or a diff of one, so it is what modules are, UTF-8 with our line ends.
    """
    # A replacement of stdout may lack the method.
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is None:
        return
    if sys.stdout.isatty():
        reconfigure(errors="replace")
    else:
        reconfigure(encoding="utf-8", newline="\n")


def collect_no_garbage() -> None:
    """Turn the garbage collector off, and at exit too, since the process ends soon.

    mypy's data about a program is one reference cycle of a million objects. Collecting it at exit alone took
    a third of the time of a command. The builds of several targets are collected all the same (`mypy_build`).
    """
    gc.disable()
    atexit.register(gc.freeze)


def main() -> None:
    """Run the command in a process of its own; an interrupt by the user ends it without a traceback.

    Unexpected errors end the command with exit code 2, as other errors do: Python's own exit code, 1, would
    tell CI that an output is out of date.
    """
    collect_no_garbage()
    print_any_text()
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        sys.stdout = None  # what it could not write would be tried again at exit
        error_console().print(f"error: {error}", style="red", markup=False)
        sys.exit(2)
    except Exception:
        traceback.print_exc()
        error_console().print(
            "error: this is a fault of connpool-gen: please report it with the lines above",
            style="red",
            markup=False,
        )
        sys.exit(2)
