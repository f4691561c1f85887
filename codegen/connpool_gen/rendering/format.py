"""Lay a module out with black, under fixed settings that no project configuration changes."""

from __future__ import annotations

import re
from importlib.metadata import version

import black
from black.mode import TargetVersion
from black.parsing import InvalidInput

from connpool_gen.errors import VerifyError

# Stands in the header: the same code may be laid out otherwise by another version.
FORMATTER = f"black {version('black')}"
QUOTED = re.compile(r"^ {4}(?P<line>.*\S.*)$", re.MULTILINE)
MODE = black.Mode(target_versions={TargetVersion.PY311}, line_length=88)


def format_source(text: str) -> str:
    """Lay out a module; raises VerifyError when it does not parse."""
    try:
        return black.format_str(text, mode=MODE)
    except InvalidInput as error:
        raise VerifyError(
            f"what the templates and hooks made of it is no Python: {quoted_line(str(error))}; "
            "run without them to see whose line that is"
        ) from error


def quoted_line(message: str) -> str:
    """Find the text of the line that black could not read; nobody can look up its number."""
    found = QUOTED.search(message)
    return f"`{found['line'].strip()}`" if found is not None else message
