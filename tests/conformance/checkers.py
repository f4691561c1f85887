"""mypy and pyright over all wrappers at once: their errors, and the types they reveal."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conformance.corpus import CLIENTS, Client
from tests.conformance.findings import Found
from tests.conformance.generation import generated
from tests.conformance.probes import Probe, SeenClass, make_probe, make_use
from tests.conformance.untyped import followed, package_of
from tests.conformance.workshop import Workshop

SCRIPT = Path(__file__).with_name("static_names.py")
REVEALED = re.compile(r'probes/(\w+)\.py:(\d+): note: Revealed type is "(.*)"$')
FINDING = re.compile(r"wrappers/(\w+)\.py:(\d+): error: (.*)$")
BROKEN = re.compile(r"probes/(\w+)\.py:(\d+): error: (.*has no attribute.*)$")
STRICT = ("--strict", "--python-version=3.11", "--no-error-summary")
OPTIONS = (*STRICT, "--config-file=")


@functools.cache
def wrapper_names(workshop: Workshop) -> dict[str, str]:
    """The wrapper class of each client that has one."""
    texts = {client.slug: generated(workshop, client).text for client in CLIENTS}
    return {
        slug: found[1]
        for slug, text in texts.items()
        if (found := re.search(r'^__all__ = \["(\w+)"', text, re.MULTILINE))
    }


@functools.cache
def seen_class(workshop: Workshop, client: Client) -> SeenClass:
    """A client class as mypy finds it."""

    def ask() -> Any:
        question, answer = workshop.run / "question.json", workshop.run / "answer.json"
        question.write_text(json.dumps({client.slug: client.path for client in CLIENTS}))
        words = [sys.executable, str(SCRIPT), str(question), str(answer)]
        run(workshop, [*words, *OPTIONS, f"--cache-dir={workshop.mypy_cache}"])
        return json.loads(answer.read_text())

    seen = workshop.once("seen", ask)[client.slug]
    if seen is None:
        return SeenClass(client.module, client.qualname, (), typed=False)
    return SeenClass(seen["module"], seen["qualname"], tuple(seen["names"]), typed=True)


def public_names(workshop: Workshop, client: Client) -> list[str]:
    """Every public member: those that exist in the class and those that type checkers see."""
    running = {name for name in dir(client.load()) if not name.startswith("_")}
    return sorted(running | set(seen_class(workshop, client).names))


def paths_to_reveal(workshop: Workshop, client: Client) -> list[str]:
    """The public members, all of the ledger, dotted in namespaces, and the namespaces between."""
    entries = [entry.name for entry in generated(workshop, client).ledger]
    parents = {path.rsplit(".", n)[0] for path in entries for n in range(1, path.count(".") + 1)}
    return sorted({*public_names(workshop, client), *entries, *parents})


@functools.cache
def mypy_report(workshop: Workshop) -> dict[str, Any]:
    """One run of mypy --strict over all wrappers and probes.

    `errors`: per slug the findings; `types`: per slug, side and member the revealed type, empty
    where mypy says that there is no such attribute. Clients without `py.typed` are looked at once
    more, with imports followed into their packages: then all that is imported from them is not Any.
    """

    def check() -> dict[str, Any]:
        probes = write_probes(workshop)
        words = [sys.executable, "-m", "mypy", *OPTIONS, f"--cache-dir={workshop.mypy_cache}"]
        done = run(workshop, [*words, "wrappers", "probes"])
        if done.returncode > 1:
            raise RuntimeError(f"mypy broke down:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        report = parse_mypy(done.stdout, probes)
        untyped = [client for client in CLIENTS if not seen_class(workshop, client).typed]
        if untyped:
            more = parse_mypy(follow(workshop, untyped), probes)
            for slug in (client.slug for client in untyped):
                report["types"][slug] = more["types"][slug]
                report["errors"][slug] += [f"followed, {text}" for text in more["errors"][slug]]
        return report

    report: dict[str, Any] = workshop.once("mypy", check)
    return report


def follow(workshop: Workshop, untyped: list[Client]) -> str:
    """What mypy says of some wrappers and probes when it reads the clients' packages without `py.typed`."""
    made = wrapper_names(workshop)
    files = [f"probes/{client.slug}.py" for client in untyped]
    files += [f"wrappers/{client.slug}.py" for client in untyped if client.slug in made]
    words = [sys.executable, "-m", "mypy", *STRICT, f"--cache-dir={workshop.mypy_cache}-followed"]
    packages = [package_of(client) for client in untyped]
    config = workshop.run / "followed.ini"
    return followed(config, packages, lambda given: run(workshop, [*words, given, *files]))


def write_probes(workshop: Workshop) -> dict[str, Probe]:
    """A package of probes beside the package of wrappers."""
    folder = workshop.run / "probes"
    folder.mkdir(exist_ok=True)
    folder.joinpath("__init__.py").touch()
    wrappers = wrapper_names(workshop)
    probes = {
        client.slug: make_probe(
            client,
            seen_class(workshop, client),
            paths_to_reveal(workshop, client),
            wrappers.get(client.slug),
        )
        for client in CLIENTS
    }
    for slug, probe in probes.items():
        folder.joinpath(f"{slug}.py").write_text(probe.text)
    return probes


def parse_mypy(output: str, probes: dict[str, Probe]) -> dict[str, Any]:
    """Sort mypy's lines into errors of the wrappers and types of the members."""
    errors: dict[str, list[str]] = {slug: [] for slug in probes}
    types: dict[str, dict[str, dict[str, str]]] = {
        slug: {"client": {}, "wrapper": {}} for slug in probes
    }
    missing: set[tuple[str, str, str]] = set()
    for line in output.splitlines():
        if found := FINDING.match(line):
            errors[found[1]].append(f"line {found[2]}: {found[3]}")
        elif found := BROKEN.match(line):
            missing.add((found[1], *probes[found[1]].lines[int(found[2])]))
        elif found := REVEALED.match(line):
            side, name = probes[found[1]].lines[int(found[2])]
            types[found[1]][side][name] = found[3]
    for slug, side, name in missing:
        types[slug][side][name] = ""
    return {"errors": errors, "types": types}


@functools.cache
def pyright_report(workshop: Workshop) -> dict[str, Any]:
    """One run of pyright: strict over the wrappers and over plain uses of the clients.

    `errors`: per slug (rule, finding); `unknown`: slugs of the clients that pyright itself does
    not know completely.
    """

    def check() -> dict[str, Any]:
        write_uses(workshop)
        config = {
            "include": ["wrappers", "uses"],
            "strict": ["wrappers", "uses"],
            "pythonVersion": "3.11",
        }
        (workshop.run / "pyrightconfig.json").write_text(json.dumps(config))
        words = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson"]
        done = run(workshop, [*words, "-p", str(workshop.run)])
        return parse_pyright(json.loads(done.stdout)["generalDiagnostics"])

    report: dict[str, Any] = workshop.once("pyright", check)
    return report


UNKNOWN = ("reportUnknown", "reportMissing")
STRICT_ONLY = re.compile(
    "reportUnknown|reportPrivateUsage|reportDeprecated|reportUntyped|reportUnnecessary|reportUnused"
    "|reportMissing(TypeStubs|TypeArgument|ParameterType|SuperCall)|reportConstantRedefinition"
)


def static_errors(workshop: Workshop, client: Client) -> list[Found]:
    """What mypy --strict and pyright say against one wrapper.

    pyright is strict where it knows the client completely; elsewhere the wrapper cannot be better
    than the client.
    """
    found = mypy_report(workshop)["errors"][client.slug]
    report = pyright_report(workshop)
    strict = client.slug not in report["unknown"]
    return [("", f"mypy: {text}") for text in found] + [
        ("", f"pyright: {text}")
        for rule, text in report["errors"][client.slug]
        if strict or not STRICT_ONLY.match(rule)
    ]


def write_uses(workshop: Workshop) -> None:
    """Modules that name every member of each client, to see what pyright knows of them."""
    folder = workshop.run / "uses"
    folder.mkdir(exist_ok=True)
    for client in CLIENTS:
        text = make_use(client, seen_class(workshop, client), public_names(workshop, client))
        folder.joinpath(f"{client.slug}.py").write_text(text)


def parse_pyright(diagnostics: list[dict[str, Any]]) -> dict[str, Any]:
    """Sort pyright's findings by module."""
    errors: dict[str, list[tuple[str, str]]] = {client.slug: [] for client in CLIENTS}
    unknown: set[str] = set()
    for found in diagnostics:
        file = Path(found["file"])
        rule = found.get("rule", "")
        known = rule == "reportMissingTypeStubs" or not rule.startswith(UNKNOWN)
        if file.parent.name == "uses" and not known:
            unknown.add(file.stem)
        elif file.parent.name == "wrappers" and found["severity"] == "error":
            line = found["range"]["start"]["line"] + 1
            message = found["message"].replace("\n", " ")
            errors[file.stem].append((rule, f"line {line}: {message} [{rule}]"))
    return {"errors": errors, "unknown": sorted(unknown)}


def run(workshop: Workshop, words: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a checker in the folder of this test run."""
    return subprocess.run(
        words,
        cwd=workshop.run,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=1500,
    )
