"""Reports members that do not type-check: the member and the text, since no file has the lines."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass

from connpool_gen.verifying.blame import member_spans, table_spans

FINDING = re.compile(r"[^:]*:(?P<line>\d+): (?P<severity>\w+): (?P<text>.*)$")
# errors shown; one wrong member often causes many
SHOWN = 10


@dataclass(frozen=True, slots=True)
class Told:
    """One error in words: the member it is about (empty for the module itself), and the text."""

    member: str
    text: str


def refusal(text: str, findings: Sequence[str]) -> str:
    """Return the reason why a module is not written: the members, the type checker's errors, the next step."""
    told = list(dict.fromkeys(described(text, finding) for finding in findings))
    members = sorted({one.member for one in told if one.member})
    lines = [f"{one.member or 'the module'}: {one.text}" for one in told[:SHOWN]]
    lines += [f"and {len(told) - SHOWN} more"] if len(told) > SHOWN else []
    reason = "the generated wrapper does not pass mypy --strict, so it was not written"
    step = "--no-verify writes it anyway"
    if members:
        step = f"--exclude leaves out what you do not need ({', '.join(members)}), {step}"
    return "\n  ".join([f"{reason}; {step}:", *lines])


def described(text: str, finding: str) -> Told:
    """Put an error in words, quoting its line, because there is no file to look it up in."""
    found = FINDING.match(finding)
    if found is None:
        return Told("", finding)
    number = int(found["line"])
    lines = text.splitlines()
    line = lines[number - 1].strip() if number <= len(lines) else ""
    names = [name for name, first, last in spans(text) if first <= number <= last]
    quoted = f", in `{line}`" if line else ""
    return Told(names[-1] if names else "", f"{found['text']}{quoted}")


def spans(text: str) -> list[tuple[str, int, int]]:
    """List the members of a module with their first and last lines; none if it does not parse."""
    try:
        tree = ast.parse(text)
        return [*member_spans(tree), *table_spans(tree)]
    except (SyntaxError, ValueError):
        return []
