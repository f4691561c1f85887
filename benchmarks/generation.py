"""What it takes to generate a wrapper, and to check one that is up to date.

Whole commands are measured, as a user runs them: the processor time of the process and of those that it starts.
"""

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import time_ns

from benchmarks.measurement import Bar, Measurement

ROOT = Path(__file__).parents[1]
# Kept between runs: what is measured is a developer's machine that has seen the client before.
WARM = ROOT / "build" / "benchmarks"
PROCESSES = 1  # a round takes minutes
# Within the round each command and its measure take turns.
TURNS = 5
# No garbage is collected, as in the command.
BLACK_ALONE = """
import atexit, gc, sys
gc.disable()
atexit.register(gc.freeze)
import black
black.format_str(sys.stdin.read(), mode=black.Mode())
"""
# What a formatter gets from the templates. Laid out already, the same text takes black half as long.
RENDERED = """
import sys
from connpool_gen import cli
from connpool_gen.rendering import format
def keep(text):
    sys.stdout.write(text)
    sys.exit()
format.format_source = keep
cli.main()
"""


@dataclass(frozen=True)
class Target:
    """A client to generate a wrapper for, and the interpreter of an environment that has it."""

    key: str
    client: str
    python: Path

    @property
    def cache(self) -> Path:
        """What the generator remembers about this client's environment."""
        return WARM / self.key


REDIS = Target("redis", "redis:Redis", Path(sys.executable))
CORPUS = ROOT / ".venv-conformance" / "bin" / "python"
# These are measured where `make conformance` has made the environment that they need.
OTHERS = (
    Target("kubernetes", "kubernetes.client:CoreV1Api", CORPUS),
    Target("openai", "openai:OpenAI", CORPUS),
    Target("stripe", "stripe:StripeClient", CORPUS),
)
TARGETS = [target for target in (REDIS, *OTHERS) if target.python.exists()]
CHECKED = REDIS

BARS = {
    target.key: Bar(
        f"generating {target.client}, all of it, against black alone on the same output",
        1.0,
        0.5,
    )
    for target in TARGETS
}
BARS["cold"] = Bar(
    "generating redis:Redis with nothing remembered, against one cold run of mypy over `import redis`",
    1.5,
    1.2,
)
BARS["check"] = Bar("--check when up to date, with a warm cache, against a cold one", 0.05, 0.02)


def measure() -> Measurement:
    """Run each command; the processes that this is run in are the rounds."""
    with tempfile.TemporaryDirectory() as folder:
        figures = {target.key: median(_generating(target, Path(folder))) for target in TARGETS}
    figures["cold"] = median(_in_new_folders(_from_nothing))
    figures["check"] = median(_in_new_folders(_checking))
    return Measurement(figures)


def _in_new_folders(measured: Callable[[Target, Path], float]) -> Iterator[float]:
    for _ in range(TURNS):
        with tempfile.TemporaryDirectory() as folder:
            yield measured(CHECKED, Path(folder))


def _generating(target: Target, folder: Path) -> Iterator[float]:
    """The whole command against black alone, which the command does without."""
    # Also where a cache is there: that of another version of the client or the tool is worth nothing.
    _connpool_gen(target, folder, target.cache, "--stdout")
    rendered = _rendered(target, folder)
    for _ in range(TURNS):
        # A name that was never asked for, so that nothing but the type checker's knowledge is remembered.
        name = f"pool_{time_ns()}"
        whole, _ = _connpool_gen(target, folder, target.cache, "--stdout", "--pool-field", name)
        black, _ = _run([sys.executable, "-c", BLACK_ALONE], folder, given=rendered)
        yield whole / black


def _rendered(target: Target, folder: Path) -> str:
    name = f"pool_{time_ns()}"
    options = ["--client", target.client, "--quiet", "--stdout", "--pool-field", name]
    command = [str(target.python), "-c", RENDERED, *options]
    return _run(command, folder, CONNPOOL_GEN_CACHE=str(target.cache))[1]


def _from_nothing(target: Target, folder: Path) -> float:
    """The whole command with an empty cache, against mypy alone with an empty cache."""
    module = target.client.partition(":")[0]
    options = ["--strict", "--cache-dir", str(folder / "mypy"), "-c", f"import {module}"]
    mypy, _ = _run([str(target.python), "-m", "mypy", *options], folder)
    ours, _ = _connpool_gen(target, folder, folder / "empty", "--stdout")
    return ours / mypy


def _checking(target: Target, folder: Path) -> float:
    _connpool_gen(target, folder, target.cache)
    warm, _ = _connpool_gen(target, folder, target.cache, "--check")
    cold, _ = _connpool_gen(target, folder, folder / "fresh", "--check")
    return warm / cold


def _connpool_gen(target: Target, folder: Path, cache: Path, *options: str) -> tuple[float, str]:
    command = [str(target.python), "-m", "connpool_gen", "--client", target.client, "--quiet"]
    return _run([*command, *options], folder, CONNPOOL_GEN_CACHE=str(cache))


def _run(command: list[str], folder: Path, given: str = "", **variables: str) -> tuple[float, str]:
    """Run to the end; return the seconds of processor time that it took and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | variables,
        input=given,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout
