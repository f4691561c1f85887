"""The commands of `connpoolctl`."""

from __future__ import annotations

import json
import queue
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from threading import Thread
from typing import Annotated, Any, cast

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from typer.core import TyperGroup

from connpool_runtime.admin.aggregation import merged
from connpool_runtime.admin.client import Document, NotReached, Process, Refused
from connpool_runtime.ctl.config_commands import config_app
from connpool_runtime.ctl.processes import TOKEN, Where, found
from connpool_runtime.ctl.start import run_manager, run_workers
from connpool_runtime.ctl.tables import (
    OUTCOMES,
    members_table,
    methods_table,
    plain_labels,
    sentence,
    services_table,
)

__all__ = ["app"]

REFUSED, NOT_REACHED, NO_TOKEN = 1, 3, 4  # exit codes; 2 is a wrong command line


class Format(StrEnum):
    """The output formats."""

    TABLE = "table"
    JSON = "json"


class Commands(TyperGroup):
    """The commands of `connpoolctl`; an option that says which process is asked is told its place."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; `ctx` and the error are of classes that typer does not publish."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            option = getattr(error, "option_name", None)
            if option not in {flag for parameter in self.params for flag in parameter.opts}:
                raise
            ctx.fail(
                f"{option} stands before the command: connpoolctl {option} ... {ctx.invoked_subcommand}"
            )


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    help="Show and control the pools of running processes.",
    epilog=(
        "Exit codes: 0 done, 1 refused or not healthy, 2 wrong command line, 3 no process answers, 4 the token is"
        f" missing or wrong. The token is read from --token-file or ${TOKEN}."
    ),
    pretty_exceptions_enable=False,
)
app.add_typer(config_app, name="config")
_out = Console(highlight=False, soft_wrap=False)
_err = Console(stderr=True, highlight=False, soft_wrap=True)

Url = Annotated[str | None, typer.Option(help="Ask the process at this address.")]
Socket = Annotated[Path | None, typer.Option(help="Ask the process at this Unix socket.")]
Name = Annotated[
    str | None,
    typer.Option("--name", "-n", help="Ask the processes of this name in the run folder."),
]
Folder = Annotated[
    Path | None, typer.Option("--run-folder", help="Where processes are registered.")
]
CaFile = Annotated[
    Path | None,
    typer.Option(help="The CA certificates by which the certificate of --url is verified."),
]
TokenFile = Annotated[Path | None, typer.Option(help="A file that holds the token.")]
Shape = Annotated[Format, typer.Option("--format", help="How to print.")]
Service = Annotated[str | None, typer.Option("--service", "-s", help="Only this service.")]
OneService = Annotated[
    str | None,
    typer.Option("--service", "-s", help="Which service; may be left out if there is one."),
]
Member = Annotated[str, typer.Argument(help="The name of the member.")]


@app.callback()
def options(
    context: typer.Context,
    url: Url = None,
    socket: Socket = None,
    name: Name = None,
    run_folder: Folder = None,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
) -> None:
    """Show the pools of running processes, and change them."""
    if (url is not None) + (socket is not None) + (name is not None) > 1:
        raise typer.BadParameter("give only one of --url, --socket and --name")
    context.obj = Where(url, socket, name, run_folder, token_file, ca_file)


@contextmanager
def _exits() -> Generator[None]:
    """Print an expected error, and exit with its code."""
    try:
        yield
    except NotReached as error:
        _err.print(str(error), markup=False)
        raise typer.Exit(NOT_REACHED) from None
    except Refused as error:
        _err.print(error.detail, markup=False)
        if error.status != 401:
            raise typer.Exit(REFUSED) from None
        _err.print(f"The token is read from --token-file or ${TOKEN}.", markup=False)
        raise typer.Exit(NO_TOKEN) from None


def _processes(context: typer.Context) -> list[Process]:
    return found(cast("Where", context.obj))


def _stats(processes: list[Process], service: str | None) -> Document:
    """Return the stats of all processes together; processes that have just ended are left out."""
    documents: list[Document] = []
    failures: list[Exception] = []
    for process in processes:
        try:
            documents.append(process.get("/stats"))
        except NotReached as error:
            failures.append(error)
    if not documents:
        raise failures[0]
    document = documents[0] if len(documents) == 1 else merged(documents)
    services = document["services"]
    if service is not None and service not in services:
        known = ", ".join(services) or "none"
        raise Refused(404, f"there is no pool of a service {service!r}; there are: {known}")
    if service is None:
        return document
    return {**document, "services": {service: services[service]}}


def _say(text: str) -> None:
    _err.print(text, markup=False)


def _json(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


@app.command()
def stats(context: typer.Context, service: Service = None, shape: Shape = Format.TABLE) -> None:
    """Print the numbers of services and methods since the start."""
    with _exits():
        document = _stats(_processes(context), service)
    if shape is Format.JSON:
        _json(document)
        return
    _out.print(services_table(document))
    _out.print()
    _out.print(methods_table(document))


@app.command()
def members(
    context: typer.Context,
    service: Service = None,
    state: Annotated[str | None, typer.Option(help="Only members in this state.")] = None,
    shape: Shape = Format.TABLE,
) -> None:
    """Print the members, unhealthy ones first."""
    with _exits():
        document = _stats(_processes(context), service)
    if shape is Format.JSON:
        _json({name: one["members"] for name, one in document["services"].items()})
        return
    _out.print(members_table(document, state))


@app.command()
def health(context: typer.Context, shape: Shape = Format.TABLE) -> None:
    """Say whether calls would find members; exits with 1 if not."""
    with _exits():
        told = [(process, *process.health()) for process in _processes(context)]
    if shape is Format.JSON:
        _json([{"process": process.label, **document} for process, _, document in told])
    else:
        for process, _, document in told:
            _out.print(f"{process.label}: {document['status']}", markup=False)
            for reason in document.get("reasons", ()):
                _out.print(f"  {reason}", markup=False)
    if not all(well for _, well, _ in told):
        raise typer.Exit(REFUSED)


@app.command()
def events(
    context: typer.Context,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Keep printing new events as they come.")
    ] = False,
    service: Service = None,
    shape: Shape = Format.TABLE,
) -> None:
    """Print the latest events; with --follow also new ones as they come."""
    with _exits():
        processes = _processes(context)
        many = len(processes) > 1
        for process, event in _all_events(processes, follow):
            if service is not None and event.get("service", service) != service:
                continue
            if shape is Format.JSON:
                sys.stdout.write(json.dumps({"process": process.label, **event}) + "\n")
                sys.stdout.flush()
            else:
                _out.print(f"{process.label}  " * many + sentence(event), markup=False)


def _all_events(processes: list[Process], follow: bool) -> Iterator[tuple[Process, Document]]:
    if not follow:
        all_of_them = [(process, event) for process in processes for event in process.events(False)]
        yield from sorted(all_of_them, key=lambda found: found[1].get("time", 0.0))
        return
    came: queue.SimpleQueue[tuple[Process, Document | Exception | None]] = queue.SimpleQueue()

    def read(process: Process) -> None:
        try:
            for event in process.events(True):
                came.put((process, event))
            came.put((process, None))
        except Exception as error:
            came.put((process, error))

    for process in processes:
        Thread(target=read, args=(process,), daemon=True).start()
    left = len(processes)
    while left:
        process, event = came.get()
        if isinstance(event, dict):
            yield process, event
            continue
        left -= 1
        if isinstance(event, Exception) and not left:
            raise event


@app.command()
def top(
    context: typer.Context,
    service: Service = None,
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between two updates.")] = 2.0,
    rounds: Annotated[
        int, typer.Option(min=0, help="How many updates are shown; 0 for no end.")
    ] = 0,
) -> None:
    """Show services and members live, until Ctrl-C."""
    with (
        _exits(),
        Live(console=_out, screen=_out.is_terminal and not rounds, auto_refresh=False) as live,
    ):
        before: Document | None = None
        count = 0
        while not rounds or count < rounds:
            if count:
                time.sleep(every)
            now = _stats(_processes(context), service)
            live.update(_look(now, before), refresh=True)
            before, count = now, count + 1


def _look(now: Document, before: Document | None) -> RenderableType:
    process = now["process"]
    workers = process.get("workers", [process["pid"]])
    clock = time.strftime("%H:%M:%S", time.localtime(now["time"]))
    head = f"{process['name'] or 'connpool'}  pid {' '.join(map(str, workers))}  {clock}\n"
    room = max(5, _out.size.height - len(now["services"]) - 6)
    return Group(head, services_table(now, _rates(now, before)), "", members_table(now, most=room))


def _rates(now: Document, before: Document | None) -> dict[str, float]:
    if before is None:
        return {}
    took = max(0.001, now["time"] - before["time"])
    old = {name: _calls(service) for name, service in before["services"].items()}
    return {
        name: max(0.0, (_calls(service) - old.get(name, 0)) / took)
        for name, service in now["services"].items()
    }


def _calls(service: Document) -> int:
    return sum(int(method[outcome]) for method in service["methods"] for outcome in OUTCOMES)


def _change(
    context: typer.Context, path: str, shape: Format, body: Document, patience: float = 10.0
) -> None:
    """Make one change in all selected processes, and print the results.

    Arguments:
        context: knows where.
        path: of the action.
        shape: how to print.
        body: the arguments of the action; None is left out.
        patience: seconds to wait for each answer.
    """
    given = {key: value for key, value in body.items() if value is not None}
    answers: list[Document] = []
    failures: list[Exception] = []
    with _exits():
        for process in _processes(context):
            try:
                answers.append({"process": process.label, **process.post(path, given, patience)})
            except (NotReached, Refused) as error:
                failures.append(error)
        if shape is Format.JSON:
            _json(answers)
        else:
            for answer in answers:
                who = answer.pop("process")
                words = (f"{key}={_shown(value)}" for key, value in answer.items() if value != [])
                _out.print(f"{who}: {' '.join(words)}", markup=False)
        if failures:
            raise failures[0]


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return plain_labels(cast("Document", value))
    return (
        "; ".join(map(str, cast("list[object]", value))) if isinstance(value, list) else str(value)
    )


@app.command()
def eject(
    context: typer.Context, member: Member, service: OneService = None, shape: Shape = Format.TABLE
) -> None:
    """Eject a member by hand, until `uneject`."""
    _change(context, "/eject", shape, {"service": service, "member": member})


@app.command()
def uneject(
    context: typer.Context, member: Member, service: OneService = None, shape: Shape = Format.TABLE
) -> None:
    """Uneject a member, and forget its failures."""
    _change(context, "/uneject", shape, {"service": service, "member": member})


@app.command()
def drain(
    context: typer.Context,
    member: Member,
    service: OneService = None,
    timeout: Annotated[
        float | None,
        typer.Option(min=0, max=3600, help="Seconds that calls in flight have to end."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the member has left.")] = False,
    shape: Shape = Format.TABLE,
) -> None:
    """Give a member no new calls, and remove it from its pool when those in flight have ended."""
    patience = 10.0 if not wait else 60.0 if timeout is None else timeout + 10.0
    body = {"service": service, "member": member, "timeout": timeout, "wait": wait}
    _change(context, "/drain", shape, body, patience)


@app.command()
def weight(
    context: typer.Context,
    member: Member,
    value: Annotated[int, typer.Argument(min=1, help="The member's share of the calls.")],
    service: OneService = None,
    shape: Shape = Format.TABLE,
) -> None:
    """Change the weight of a member."""
    body = {"service": service, "member": member, "weight": value}
    _change(context, "/weight", shape, body)


@app.command()
def labels(
    context: typer.Context,
    member: Member,
    given: Annotated[
        list[str] | None, typer.Argument(metavar="NAME=VALUE...", help="As role=primary.")
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="The member gets no labels.")] = False,
    service: OneService = None,
    shape: Shape = Format.TABLE,
) -> None:
    """Replace all labels of a member, as after a failover."""
    wanted = dict(_label(one) for one in given or ())
    if bool(wanted) is none:
        raise typer.BadParameter("give all labels of the member, as role=primary, or --none")
    body = {"service": service, "member": member, "labels": wanted}
    _change(context, "/labels", shape, body)


def _label(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (name and sign):
        raise typer.BadParameter(f"{text!r} is no label: give name and value, as role=primary")
    return name, value


@app.command("metrics-only")
def metrics_only(
    context: typer.Context,
    on: Annotated[bool, typer.Argument(help="true or false")],
    service: OneService = None,
    shape: Shape = Format.TABLE,
) -> None:
    """Turn `metrics_only` on or off: whether the breakers of a service only report."""
    _change(context, "/metrics-only", shape, {"service": service, "on": on})


@app.command()
def reload(context: typer.Context, shape: Shape = Format.TABLE) -> None:
    """Make processes read their config again; exits with 1 where it was not applied."""
    _change(context, "/reload", shape, {}, patience=60.0)


@app.command()
def workers(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="The address of the admin.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Its port; 0 for a free one.")] = 0,
) -> None:
    """Serve the admin of all workers of --name on this host as one, until Ctrl-C."""
    where = cast("Where", context.obj)
    if where.name is None:
        raise typer.BadParameter("name the workers with --name")
    with _exits():
        token = where.token
    run_workers(where.name, where.run_folder, host=host, port=port, token=token, say=_say)


@app.command()
def start(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="The config file with the services.")
    ],
    section: Annotated[str, typer.Option(help="Where in the file the services are.")] = "services",
    host: Annotated[str, typer.Option(help="The address of the admin.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Its port; 0 for a free one.")] = 0,
) -> None:
    """Run a manager of the services of a file, with its admin, until SIGTERM or Ctrl-C."""
    where = cast("Where", context.obj)
    with _exits():
        token = where.token
    run_manager(
        file,
        section,
        host=host,
        port=port,
        token=token,
        name=where.name or file.stem,
        run_folder=where.run_folder,
        say=_say,
    )
