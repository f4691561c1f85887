"""Finds the processes that a command works on: by address, by socket, or by name in the run folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from connpool_runtime.admin.client import NotReached, Process
from connpool_runtime.admin.run_folder import RunningProcess, default_run_folder, running

__all__ = ["TOKEN", "Where", "found"]

TOKEN = "CONNPOOL_ADMIN_TOKEN"  # the name of an environment variable


@dataclass(frozen=True, slots=True)
class Where:
    """The command-line options that select processes."""

    url: str | None = None
    socket: Path | None = None
    name: str | None = None
    run_folder: Path | None = None
    token_file: Path | None = None
    ca_file: Path | None = None

    @property
    def token(self) -> str | None:
        """The token from the given file, or from the environment.

        Raises:
            NotReached: the file cannot be read.
        """
        if self.token_file is None:
            return os.environ.get(TOKEN)
        try:
            return self.token_file.read_text("utf-8").strip()
        except OSError as error:
            raise NotReached(f"no token: {error}") from error


def found(where: Where) -> list[Process]:
    """Return the selected processes; several if they are workers of one name.

    Raises:
        NotReached: there is none, or several match; the message lists them.
    """
    if where.url is not None:
        url = where.url if "://" in where.url else f"http://{where.url}"
        return [Process(url, url, token=where.token, ca_file=where.ca_file)]
    if where.socket is not None:
        return [Process(str(where.socket), "http://localhost", where.socket, where.token)]
    return [_process(one, where.token) for one in _registered(where)]


def _registered(where: Where) -> list[RunningProcess]:
    """Return the selected processes of the run folder.

    Raises:
        NotReached: there is none, or several match.
    """
    try:
        folder = where.run_folder or default_run_folder()
        there = running(folder)
    except OSError as error:
        raise NotReached(str(error)) from error
    names = sorted({one.name for one in there})
    if where.name is None and len(names) == 1:
        return there
    if wanted := [one for one in there if one.name == where.name]:
        return wanted
    if where.name is None and names:
        raise NotReached(f"several processes run: choose one with --name: {', '.join(names)}")
    known = f"; there are {', '.join(names)}" if names else ""
    meant = "" if where.name is None else f" of the name {where.name!r}"
    raise NotReached(
        f"no process{meant} is registered in {folder}{known}. A process registers with"
        " serve_admin(..., run_folder=True); others are reached with --url or --socket,"
        " before the command"
    )


def _process(one: RunningProcess, token: str | None) -> Process:
    return Process(f"{one.name} {one.pid}", "http://localhost", one.socket, token or one.token)
