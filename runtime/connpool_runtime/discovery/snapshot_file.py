"""Stores the last good answer of a source on disk, so that a pool can start without the source."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from connpool_runtime.discovery.endpoint import Endpoint, snapshot_of

__all__ = ["load", "save"]


def save(path: str, source: str, endpoints: Iterable[Endpoint], when: float) -> None:
    """Write an answer to a file, atomically and readable by its owner only.

    Arguments:
        path: the file.
        source: whose answer it is.
        endpoints: the answer.
        when: in seconds since 1970.

    Raises:
        OSError: it cannot be written; what was there is left.
    """
    content = {"source": source, "when": when, "endpoints": [one.plain() for one in endpoints]}
    target = Path(path)
    number, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
            file.write("\n")
        Path(name).replace(target)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def load(path: str, source: str) -> tuple[tuple[Endpoint, ...], float] | None:
    """Return what `save` wrote, and the time of the answer; None if there is no file.

    Arguments:
        path: the file.
        source: whose answer it has to be.

    Raises:
        OSError: it cannot be read.
        ValueError: it holds something else, or the answer of another source.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        found: Any = json.loads(text)
        whose, when, endpoints = found["source"], float(found["when"]), found["endpoints"]
    except (ValueError, KeyError, TypeError, OverflowError):
        raise ValueError(f"{path!r} is not a snapshot that discovery has written") from None
    if whose != source:
        raise ValueError(f"{path!r} is a snapshot of {whose!r}, not of {source!r}")
    return snapshot_of(cast("list[object]", endpoints), f"{source}, saved in {path!r}"), when
