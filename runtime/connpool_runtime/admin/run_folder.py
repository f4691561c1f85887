"""The folder where running processes are found by name: a Unix socket for each, and its token.

Only its owner may look into it. Files of a killed process are removed by the next process that finds them.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from connpool_runtime.admin.sockets import is_answered, need_unix_sockets

__all__ = ["RunningProcess", "check_name", "default_run_folder", "open_run_folder", "running"]

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,39}\Z")


@dataclass(frozen=True, slots=True, order=True)
class RunningProcess:
    """One running process: its name, which several workers may share, and its socket."""

    name: str
    pid: int
    socket: Path

    @property
    def token_file(self) -> Path:
        """The file of the token that the process generated for itself, if it did; readable by its owner only."""
        return self.socket.with_suffix(".token")

    @property
    def token(self) -> str | None:
        """The token that the process generated for itself, if it did."""
        try:
            return self.token_file.read_text("utf-8").strip()
        except OSError:
            return None

    def write_token(self, token: str) -> None:
        """Write the token to a file that only the owner of the folder can read."""
        self.token_file.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(self.token_file, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(token)

    def forget(self) -> None:
        """Remove the socket and the token file from the folder."""
        for path in (self.socket, self.token_file):
            with suppress(OSError):
                path.unlink()


def default_run_folder() -> Path:
    """Return `$CONNPOOL_RUN_DIR`, or `$XDG_RUNTIME_DIR/connpool`, or a folder of this user's among the temporary ones.

    Raises:
        OSError: this system has no Unix sockets.
    """
    need_unix_sockets()
    if given := os.environ.get("CONNPOOL_RUN_DIR"):
        return Path(given)
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(runtime) / "connpool"
    return Path(tempfile.gettempdir()) / f"connpool-{os.getuid()}"


def open_run_folder(folder: Path) -> Path:
    """Return a run folder, creating it if there is none.

    Raises:
        OSError: it belongs to another user, or other users can access it: a user who can put a socket there can
            pass for any process. Or this system has no Unix sockets. The message says what to do.
    """
    need_unix_sockets()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise OSError(f"{folder} is not a folder of this user: pass another one as run_folder")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise OSError(f"other users have access to {folder}: run chmod 700 {folder}")
    return folder


def check_name(name: str) -> str:
    """Return the name of a process; refuse one that cannot be a file name.

    Raises:
        ValueError: it cannot stand in the name of a file.
    """
    if not _NAME.match(name):
        raise ValueError(
            "the name of a process must be up to 40 letters, digits, dots, dashes and underscores, not"
            f" {name!r}"
        )
    return name


def running(folder: Path, name: str | None = None) -> list[RunningProcess]:
    """Return the running processes of a run folder, sorted; files of ended processes are removed.

    Arguments:
        folder: which; there need not be one.
        name: only processes of this name; all if not given.

    Raises:
        OSError: as `open_run_folder`.
    """
    need_unix_sockets()  # os.kill(pid, 0) would terminate the process on Windows
    if not folder.exists():
        return []
    found: list[RunningProcess] = []
    for path in open_run_folder(folder).glob("*.sock"):
        of, _, pid = path.stem.rpartition(".")
        if not of or not pid.isdecimal() or (name is not None and of != name):
            continue
        process = RunningProcess(of, int(pid), path)
        if _is_alive(process):
            found.append(process)
        else:
            process.forget()
    return sorted(found)


def _is_alive(process: RunningProcess) -> bool:
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return is_answered(process.socket)
