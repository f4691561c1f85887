"""Type-checks files as mypy would for the user, with texts that may not be on disk yet.

The user's own configuration of mypy holds, as in `mypy PATHS` from the same folder; on top of it
functions without annotations are looked into, since what breaks in them shows nowhere else.
"""

from __future__ import annotations

import io
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mypy import build
from mypy.errors import CompileError
from mypy.find_sources import InvalidSourceList, create_source_list
from mypy.main import process_options
from mypy.modulefinder import BuildSource

from connpool_gen.adopting.records import Finding, Imported, SourceFile
from connpool_gen.environment.interpreter import python_of
from connpool_gen.errors import ReadError, RequestError
from connpool_gen.reading.mypy_build import run_mypy
from connpool_gen.reading.mypy_options import usable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy.options import Options

    from connpool_gen.adopting.records import MoveTarget
    from connpool_gen.config.request import GenerateRequest

PROBE = "__connpool_gen_adopt__"
ERROR = re.compile(
    r"^(?P<path>.+?):(?P<line>\d+):(?P<column>\d+): error: (?P<message>.*?)(?:  \[(?P<code>[\w-]+)\])?$"
)
FLAGS = (
    "--check-untyped-defs",
    "--show-column-numbers",
    "--show-absolute-path",
    "--no-pretty",
    "--no-color-output",
    "--hide-error-context",
    "--no-warn-unused-configs",
)


@dataclass(frozen=True, slots=True)
class Checked:
    """One run of the type checker: its build and its errors."""

    result: build.BuildResult
    findings: tuple[Finding, ...]


class Checker:
    """Runs mypy over the same files as often as needed, each time with other texts."""

    def __init__(
        self,
        files: Sequence[SourceFile],
        requests: Sequence[GenerateRequest],
        cache_dir: Path | None,
    ) -> None:
        self._search = list(
            dict.fromkeys(
                place
                for request in requests
                for place in (*request.search.paths, *request.search.inherited)
            )
        )
        self._options = configured(files, self._search, cache_dir)
        python = python_of(requests[0])  # of the project, shared by all targets of a manifest
        if not python.is_own:
            self._options.python_executable = python.executable
            self._options.python_version = python.version[:2]
        for request in requests:
            read_untyped(request.module, self._options)
        self._sources = sources_of(files, self._options)
        self._texts = {str(file.path): file.text for file in files}
        self.modules = {Path(source.path): source.module for source in self._sources if source.path}
        self._module_files: dict[str, Path] = {}

    @property
    def roots(self) -> list[str]:
        """The folders where packages begin: those of the files, and those where clients are searched."""
        bases = [str(Path(s.base_dir).resolve()) for s in self._sources if s.base_dir]
        return list(dict.fromkeys([*bases, *self._search]))

    @property
    def module_files(self) -> dict[str, Path]:
        """The files of the project's own modules, including those outside the paths; known after a check."""
        return self._module_files

    def check(self, targets: Sequence[MoveTarget], edited: Mapping[Path, str]) -> Checked:
        """Check all files, some with other texts; raise ReadError for errors that stop mypy."""
        try:
            return self._checked(targets, edited)
        except CompileError as error:
            if self._options.explicit_package_bases or not is_about_names(error):
                raise stopped(error.messages) from None
        # As in folders without `__init__.py`, whose modules can be imported all the same.
        self._options.explicit_package_bases = True
        self._options.namespace_packages = True
        files = [SourceFile(Path(path), b"", text) for path, text in self._texts.items()]
        self._sources = sources_of(files, self._options)
        self.modules = {Path(source.path): source.module for source in self._sources if source.path}
        try:
            return self._checked(targets, edited)
        except CompileError as error:
            raise stopped(error.messages) from None

    def _checked(self, targets: Sequence[MoveTarget], edited: Mapping[Path, str]) -> Checked:
        texts = self._texts | {str(path): text for path, text in edited.items()}
        # Given as texts, so that mypy reads none of these modules from its cache, which lacks expression types.
        sources = [
            BuildSource(source.path, source.module, texts[source.path or ""], source.base_dir)
            for source in self._sources
        ]
        result = run_mypy([*sources, BuildSource(None, PROBE, probe_text(targets))], self._options)
        refuse_missing(result.errors, targets)
        self._module_files = {
            name: Path(state.path)
            for name, state in result.graph.items()
            if state.path and any(str(state.abspath).startswith(root) for root in self.roots)
        }
        # Absolute as mypy makes them: symbolic links are kept.
        places = {os.path.abspath(path): path for path in self.modules}  # noqa: PTH100
        return Checked(result, tuple(findings(result.errors, places)))


def stopped(messages: Sequence[str]) -> ReadError:
    """Report what stopped mypy, and that the user's configuration may be the reason."""
    return ReadError(
        f"the type checker stopped: {'; '.join(messages[:3])}; `mypy PATHS` has to run from this "
        "folder, so [tool.mypy] may need mypy_path or explicit_package_bases"
    )


def is_about_names(error: CompileError) -> bool:
    """Return whether mypy found a file under two module names."""
    return any("found twice under different module names" in line for line in error.messages)


def read_untyped(module: str, options: Options) -> None:
    """Let mypy read the types of a client whose package has annotations and no `py.typed`."""
    package = module.partition(".")[0]
    for pattern in (package, f"{package}.*"):
        options.per_module_options.setdefault(pattern, {})["follow_untyped_imports"] = True


def needed(targets: Sequence[MoveTarget]) -> list[tuple[Imported, str]]:
    """List what has to be importable, each with its kind: clients, wrappers, factories."""
    found: list[tuple[Imported, str]] = []
    for target in targets:
        root, _, _ = target.request.qualname.partition(".")
        found.append((Imported(target.request.module, root), f"the client {target.client}"))
        found += [
            (name, f"the wrapper of {target.client}")
            for name in dict.fromkeys((target.wrapper, target.annotation))
        ]
        found.extend((f, f"--factory {f.module}:{f.name}") for f in target.factories.values())
    return found


def probe_text(targets: Sequence[MoveTarget]) -> str:
    """Write a module that imports everything a move relies on, one line each."""
    lines = [
        f"from {named.module} import {named.name} as name_{index}"
        for index, (named, _) in enumerate(needed(targets))
    ]
    return "\n".join([*lines, ""])


def refuse_missing(errors: Sequence[str], targets: Sequence[MoveTarget]) -> None:
    """Raise RequestError if the type checker cannot import something that a move relies on."""
    for line in errors:
        found = ERROR.match(line)
        if found is not None and found["path"].endswith("<string>"):
            named, what = needed(targets)[int(found["line"]) - 1]
            raise RequestError(f"{what}: {named.module}.{named.name}: {found['message']}")


def configured(
    files: Sequence[SourceFile], search: Sequence[str], cache_dir: Path | None
) -> Options:
    """Return mypy's options from the user's configuration, overridden by ours."""
    said = io.StringIO()
    try:
        # Reports of single files are not wanted, but without any file mypy would read its own list.
        _, options = process_options([*FLAGS, str(files[0].path)], stdout=said, stderr=said)
    except SystemExit:
        raise ReadError(f"mypy refuses its configuration: {said.getvalue().strip()}") from None
    options.export_types = True
    options.preserve_asts = True
    options.num_workers = 0
    options.report_dirs = {}
    options.junit_xml = None
    options.incremental = usable(cache_dir)
    options.cache_dir = str(cache_dir) if options.incremental else os.devnull
    options.mypy_path = [*search, *options.mypy_path]
    return options


def sources_of(files: Sequence[SourceFile], options: Options) -> list[BuildSource]:
    """Return the files with their module names; scripts of equal names get the names of their paths."""
    try:
        sources = create_source_list([str(file.path) for file in files], options)
    except InvalidSourceList as error:
        raise ReadError(f"mypy cannot name the files: {error}") from None
    shared = {name for name, count in Counter(s.module for s in sources).items() if count > 1}
    return [
        BuildSource(s.path, by_path(s), None, s.base_dir) if s.module in shared else s
        for s in sources
    ]


def by_path(source: BuildSource) -> str:
    """Name a module after its path: two `conftest.py` are two modules."""
    parts = Path(source.path or "").with_suffix("").parts
    return ".".join(re.sub(r"\W", "_", part) for part in parts if part not in (os.sep, ".", ".."))


def findings(errors: Sequence[str], places: Mapping[str, Path]) -> list[Finding]:
    """Parse mypy's lines; notes belong to errors and are left out."""
    matches = (ERROR.match(line) for line in errors)
    return [
        Finding(
            places.get(found["path"], Path(found["path"])),
            int(found["line"]),
            found["message"],
            found["code"] or "",
        )
        for found in matches
        if found is not None
    ]
