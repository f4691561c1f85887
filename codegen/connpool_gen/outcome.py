"""What one run of the command does with its requests, and what it tells the user."""

from __future__ import annotations

import sys
from enum import Enum
from typing import TYPE_CHECKING

from connpool_gen.errors import GenerationError, RequestError
from connpool_gen.explain import Drift, explain
from connpool_gen.pipeline import GeneratedModule, generate
from connpool_gen.progress import ProgressLine
from connpool_gen.write import current_text, unified_diff, write_output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from connpool_gen.ledger import Ledger
    from connpool_gen.request import GenerateRequest


class Outcome(Enum):
    """The exit codes."""

    DONE = 0
    STALE = 1
    ERROR = 2


class Action(Enum):
    """What to do with a generated module."""

    WRITE = "write"
    CHECK = "check"
    DIFF = "diff"
    STDOUT = "stdout"

    @staticmethod
    def chosen(*, check: bool, diff: bool, stdout: bool) -> Action:
        """The one action that the flags ask for."""
        wanted = {Action.CHECK: check, Action.DIFF: diff, Action.STDOUT: stdout}
        actions = [action for action, asked in wanted.items() if asked]
        if actions == [Action.CHECK, Action.DIFF]:
            return Action.CHECK
        if len(actions) > 1:
            raise RequestError("--check, --diff and --stdout exclude each other")
        return actions[0] if actions else Action.WRITE


class Session:
    """Runs the requests one after the other; one that fails does not stop the others."""

    def __init__(
        self, console: Console, *, action: Action, force: bool, quiet: bool, verbose: bool
    ) -> None:
        self._console = console
        self._action = action
        self._force = force
        self._quiet = quiet
        self._verbose = verbose

    def run(self, requests: Sequence[GenerateRequest]) -> Outcome:
        """The worst outcome of all requests."""
        refuse_shared_outputs(requests)
        outcomes = [self._run_one(request) for request in requests]
        return max(outcomes, key=lambda outcome: outcome.value, default=Outcome.DONE)

    def _run_one(self, request: GenerateRequest) -> Outcome:
        try:
            with ProgressLine(self._console, enabled=not self._quiet) as progress:
                made = generate(request, lambda step: progress(f"{step} {request.client}"))
            return self._act(request, made)
        except GenerationError as error:
            self._console.print(f"error: {error}", style="red", markup=False)
            return Outcome.ERROR

    def _act(self, request: GenerateRequest, made: GeneratedModule) -> Outcome:
        if self._action is Action.STDOUT:
            sys.stdout.write(made.text)
            return Outcome.DONE
        if self._action is Action.WRITE:
            changed = write_output(made.path, made.text, force=self._force)
            self._say(
                f"{'wrote' if changed else 'unchanged'} {made.path} ({made.ledger.summary()})"
            )
            self._tell_ledger(made.ledger)
            return Outcome.DONE
        return self._compare(request, made)

    def _compare(self, request: GenerateRequest, made: GeneratedModule) -> Outcome:
        old = current_text(made.path)
        if old == made.text:
            self._say(f"up to date: {made.path}")
            return Outcome.DONE
        drift = explain(old, made.text)
        sys.stdout.write(unified_diff(made.path, old, made.text))
        sys.stdout.flush()
        self._tell_drift(request, made, drift)
        return Outcome.STALE if self._action is Action.CHECK else Outcome.DONE

    def _tell_drift(self, request: GenerateRequest, made: GeneratedModule, drift: Drift) -> None:
        self._console.print(f"stale: {made.path}", style="yellow", markup=False)
        for line in drift.lines:
            self._console.print(f"  {line}", markup=False)
        self._console.print(f"  make it again: {request.command()}", markup=False)

    def _tell_ledger(self, ledger: Ledger) -> None:
        entries = ledger.entries if self._verbose else ledger.skipped()
        for entry in entries:
            if entry.reason or self._verbose:
                reason = f": {entry.reason}" if entry.reason else ""
                self._say(f"  {entry.fate.value} {entry.name}{reason}")

    def _say(self, text: str) -> None:
        if not self._quiet:
            self._console.print(text, markup=False)


def refuse_shared_outputs(requests: Sequence[GenerateRequest]) -> None:
    """Two targets must not write one file: the second would silently win."""
    seen: dict[str, str] = {}
    for request in requests:
        path = str(request.output_path.resolve())
        if path in seen:
            raise RequestError(
                f"{seen[path]} and {request.client} would both be written to {request.output_path}"
            )
        seen[path] = request.client
