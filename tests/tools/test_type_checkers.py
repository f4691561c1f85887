"""The page of type checkers says what the tool runs; what is left of errors is explained. No checker is run."""

import re
import tomllib
from pathlib import Path

import pytest

from tools.type_checkers import (
    CHECKERS,
    KNOWN,
    MISSED,
    PAGE,
    PROGRAM,
    Finding,
    Known,
    Run,
    filled,
    findings,
    judged,
    unquieted,
    wrappers,
    wrong_lines,
)

ROOT = Path(__file__).parents[2]
TY = next(each for each in CHECKERS if each.name == "ty")
WRONG = wrong_lines(PROGRAM.read_text())
ERROR = Finding("generated/redis_pool.py", 7, "some-rule", "found `int`")
REASON = Known("ty", "some-rule", "generated/*.py", "`int`", "the checker's", "It cannot know.")


def test_the_table_names_the_checkers_of_the_tool() -> None:
    """The page has a row for each checker, in the tool's order, with the pinned version and no error unexplained."""
    pinned = dict(re.findall(r"^([\w-]+)==(\S+)", _requirements(), re.MULTILINE))
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \|", PAGE.read_text(), re.MULTILINE)
    assert rows == [(each.name, pinned[each.name]) for each in CHECKERS]


def test_the_reasons_on_the_page_are_those_of_the_tool() -> None:
    """Each reason stands on the page, with whose the error is, and there is no other."""
    reasons = re.findall(
        r"^- `(\w+)`, `([\w-]+)` in .*: (the checker's|the stubs'|Python's|ours)\. (.*)$",
        PAGE.read_text(),
        re.MULTILINE,
    )
    assert reasons == [(each.checker, each.rule, each.whose, each.why) for each in KNOWN]


def test_no_error_is_ours() -> None:
    """What is ours is mended, not explained."""
    assert [each for each in KNOWN if each.whose == "ours"] == []


def test_every_mistake_is_told_by_the_strict_checkers() -> None:
    """A wrong line is quiet for mypy and pyright by name of the rule, and without these comments it is not."""
    lines = PROGRAM.read_text().splitlines()
    quiet = {number for number, line in enumerate(lines, 1) if "ignore[" in line}
    assert quiet == WRONG
    assert len(WRONG) > 10
    bare = unquieted(PROGRAM.read_text())
    assert "ignore[" not in bare
    assert wrong_lines(bare) == WRONG


def test_all_targets_are_checked() -> None:
    """Each wrapper that a target writes is there, those of `generated` among them."""
    assert all(path.read_text().startswith("# @generated") for path in wrappers())
    assert set((ROOT / "generated").glob("*.py")) <= set(wrappers())


@pytest.mark.parametrize(
    "output",
    [
        "generated/redis_pool.py:7: error: found `int`  [some-rule]\nFound 1 error\n",
        "generated/redis_pool.py:7:12: error[some-rule] found `int`\nFound 1 diagnostic\n",
        "ERROR generated/redis_pool.py:7:12-15: found `int` [some-rule]\n INFO 1 error\n",
        '\n{"generalDiagnostics": [{"file": "generated/redis_pool.py", "severity": "error", "rule": "some-rule",'
        ' "message": "found\\n  `int`", "range": {"start": {"line": 6}}}]}',
    ],
    ids=["mypy", "ty", "pyrefly", "pyright"],
)
def test_what_checkers_print_is_read(output: str) -> None:
    """An error is read from each checker's own form."""
    assert findings(output) == [ERROR]


@pytest.mark.parametrize(
    "output",
    [
        "generated/redis_pool.py:7: note: found `int`\n",
        "generated/redis_pool.py:7:12: warning[some-rule] found `int`\n",
        '{"generalDiagnostics": [{"file": "a.py", "severity": "warning", "message": "", "range": {"start": {"line": 6}}}]}',
    ],
    ids=["mypy", "ty", "pyright"],
)
def test_warnings_and_notes_are_no_errors(output: str) -> None:
    """Only errors count."""
    assert findings(output) == []


def test_what_nothing_explains_is_told() -> None:
    """An error without a reason is told with its place; with its reason it is not."""
    ran = Run(TY, "1.0", [ERROR], [], WRONG)
    (told,) = judged([ran], ())
    assert "ty, its default: generated/redis_pool.py:7: found `int` [some-rule]" in told
    assert judged([ran], [REASON]) == []


def test_a_mistake_that_is_not_found_is_told() -> None:
    """Silence about a wrong line needs a reason as an error does."""
    first = min(WRONG)
    ran = Run(TY, "1.0", [], [], WRONG - {first})
    (told,) = judged([ran], ())
    assert f"user_program.py:{first}" in told
    reason = Known("ty", MISSED, "tests/typing/*.py", "Shelf({", "the checker's", "It cannot know.")
    assert judged([ran], [reason]) == []


def test_a_reason_for_nothing_is_told() -> None:
    """A reason that no error of its checker needs any more has to go; of checkers that did not run nothing is known."""
    (told,) = judged([Run(TY, "1.0", [], [], WRONG)], [REASON])
    assert "remove the entry" in told
    assert judged([], [REASON]) == []


def test_the_table_counts() -> None:
    """A row says what was told, and whose it is."""
    page = "a\n<!-- table -->\nold\n<!-- /table -->\nb\n"
    made = filled(page, [Run(TY, "1.0", [ERROR], [], WRONG)], [REASON])
    assert (
        f"| `ty` | 1.0 | its default | 1 | 0 | {len(WRONG)} of {len(WRONG)} | the checker's |"
        in made
    )
    assert (
        "- `ty`, `some-rule` in `generated/*.py`: the checker's. It cannot know.\n<!-- /table -->\nb\n"
        in made
    )
    assert "old" not in made


def _requirements() -> str:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["checkers"]
    assert {re.split(r"[\[>=<]", each)[0] for each in wanted} == {each.name for each in CHECKERS}
    return (ROOT / "requirements" / "checkers.txt").read_text()
