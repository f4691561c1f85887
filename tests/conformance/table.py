"""The table of all classes: what became of their members, and how long it took."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from tests.conformance.checkers import mypy_report
from tests.conformance.corpus import CLIENTS, HERE, Client
from tests.conformance.generation import generated
from tests.conformance.known_types import is_known
from tests.conformance.workshop import Workshop

DOCUMENT = HERE.parents[1] / "docs" / "conformance.md"
START, END = "<!-- table: written by the suite -->", "<!-- end of table -->"
FATES = ("wrapped", "passed through", "broadcast", "pool", "skipped")
NUMBERS = ("members", *FATES, "types known", "seconds")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; `known` counts members with known types, by "client" and "wrapper"."""

    name: str
    counts: Counter[str]
    known: Counter[str]
    reasons: Counter[str]
    seconds: float

    def cells(self) -> list[str]:
        """The texts of the line."""
        members = sum(self.counts.values())
        numbers = [str(number or "") for number in (members, *(self.counts[f] for f in FATES))]
        skipped = "; ".join(f"{n} x {reason}" for reason, n in self.reasons.most_common())
        numbers.append(f"{self.known['client']}/{self.known['wrapper']}")
        return [self.name, *numbers, skipped.replace("|", "\\|"), f"{self.seconds:.1f}"]


def rows(workshop: Workshop) -> list[Row]:
    """The table of this run; its last row is the total."""
    found = [row(workshop, client) for client in CLIENTS]
    counts = sum((one.counts for one in found), Counter[str]())
    known = sum((one.known for one in found), Counter[str]())
    seconds = sum(one.seconds for one in found)
    return [*found, Row(f"**{len(found)} classes**", counts, known, Counter(), seconds)]


def row(workshop: Workshop, client: Client) -> Row:
    """One class; a class without a wrapper has no members."""
    made = generated(workshop, client)
    counts = Counter(entry.fate for entry in made.ledger)
    reasons = Counter(entry.reason for entry in made.ledger if entry.fate == "skipped")
    types = mypy_report(workshop)["types"][client.slug]
    known = Counter(
        side
        for entry in made.ledger
        for side in (("client", "wrapper") if entry.has_twin else ("client",))
        if is_known(types[side].get(entry.name, "")) and (entry.has_twin or entry.fate == "skipped")
    )
    return Row(f"`{client}`", counts, known, reasons, made.seconds)


def markdown(table: list[Row]) -> str:
    """The table as the document has it."""
    head = ["class", "members", *FATES, "types known", "skipped because", "seconds"]
    rule = ["---", *["--:"] * (len(FATES) + 2), "---", "--:"]
    lines = [head, rule, *(one.cells() for one in table)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plain(table: list[Row]) -> str:
    """The table for a terminal, the reasons below it."""
    width = max(len(row.name) for row in table)
    head = f"{'class':{width}}" + "".join(f"{name:>15}" for name in NUMBERS)
    lines = [head]
    for row in table:
        name, *numbers, _, seconds = row.cells()
        lines.append(
            f"{name.strip('`*'):{width}}" + "".join(f"{n:>15}" for n in (*numbers, seconds))
        )
    skipped = sum((row.reasons for row in table), Counter[str]())
    return "\n".join(
        [*lines, *(f"skipped {n:5} x {reason}" for reason, n in skipped.most_common())]
    )


def update(table: list[Row]) -> bool:
    """Write the table into the document, unless only the seconds differ; say if it was written."""
    before = DOCUMENT.read_text()
    text = markdown(table)
    held = before.partition(START)[2].partition(END)[0].strip()
    if without_seconds(held) == without_seconds(text):
        return False
    head, tail = before.partition(START)[0], before.partition(END)[2]
    DOCUMENT.write_text(f"{head}{START}\n{text}\n{END}{tail}")
    return True


def without_seconds(text: str) -> str:
    """The table without its last column, which is another one each time."""
    return re.sub(r"\| *[\d.]+ *\|$", "", text, flags=re.MULTILINE)
