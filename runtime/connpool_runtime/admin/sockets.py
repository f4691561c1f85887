"""Opens the sockets that an admin server listens on."""

from __future__ import annotations

import os
import secrets
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

__all__ = [
    "has_unix_sockets",
    "is_answered",
    "listen_on_tcp",
    "listen_on_unix",
    "need_unix_sockets",
]

_LONGEST = 103  # bytes that the path of a socket may have on macOS; on Linux 107


def has_unix_sockets() -> bool:
    """Return whether this system has Unix sockets; Windows has none."""
    return hasattr(socket, "AF_UNIX") and hasattr(os, "getuid")


def need_unix_sockets() -> None:
    """Refuse to go on where there are no Unix sockets.

    Raises:
        OSError: the message says what to do instead.
    """
    if not has_unix_sockets():
        raise OSError(
            "this system has no Unix sockets, and so no run folder: serve by host and port, and ask with --url"
        )


def listen_on_tcp(host: str, port: int) -> socket.socket:
    """Return a TCP socket that listens.

    Raises:
        OSError: the address is taken, or not this machine's; the message names it.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind)
        try:
            if os.name == "posix":  # without it, Windows would let two processes share one port
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(128)
        except BaseException:
            listening.close()
            raise
    except OSError as error:
        raise type(error)(
            error.errno, f"cannot listen on {host}:{port}: {error.strerror}"
        ) from None
    return listening


def listen_on_unix(path: Path, prepare: Callable[[], object] | None = None) -> socket.socket:
    """Return a Unix socket that listens at a path; only its owner may connect.

    The socket file of a process that has ended is replaced. The new file appears when the socket already
    listens: a socket that is bound and does not listen yet refuses connections, as that of an ended process
    does, and would be removed as such.

    Arguments:
        path: where the file appears.
        prepare: is called before the file appears, once it is known that no other process listens there.

    Raises:
        OSError: a process listens there, or the file is no socket; the message names it.
    """
    need_unix_sockets()
    draft = path.with_name(f"{path.stem}.{secrets.token_hex(2)}.new")
    if (length := len(os.fsencode(draft))) > _LONGEST:
        raise OSError(f"the path of this socket is {length - _LONGEST} bytes too long: {path}")
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise OSError(f"{path} is there, and no socket")
        if is_answered(path):
            raise OSError(f"a process listens at {path}")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        before = os.umask(0o177)  # from the first moment on, only the owner may connect
        try:
            listening.bind(str(draft))
        finally:
            os.umask(before)
        listening.listen(128)
        if prepare is not None:
            prepare()
        draft.replace(path)
    except BaseException as error:
        listening.close()
        with suppress(OSError):
            draft.unlink()
        if isinstance(error, OSError):
            raise type(error)(error.errno, f"cannot listen at {path}: {error.strerror}") from None
        raise
    return listening


def is_answered(path: Path) -> bool:
    """Return whether a process listens at the path of a socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(1.0)
        try:
            asking.connect(str(path))
        except TimeoutError:
            return True  # the backlog is full, so a process listens
        except OSError:
            return False
    return True
