"""Runs the command on a class, as a user would: in a process of its own, twice, in two places."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.conformance.corpus import Client
from tests.conformance.workshop import Workshop


@dataclass(frozen=True, slots=True)
class Entry:
    """One member in the ledger; the name of a member of a namespace is dotted."""

    name: str
    fate: str
    reason: str

    @property
    def has_twin(self) -> bool:
        """Whether the wrapper has a member that stands for the client's; equality and the like are its own."""
        own = self.fate == "pool" and self.reason == "the wrapper is an object of its own"
        leaves = self.name in (
            "__exit__",
            "__aexit__",
        )  # a wrapper is entered and left in its own way
        return self.fate != "skipped" and not own and not leaves


@dataclass(frozen=True, slots=True)
class Generated:
    """What one run of the command gave. `text` is empty when it failed."""

    exit_code: int
    text: str
    messages: str
    seconds: float
    ledger: tuple[Entry, ...]


@functools.cache
def generated(workshop: Workshop, client: Client) -> Generated:
    """The module of a class, made once per test run and put among the wrappers."""
    found = workshop.once(f"made-{client.slug}", lambda: make(workshop, client))
    return Generated(**found | {"ledger": tuple(Entry(**entry) for entry in found["ledger"])})


def make(workshop: Workshop, client: Client) -> dict[str, object]:
    """Generate, and copy the module to the package of all wrappers."""
    result = run_command(workshop, client, workshop.run / "first" / client.slug, hash_seed="1")
    if result.text:
        # Without the line that asks pyright for lenience: here it is as strict as it can be.
        text = result.text.replace("# pyright: basic\n", "")
        (workshop.wrappers / f"{client.slug}.py").write_text(text)
    return asdict(result)


def run_command(workshop: Workshop, client: Client, folder: Path, *, hash_seed: str) -> Generated:
    """Run `connpool-gen` in a folder of its own."""
    shutil.rmtree(folder, ignore_errors=True)
    # A project of its own: else the targets of this repository, in which it lies, would be its.
    folder.joinpath(".git").mkdir(parents=True)
    output = Path("generated", f"{client.slug}.py")
    words = ["--client", client.path, "--output", str(output), "--ledger", "ledger.json"]
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-P", "-m", "connpool_gen", *words],
        cwd=folder,
        env=os.environ | environment(workshop, hash_seed),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    seconds = time.monotonic() - started
    if done.returncode != 0:
        return Generated(done.returncode, "", last_words(done.stderr), seconds, ())
    entries = json.loads((folder / "ledger.json").read_text())[client.path]
    ledger = [Entry(**entry) for entry in entries]
    return Generated(0, (folder / output).read_text(), done.stderr, seconds, tuple(ledger))


def last_words(messages: str) -> str:
    """What the command said at its end, or the end of a traceback."""
    kept = [line for line in messages.splitlines() if not line.endswith(" ...")]
    return "\n  ".join(kept[-6:])


def environment(workshop: Workshop, hash_seed: str) -> dict[str, str]:
    """What the command's process sees beside our own environment."""
    return {
        "CONNPOOL_GEN_CACHE": str(workshop.cache),
        "PYTHONHASHSEED": hash_seed,
        "PYTHONWARNINGS": "ignore",
        "COLUMNS": "200",
    }
