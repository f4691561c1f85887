"""Draws what a console showed."""

from __future__ import annotations

import re
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI

FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def save_picture(console: Console, path: Path) -> None:
    """Write what a recording console showed as SVG, which loads nothing from elsewhere.

    Args:
        console: made with `record=True`.
        path: the file to write.
    """
    text = console.export_svg(title="make demo", theme=DIMMED_MONOKAI, unique_id="demo")
    # Spaces at the ends of lines are of no use, and are there only because a terminal has columns.
    text = "\n".join(line.rstrip() for line in FONT.sub("", text).splitlines())
    path.write_text(text.replace("Fira Code, monospace", "ui-monospace, monospace") + "\n")
