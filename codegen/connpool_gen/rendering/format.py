"""Format a module with `ruff format`, under fixed settings that no project configuration changes."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

from connpool_gen.errors import GenerationError, VerifyError

# Stands in the header: the same code may be laid out otherwise by another version.
RUFF = distribution("ruff")
FORMATTER = f"ruff {RUFF.version}"
NAME = "wrapper.py"  # the name of the text in ruff's messages
# Isolated: the settings of the output's project must not change the output.
OPTIONS = (
    "--isolated",
    "--no-cache",
    "--line-length=88",
    "--target-version=py311",
    f"--stdin-filename={NAME}",
)
REFUSED = re.compile(rf"\b{re.escape(NAME)}:(?P<line>\d+):\d+: (?P<reason>.+)")


def format_source(text: str) -> str:
    """Format a module.

    Raises:
        VerifyError: the text does not parse.
        GenerationError: ruff cannot be run.
    """
    command = [*ruff(), "format", *OPTIONS, "-"]
    # Half a surrogate pair, which a hook may have put into a text, is no UTF-8; its escape means the same.
    given = text.encode("utf-8", "backslashreplace")
    done = subprocess.run(command, input=given, capture_output=True, check=False)
    told = done.stderr.decode("utf-8", "replace").strip()
    if done.returncode == 0:
        return done.stdout.decode("utf-8")
    refused = REFUSED.search(told)
    if refused is None:
        raise GenerationError(f"laying out with {FORMATTER} failed: {told}")
    raise VerifyError(
        "the templates and hooks produced invalid Python:"
        f" {quoted_line(text, int(refused['line']))} ({refused['reason']});"
        " run without them to find out which of them wrote that line"
    )


@cache
def ruff() -> tuple[str, ...]:
    """Return the command that runs ruff: its program where the distribution has it, or else its module, which takes a Python more.

    A program of that name on the PATH may be of another version.
    """
    for file in RUFF.files or ():
        if file.name in ("ruff", "ruff.exe"):
            program = Path(str(file.locate())).resolve()
            if program.is_file():
                return (str(program),)
    # With `-P`, a folder named ruff in the current directory is not imported instead.
    return (sys.executable, "-P", "-m", "ruff")


def quoted_line(text: str, number: int) -> str:
    """Quote the line of a text that is in no file, as its number alone says nothing.

    A text that ends too soon is refused below its last line.
    """
    above = [line.strip() for line in text.split("\n")[:number]]
    return f"`{next((line for line in reversed(above) if line), '')}`"
