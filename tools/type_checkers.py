"""Check the committed wrappers, and a program that uses them, with type checkers of all kinds: `make checkers`.

Each runs as a stranger would run it: in its strict mode where it has one, with its own defaults otherwise, and with nothing of this
repository's settings. The table in docs/type_checkers.md says what came of it. Every error that is left has an entry
in `KNOWN` that says whose it is; another one, or an entry that nothing needs any more, ends the run with exit code 1.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = ["CHECKERS", "KNOWN", "PAGE", "Checker", "Finding", "Known", "Run", "filled", "judged"]

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "type_checkers.md"
PROGRAM = ROOT / "tests" / "typing" / "user_program.py"
WORK = ROOT / "build" / "checkers"
COPY = WORK / "user_program.py"
PATHS = (ROOT, ROOT / "examples")  # beside what is installed: `generated`, `tests` and `greeter`
PYTHON_VERSION = "3.11"

LEFT_OUT = (
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
)  # of the environment: checkers look for packages there
MISSED = "missed"  # the rule of an entry about a mistake that a checker does not find

_MARKED = re.compile(r"(<!-- table -->\n).*(<!-- /table -->)", re.DOTALL)
_QUIET = re.compile(r"  # (?:type|pyright): ignore\[[^\]]*\]")
_WRONG = re.compile(r"  # wrong: ")
# mypy and zuban: `path:line: error: text  [rule]`; ty: `path:line:column: error[rule] text`;
# pyrefly: `ERROR path:line:column-column: text [rule]`.
_LINES = (
    re.compile(r"(?P<path>[^:\n]+):(?P<line>\d+): error: (?P<text>.*?)  \[(?P<rule>[\w-]+)\]"),
    re.compile(r"(?P<path>[^:\n]+):(?P<line>\d+):\d+: error\[(?P<rule>[\w-]+)\] (?P<text>.*)"),
    re.compile(
        r" *ERROR (?P<path>[^:\n]+):(?P<line>\d+):[\d:-]+: (?P<text>.*) \[(?P<rule>[\w-]+)\]"
    ),
)


class Checker(NamedTuple):
    """A type checker: its name, what it is run as, and the command, without its folder and the files."""

    name: str
    mode: str
    command: tuple[str, ...]


class Finding(NamedTuple):
    """An error that a checker told: where, by which rule, in which words."""

    path: str
    line: int
    rule: str
    text: str


class Known(NamedTuple):
    """Why a checker tells errors: those of a rule in files that match a glob, with a part of their text.

    The rule `MISSED` is for a mistake that the checker does not find; the text is then a part of its line.
    `whose` is "the checker's", "the stubs'" (the client's own annotations), "Python's" or "ours".
    """

    checker: str
    rule: str
    files: str
    text: str
    whose: str
    why: str

    def explains(self, checker: str, finding: Finding) -> bool:
        """Tell whether this is why a checker told an error."""
        return (
            (self.checker, self.rule) == (checker, finding.rule)
            and Path(finding.path).match(self.files)
            and self.text in finding.text
        )


class Run(NamedTuple):
    """What a checker told: the errors in wrappers and in the program's right lines, and the wrong lines it found."""

    checker: Checker
    version: str
    wrappers: Sequence[Finding]
    program: Sequence[Finding]
    mistakes: frozenset[int]


def _pyrefly(preset: str) -> tuple[str, ...]:
    return (
        *("pyrefly", "check", "--output-format", "min-text"),
        *("--config", f"{WORK}/pyrefly-{preset}.toml"),
        *("--python-interpreter-path", sys.executable, "--python-version", PYTHON_VERSION),
        *(part for path in PATHS for part in ("--search-path", str(path))),
    )


CHECKERS = (
    Checker(
        "mypy",
        "`--strict`",
        (
            *(
                "mypy",
                "--strict",
                "--config-file",
                f"{WORK}/mypy.ini",
                "--cache-dir",
                f"{WORK}/mypy",
            ),
            *("--explicit-package-bases", "--python-version", PYTHON_VERSION),
            *("--python-executable", sys.executable),
        ),
    ),
    Checker(
        "pyright",
        "strict",
        (
            "pyright",
            "--outputjson",
            "--pythonpath",
            sys.executable,
            "--project",
            f"{WORK}/pyright.json",
        ),
    ),
    Checker(
        "basedpyright",
        "its default, recommended",
        (
            *("basedpyright", "--outputjson", "--pythonpath", sys.executable),
            *("--project", f"{WORK}/basedpyright.json"),
        ),
    ),
    Checker(
        "ty",
        "its default",
        (
            *("ty", "check", "--output-format", "concise", "--python", sys.executable),
            *("--config-file", f"{WORK}/ty.toml", "--python-version", PYTHON_VERSION),
            *(part for path in PATHS for part in ("--extra-search-path", str(path))),
        ),
    ),
    Checker("pyrefly", "its default", _pyrefly("default")),
    Checker("pyrefly", "preset `strict`", _pyrefly("strict")),
    Checker(
        "zuban",
        "`mypy --strict`",
        (
            *("zuban", "mypy", "--strict", "--config-file", f"{WORK}/mypy.ini"),
            *("--explicit-package-bases", "--python-version", PYTHON_VERSION),
            *("--python-executable", sys.executable),
        ),
    ),
)

KNOWN = (
    Known(
        "ty",
        "invalid-explicit-return",
        "generated/async_redis_pool.py",
        "expected `Awaitable[int]`, found `int`",
        "the checker's",
        "redis-py says `decr = decrby` and `incr = incrby` in a class whose overloads tell synchronous from asynchronous clients by "
        "their `self`. ty picks the right overload of `incrby`, and of its second name always the first. It does so without a wrapper, too.",
    ),
    Known(
        "ty",
        MISSED,
        "tests/typing/user_program.py",
        "RedisPool(max_failures=3)",
        "the checker's",
        "ty checks the types of options that stand in a TypedDict (`**options: Unpack[PoolOptions]`), but says nothing of a name that "
        "is not in it. At run time the pool does.",
    ),
    Known(
        "pyrefly",
        "open-unpacking",
        "*_pool.py",
        "Extra items of type `object` are not assignable to parameter",
        "Python's",
        "Before Python 3.15 a TypedDict cannot say that it is closed, so in theory `PoolOptions` may hold keys that it does not name, and "
        "`**options` could reach any parameter. This is a rule of the strict preset only. At run time a name that is no option is refused.",
    ),
    Known(
        "zuban",
        "call-arg",
        "generated/greeter_stub_pool.py",
        'return type for function "__init__" of "GrpcConnector" does not match the return context',
        "the checker's",
        "The connector is an argument where a `Connector[GreeterStub]` is expected, which is a Protocol. Once it has a name, zuban reveals "
        "it as `GrpcConnector[GreeterStub]` and takes it for the same argument.",
    ),
)


def wrappers() -> list[Path]:
    """Return the committed wrappers: what the targets of pyproject.toml write."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return [ROOT / target["output"] for target in settings["tool"]["connpool-gen"]["target"]]


def wrong_lines(program: str) -> frozenset[int]:
    """Return the numbers of the lines that hold a mistake."""
    lines = enumerate(program.splitlines(), 1)
    return frozenset(number for number, line in lines if _WRONG.search(line))


def unquieted(program: str) -> str:
    """Return the program without the comments that keep checkers quiet about its mistakes."""
    return _QUIET.sub("", program)


def prepare() -> None:
    """Write the program's copy and the settings that have no flag."""
    WORK.mkdir(parents=True, exist_ok=True)
    COPY.write_text(unquieted(PROGRAM.read_text("utf-8")), "utf-8")
    files = [os.path.relpath(path, WORK) for path in (*wrappers(), COPY)]
    shared = {
        "include": files,
        "extraPaths": [os.path.relpath(path, WORK) for path in PATHS],
        "pythonVersion": PYTHON_VERSION,
    }
    for name, more in (("pyright", {"strict": files}), ("basedpyright", {})):
        (WORK / f"{name}.json").write_text(json.dumps({**shared, **more}, indent=2), "utf-8")
    (WORK / "mypy.ini").write_text("[mypy]\n", "utf-8")
    (WORK / "ty.toml").write_text("", "utf-8")
    for preset in ("default", "strict"):
        (WORK / f"pyrefly-{preset}.toml").write_text(f'preset = "{preset}"\n', "utf-8")


def findings(output: str) -> list[Finding]:
    """Read the errors from what a checker printed; warnings and notes are none."""
    if output.lstrip().startswith("{"):
        told = [
            (
                each["file"],
                each["range"]["start"]["line"] + 1,
                each.get("rule", ""),
                each["message"],
            )
            for each in json.loads(output)["generalDiagnostics"]
            if each["severity"] == "error"
        ]
    else:
        told = [
            (found["path"], int(found["line"]), found["rule"], found["text"])
            for line in output.splitlines()
            for form in _LINES
            if (found := form.match(line))
        ]
    return [
        Finding(os.path.relpath(ROOT / path, ROOT), line, rule, " ".join(text.split()))
        for path, line, rule, text in told
    ]


def run(checker: Checker, folder: Path) -> Run:
    """Run a checker on everything at once.

    Raises:
        RuntimeError: it did not end as checkers do, or told nothing of the mistakes, as if it had read nothing.
    """
    paths = os.pathsep.join(map(str, PATHS))
    kept = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
    environment = {**kept, "MYPYPATH": paths, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    command = [str(folder / checker.command[0]), *checker.command[1:]]
    if "--project" not in command:  # else the files stand in the settings
        command += map(str, (*wrappers(), COPY))
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    told = findings(done.stdout)
    wrong = wrong_lines(PROGRAM.read_text("utf-8"))
    copy = str(COPY.relative_to(ROOT))
    mistakes = frozenset(each.line for each in told if each.path == copy) & wrong
    if done.returncode not in (0, 1) or not mistakes:
        raise RuntimeError(
            f"{checker.name} ended with {done.returncode} and found {len(mistakes)} mistakes:\n"
            f"{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return Run(
        checker,
        version_of(checker, folder),
        [each for each in told if each.path != copy],
        [each for each in told if each.path == copy and each.line not in wrong],
        mistakes,
    )


def version_of(checker: Checker, folder: Path) -> str:
    """Ask a checker for its version."""
    command = [str(folder / checker.command[0]), "--version"]
    printed = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout
    found = re.search(r"\d+(?:\.\d+)+", printed)
    if found is None:
        raise RuntimeError(f"{' '.join(command)} told no version: {printed}")
    return found[0]


def judged(runs: Sequence[Run], known: Sequence[Known]) -> list[str]:
    """Return what has to be done: errors that nothing explains, mistakes that are not found, needless entries."""
    to_do: list[str] = []
    used: set[Known] = set()
    for each in runs:
        name = each.checker.name
        for finding in (*each.wrappers, *each.program, *_missed(each)):
            why = [entry for entry in known if entry.explains(name, finding)]
            used.update(why)
            if not why:
                told = f"{finding.path}:{finding.line}: {finding.text} [{finding.rule}]"
                to_do.append(f"{name}, {each.checker.mode}: {told}: not explained")
    ran = {each.checker.name for each in runs}
    to_do += [
        f"{entry.checker}: {entry.rule} in {entry.files}: nothing is told any more; remove the entry"
        for entry in known
        if entry.checker in ran and entry not in used
    ]
    return to_do


def _missed(ran: Run) -> list[Finding]:
    """Return the mistakes that a checker did not find, each with its line for a text."""
    program = PROGRAM.read_text("utf-8")
    lines = program.splitlines()
    path = str(PROGRAM.relative_to(ROOT))
    missed = sorted(wrong_lines(program) - ran.mistakes)
    return [Finding(path, line, MISSED, lines[line - 1].strip()) for line in missed]


def filled(page: str, runs: Sequence[Run], known: Sequence[Known]) -> str:
    """Return the page with the table, and the reasons below it, made anew."""
    total = len(wrong_lines(PROGRAM.read_text("utf-8")))
    head = ("checker", "version", "run as", "errors in wrappers", "errors in the program")
    rows: list[Sequence[str]] = [(*head, "mistakes found", "whose they are")]
    rows.append(["---"] * len(rows[0]))
    for each in runs:
        told = (*each.wrappers, *each.program, *_missed(each))
        whose = {
            entry.whose: None
            for entry in known
            if any(entry.explains(each.checker.name, finding) for finding in told)
        }
        counts = (str(len(each.wrappers)), str(len(each.program)))
        cells = (f"`{each.checker.name}`", each.version, each.checker.mode, *counts)
        rows.append((*cells, f"{len(each.mistakes)} of {total}", ", ".join(whose) or "none"))
    table = "".join("| " + " | ".join(row) + " |\n" for row in rows)
    text = f"{table}\n{_reasons(known)}" if known else table
    return _MARKED.sub(lambda found: f"{found[1]}{text}{found[2]}", page)


def _reasons(known: Sequence[Known]) -> str:
    return "".join(
        f"- `{entry.checker}`, `{entry.rule}` in `{entry.files}`: {entry.whose}. {entry.why}\n"
        for entry in known
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Check wrappers with several type checkers.")
    parser.add_argument("folder", type=Path, help="folder of the checkers' programs")
    parser.add_argument("--write", action="store_true", help="write docs/type_checkers.md")
    parser.add_argument(
        "--only", choices=sorted({each.name for each in CHECKERS}), help="one of them"
    )
    return parser.parse_args()


def main() -> int:
    """Run all, say what is left to do, and write the page if nothing is."""
    asked = _arguments()
    if asked.write and asked.only:
        raise SystemExit("The page names all checkers: leave out --only, or --write.")
    chosen = [each for each in CHECKERS if asked.only in (None, each.name)]
    missing = [each.name for each in chosen if not (asked.folder / each.command[0]).exists()]
    if missing:
        raise SystemExit(
            f"{asked.folder} has no {', '.join(missing)}: `make checkers` installs them."
        )
    prepare()
    runs: list[Run] = []
    for checker in chosen:
        print(f"{checker.name} ...", file=sys.stderr, flush=True)
        runs.append(run(checker, asked.folder.absolute()))
    to_do = judged(runs, KNOWN)
    print("\n".join(to_do) or "Every error is explained.")
    for each in runs:
        counts = f"{len(each.wrappers)} in wrappers, {len(each.program)} in the program"
        print(f"{each.checker.name} {each.version}: {counts}, {len(each.mistakes)} mistakes found")
    if asked.write and not to_do:
        PAGE.write_text(filled(PAGE.read_text("utf-8"), runs, KNOWN), "utf-8")
    return 1 if to_do else 0


if __name__ == "__main__":
    sys.exit(main())
