"""Lay a module out with black, under fixed settings that no project configuration changes."""

from __future__ import annotations

from importlib.metadata import version

import black
from black.mode import TargetVersion
from black.parsing import InvalidInput

from connpool_gen.errors import VerifyError

# Stands in the header: the same code may be laid out otherwise by another version.
FORMATTER = f"black {version('black')}"
MODE = black.Mode(target_versions={TargetVersion.PY311}, line_length=88)


def format_source(text: str) -> str:
    """Lay out a module; raises VerifyError when it does not parse."""
    try:
        return black.format_str(text, mode=MODE)
    except InvalidInput as error:
        raise VerifyError(f"the generated module does not parse: {error}") from error
