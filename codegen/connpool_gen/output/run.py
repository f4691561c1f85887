"""Runs requests and writes or compares their outputs; `report.py` informs the user."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from connpool_gen.config.paths import seen_from
from connpool_gen.errors import GenerationError, RequestError
from connpool_gen.generated_module import GeneratedModule
from connpool_gen.output.cache import OutputCache
from connpool_gen.output.write import (
    current_text,
    loses_edits,
    module_text,
    refuse_another_clients,
    refuse_foreign,
    unified_diff,
    write_output,
)
from connpool_gen.reading.type_checker import TypeChecker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from connpool_gen.config.request import GenerateRequest
    from connpool_gen.output.breaking_changes import Change
    from connpool_gen.output.changes import Drift
    from connpool_gen.output.revision import Revision
    from connpool_gen.pipeline import Progress


class Action(Enum):
    """What to do with a generated module."""

    WRITE = "write"
    CHECK = "check"
    DIFF = "diff"
    STDOUT = "stdout"

    @staticmethod
    def chosen(*, check: bool, diff: bool, stdout: bool) -> Action:
        """Choose the one action that the flags ask for; `--check` shows the diff anyway."""
        wanted = {Action.CHECK: check, Action.DIFF: diff and not check, Action.STDOUT: stdout}
        actions = [action for action, asked in wanted.items() if asked]
        if len(actions) > 1:
            raise RequestError("--check, --diff and --stdout cannot be combined")
        return actions[0] if actions else Action.WRITE


class Status(Enum):
    """How one target ended."""

    WROTE = "wrote"
    UNCHANGED = "unchanged"
    UP_TO_DATE = "up to date"
    STALE = "stale"
    PRINTED = "printed"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of one request; `surface` has the changes for callers since a revision, if requested.

    `loses_edits` says that the file holds edits, which only `--force` gives up.
    """

    request: GenerateRequest
    status: Status
    made: GeneratedModule | None = None
    drift: Drift | None = None
    diff: str = ""
    error: str = ""
    surface: tuple[Change, ...] | None = None
    loses_edits: bool = False

    @property
    def remedy(self) -> str:
        """What to do about a file that is out of date."""
        return f"make it again: {self.request.command()}{' --force' if self.loses_edits else ''}"

    @property
    def breaks(self) -> bool:
        """Return whether code that used the wrapper at the revision may no longer fit."""
        return any(change.breaking for change in self.surface or ())


@dataclass(frozen=True, slots=True)
class Gone:
    """A wrapper that was committed at the revision, and that no target makes any more."""

    path: Path

    def __str__(self) -> str:
        return f"breaking: the wrapper is gone: {self.path.as_posix()}"


def exit_code(results: Sequence[Result], action: Action, gone: Sequence[Gone] = ()) -> int:
    """Choose the exit code: 0 done or up to date, 1 stale under `--check`, 2 any error, 3 a breaking change."""
    statuses = {result.status for result in results}
    if Status.ERROR in statuses:
        return 2
    if gone or any(result.breaks for result in results):
        return 3
    return 1 if Status.STALE in statuses and action is Action.CHECK else 0


def run_all(
    requests: Sequence[GenerateRequest],
    action: Action,
    *,
    force: bool,
    watch: Callable[[GenerateRequest], Progress],
) -> Iterator[Result]:
    """Run the requests one after the other; one that fails does not stop the others.

    What the type checker has analyzed for one, it need not load for the next.
    """
    refuse_shared_outputs(requests)
    with ExitStack() as stack:
        folders = {request.cache_dir for request in requests}
        checkers = {folder: stack.enter_context(TypeChecker(folder)) for folder in folders}
        for request in requests:
            checker = checkers[request.cache_dir]
            try:
                refuse_what_is_there(request, action, force=force)
                known = confirmed(request, action)
                yield known or made_anew(request, action, watch(request), checker, force=force)
            except GenerationError as error:
                yield Result(request=request, status=Status.ERROR, error=str(error))


def refuse_what_is_there(request: GenerateRequest, action: Action, *, force: bool) -> None:
    """Refuse to replace a file that is no wrapper of this client.

    Before reading, which takes the file there for an old output and ignores it: if it is the client's own module,
    nothing would be left.
    """
    if action is Action.STDOUT:
        return
    path = request.output_path
    there = current_text(path)
    refuse_foreign(path, there, force=force)
    if action is Action.WRITE and not request.from_manifest:  # the cache is a folder per output
        refuse_another_clients(path, there, request.client, force=force)


def made_anew(
    request: GenerateRequest,
    action: Action,
    progress: Progress,
    checker: TypeChecker,
    *,
    force: bool,
) -> Result:
    """Generate a module, and write, compare or return it."""
    from connpool_gen.pipeline import generate  # most of the tool: what is up to date does without

    return act(request, generate(request, progress, checker), action, force=force)


def compared(result: Result, revision: Revision) -> Result:
    """Add to a result the changes for callers since a revision."""
    if result.made is None:
        return result
    from connpool_gen.output.breaking_changes import surface_changes

    old = revision.text(result.request.output_path)
    return replace(result, surface=surface_changes(old, result.made.text))


def gone_since(revision: Revision, results: Sequence[Result]) -> list[Gone]:
    """List the wrappers of a revision that no target makes and that do not exist any more."""
    made = {result.request.output_path.resolve() for result in results}
    places = [revision.top / path for path in revision.wrappers()]
    lost = [place for place in places if place not in made and not place.exists()]
    return [Gone(seen_from(place)) for place in lost]


def act(request: GenerateRequest, made: GeneratedModule, action: Action, *, force: bool) -> Result:
    """Write, compare or return a finished module."""
    if action is Action.STDOUT:
        return Result(request=request, status=Status.PRINTED, made=made)
    if action is Action.WRITE:
        changed = write_output(made.path, made.text, force=force)
        OutputCache(request).remember(made)
        status = Status.WROTE if changed else Status.UNCHANGED
        return Result(request=request, status=status, made=made)
    return compare(request, made, action)


def confirmed(request: GenerateRequest, action: Action) -> Result | None:
    """Answer "up to date" from the cache, if nothing that determines the output has changed since."""
    if action is not Action.CHECK or request.strict:
        return None
    old = module_text(request.output_path)
    ledger = OutputCache(request).confirmed(old)
    if ledger is None or old is None:
        return None
    made = GeneratedModule(request.output_path, old, ledger)
    return Result(request=request, status=Status.UP_TO_DATE, made=made)


def compare(request: GenerateRequest, made: GeneratedModule, action: Action) -> Result:
    """Compare the file with the module that it should contain.

    To a check it is up to date if just the tool's version is another: nothing that callers could notice.
    """
    old = module_text(made.path)
    if old == made.text:
        OutputCache(request).remember(made)
        return Result(request=request, status=Status.UP_TO_DATE, made=made)
    from connpool_gen.output.changes import explain

    drift = explain(old, made.text)
    harmless = drift.only_tool and action is Action.CHECK
    return Result(
        request=request,
        status=Status.UP_TO_DATE if harmless else Status.STALE,
        made=made,
        drift=drift,
        diff=unified_diff(made.path, old, made.text),
        loses_edits=old is not None and loses_edits(old, made.text),
    )


def refuse_shared_outputs(requests: Sequence[GenerateRequest]) -> None:
    """Refuse two targets that would write one file: the second would silently win."""
    seen: dict[str, str] = {}
    for request in requests:
        path = str(request.output_path.resolve())
        if path in seen:
            raise RequestError(
                f"{seen[path]} and {request.client} would both be written to {request.output_path}"
            )
        seen[path] = request.client
