"""The tables of docs/failures.md, made from the classifiers' own rules.

Run `python -m tests.runtime.classifiers.page` from the top folder to write them anew.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from connpool_runtime.breaker.outcome import Outcome
from connpool_runtime.classifiers import verdict
from connpool_runtime.classifiers.registry import LIBRARIES, classifier
from connpool_runtime.classifiers.table import ByCode, Decision, ErrorTable
from connpool_runtime.classifiers.verdict import MayRetry, Verdict

PAGE = Path(__file__).parents[3] / "docs" / "failures.md"
BEGIN, END = (
    "<!-- tables: begin; made by `python -m tests.runtime.classifiers.page` -->",
    "<!-- tables: end -->",
)

WORDS = {Outcome.SUCCESS: "answer", Outcome.FAILURE: "failure", Outcome.NEUTRAL: "neutral"}


def page() -> str:
    """Return the page as it should be."""
    text = PAGE.read_text()
    head, tail = text.partition(BEGIN)[0], text.partition(END)[2]
    return f"{head}{BEGIN}\n\n{tables()}\n{END}{tail}"


def tables() -> str:
    """Return a table for each library."""
    return "\n".join(section(name) for name in LIBRARIES)


def section(name: str) -> str:
    """Return the heading and the table of a library."""
    table = classifier(name)
    assert isinstance(table, ErrorTable)
    packages = ", ".join(f"`{package}`" for package in table.packages)
    rows = sorted(
        {row for rule, decision in table.rules.items() for row in rows_of(rule, decision)}
    )
    lines = [f"### {name}", "", f"Packages: {packages}. {note_on(name)}", ""]
    lines += ["| Errors | Judged | Tried again |", "| --- | --- | --- |", *merge(rows), ""]
    return "\n".join(lines)


def note_on(name: str) -> str:
    """Return what the file of a classifier says of its table, in the string below it."""
    found = ast.parse((Path(verdict.__file__).parent / f"{name}.py").read_text())
    *_, last = (
        node.value.value
        for node in found.body
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )
    return str(last)


Row = tuple[str, str, str]


def rows_of(rule: str, decision: Decision) -> Iterator[Row]:
    """Return what the page says of a rule: how it judges, whether it retries, and the class."""
    kind = f"`{rule.rpartition(':')[2]}`"
    match decision:
        case None:
            yield "unknown", "", kind
        case Verdict():
            yield *said(decision), kind
        case ByCode():
            for way in {said(one) for one in decision.verdicts.values()}:
                codes = [str(code) for code, one in decision.verdicts.items() if said(one) == way]
                yield *way, f"{kind} with {spans(codes)}"
            match decision.otherwise:
                case Verdict():
                    yield *said(decision.otherwise), f"{kind} otherwise"
                case None:
                    yield "unknown", "", f"{kind} otherwise"
                case _:
                    yield "by what led to it", "", f"{kind} otherwise"
        case _:
            yield how(decision), "", kind


def said(found: Verdict) -> tuple[str, str]:
    """Return the two answers of a verdict in words."""
    retry = "" if found.retry is MayRetry.NO else found.retry.value
    return WORDS[found.outcome], retry


def how(function: object) -> str:
    """Return in words what a rule looks at that is a function."""
    name = getattr(function, "__qualname__", "")
    module = getattr(function, "__module__", "").rpartition(".")[2]
    if name == "status":
        return "by its status"
    if name.startswith(("lost.", "never_connected.")):
        return "failure, by what led to it"
    if module in ("psycopg", "asyncpg", "sqlalchemy"):
        return "by its SQLSTATE"
    return "by its text or what it holds"


def spans(codes: list[str]) -> str:
    """Return codes with ranges drawn together."""
    if not all(code.isdigit() for code in codes):
        return ", ".join(f"`{code}`" for code in sorted(codes))
    numbers = sorted(map(int, codes))
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][-1] + 1:
            found[-1][-1:] = [found[-1][-1], number]
        else:
            found.append([number])
    return ", ".join(str(span[0]) if len(span) == 1 else f"{span[0]}-{span[-1]}" for span in found)


def merge(rows: list[Row]) -> Iterator[str]:
    """Return one line for each way to judge, with all errors that are judged so."""
    for judged, retry in sorted({row[:2] for row in rows}):
        errors = ", ".join(kind for *way, kind in rows if tuple(way) == (judged, retry))
        yield f"| {errors} | {judged} | {retry or '-'} |"


if __name__ == "__main__":
    PAGE.write_text(page())
