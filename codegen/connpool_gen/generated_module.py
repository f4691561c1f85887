"""The result of generating one wrapper."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from connpool_gen.planning.hints import Hints
    from connpool_gen.planning.ledger import Ledger

__all__ = ["GeneratedModule"]


@dataclass(frozen=True, slots=True)
class GeneratedModule:
    """A finished module: its place, its text, its ledger and the files it was made from.

    `hints` are errors of the client's own by method, which no policy and no classifier knows, `notes`
    what else the user should know.
    """

    path: Path
    text: str
    ledger: Ledger
    sources: frozenset[str] = frozenset()
    hints: Hints = field(default_factory=dict[str, tuple[str, ...]])
    notes: tuple[str, ...] = ()
