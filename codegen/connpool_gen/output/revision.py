"""Reads what was committed at a revision of the repository."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from connpool_gen.errors import RequestError
from connpool_gen.nearest import nearest
from connpool_gen.rendering.header import MARKER


@dataclass(frozen=True, slots=True)
class Revision:
    """A commit: the user's name for it, its hash, and the top folder of its repository."""

    name: str
    commit: str
    top: Path

    def text(self, path: Path) -> str | None:
        """Read a file as it was committed; None if it was not there."""
        place = self._place(path)
        if place is None or git(self.top, "cat-file", "-e", f"{self.commit}:{place}") is None:
            return None
        return git(self.top, "show", f"{self.commit}:{place}")

    def wrappers(self) -> list[Path]:
        """List the files that connpool-gen had generated, relative to the top folder."""
        found = git(self.top, "grep", "-l", "-z", "-F", MARKER, self.commit, "--", "*.py") or ""
        names = [name.partition(":")[2] for name in found.split("\0") if name]
        heads = [(Path(name), self.text(self.top / name) or "") for name in names]
        return [path for path, text in heads if MARKER in text.partition("\n")[0]]

    def _place(self, path: Path) -> str | None:
        """Write a path from the top of the repository; None for one outside of it."""
        whole = path.resolve()
        return whole.relative_to(self.top).as_posix() if whole.is_relative_to(self.top) else None


def find_revision(name: str, folder: Path) -> Revision:
    """Find the commit that a branch, a tag or a hash names.

    Raises RequestError without git, outside of a repository, and for a name that is none, with the nearest.
    """
    top = git(folder, "rev-parse", "--show-toplevel")
    if top is None:
        raise RequestError(f"--against {name}: {folder} is in no git repository")
    root = Path(top.strip())
    wanted = f"{name}^{{commit}}"
    commit = git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", wanted)
    if commit is None:
        listed = git(root, "for-each-ref", "--format=%(refname:short)") or ""
        close = nearest(name, listed.split(), count=3)
        hint = f"; nearest: {', '.join(close)}" if close else ""
        raise RequestError(
            f"--against {name}: no such revision{hint} (a shallow clone lacks older ones: git fetch)"
        )
    return Revision(name, commit.strip(), root.resolve())


def git(folder: Path, *arguments: str) -> str | None:
    """Run git and return its output; None if it fails. Raises RequestError if git is missing."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise RequestError("--against needs git, which is not on the PATH") from None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
