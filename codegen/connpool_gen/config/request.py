"""What a run is asked to do, validated once."""

from __future__ import annotations

import keyword
import math
import os
import shlex
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from connpool_gen.errors import RequestError
from connpool_gen.identifiers import snake_case

IMPORT_TIMEOUT = 60.0
MODES = ("pool", "drop-in", "protocol")
CONNECTORS = ("etcd", "grpc", "http", "milvus", "redis")


@dataclass(frozen=True, slots=True)
class SearchPath:
    """Folders in front of `sys.path` for importing and type-checking the target.

    `output` is the file to be written: what stands there now must not be read. `inherited` are the
    folders of PYTHONPATH, which the child process has anyway but the type checker has not.
    """

    paths: tuple[str, ...]
    output: Path
    inherited: tuple[str, ...] = ()

    @staticmethod
    def of(app_dirs: tuple[Path, ...], output: Path) -> SearchPath:
        """The given folders, then the working directory, each once."""
        folders = [str(path.resolve()) for path in (*app_dirs, Path.cwd())]
        given = [Path(p).resolve() for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
        more = tuple(str(path) for path in given if path.is_dir() and str(path) not in folders)
        return SearchPath(tuple(dict.fromkeys(folders)), output.resolve(), more)

    def output_modules(self) -> list[str]:
        """The name under which the output can be imported, if it lies in one of the folders."""
        inside = [p for p in map(Path, self.paths) if self.output.is_relative_to(p)]
        parts = [self.output.relative_to(p).with_suffix("").parts for p in inside]
        names = [".".join(names) for names in parts if all(n.isidentifier() for n in names)]
        return names[:1]


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodPolicy:
    """What holds for the methods that a glob matches; None leaves it to a later glob or the default.

    `timeout` is in seconds. `expected` and `ignored` name exceptions as `module:Class`: an expected
    one counts as a success, an ignored one as neither. `judge` is a function as `module:function`
    that tells of a result or an error what it is. `hash_key` is a parameter's name.
    """

    pattern: str
    idempotent: bool | None = None
    timeout: float | None = None
    expected: tuple[str, ...] | None = None
    ignored: tuple[str, ...] | None = None
    judge: str | None = None
    hash_key: str | None = None

    def settings(self) -> dict[str, Any]:
        """What is set, by the manifest's keys."""
        named = {
            "idempotent": self.idempotent,
            "timeout": self.timeout,
            "expected": list(self.expected) if self.expected is not None else None,
            "ignored": list(self.ignored) if self.ignored is not None else None,
            "judge": self.judge,
            "hash-key": self.hash_key,
        }
        return {key: value for key, value in named.items() if value is not None}

    def __post_init__(self) -> None:
        if self.timeout is not None and not 0 < self.timeout < math.inf:
            raise RequestError(
                f'methods."{self.pattern}": timeout is {self.timeout}; it must be a number of '
                "seconds above 0"
            )
        for name in (*(self.expected or ()), *(self.ignored or ())):
            if not is_module_and_class(name):
                raise RequestError(f'methods."{self.pattern}": {name!r} is not MODULE:CLASS')
        if self.judge is not None and not is_module_and_class(self.judge):
            raise RequestError(
                f'methods."{self.pattern}": judge is {self.judge!r}; it must be MODULE:FUNCTION'
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateRequest:
    """One wrapper to generate. `client` is `package.module:Class` or `package.module:Outer.Inner`."""

    client: str
    wrapper: str | None = None
    output: Path | None = None
    pool_field: str | None = None
    mode: str = "pool"
    metrics: bool = True
    connector: str | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    idempotent: tuple[str, ...] = ()
    policies: tuple[MethodPolicy, ...] = ()
    app_dirs: tuple[Path, ...] = ()
    templates: Path | None = None
    variables: tuple[str, ...] = ()
    strict: bool = False
    verify: bool = True
    cache_dir: Path | None = None
    from_manifest: bool = False
    import_timeout: float = IMPORT_TIMEOUT
    search: SearchPath = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "search", SearchPath.of(self.app_dirs, self.output_path))
        if not is_module_and_class(self.client):
            raise RequestError(
                f"--client {self.client!r} is not MODULE:CLASS; for example redis:Redis"
            )
        for flag, name in (("--wrapper", self.wrapper), ("--pool-field", self.pool_field)):
            if name is not None and (not name.isidentifier() or keyword.iskeyword(name)):
                raise RequestError(f"{flag} {name!r} is not a Python name")
        if not all(word.isprintable() for word in self.command().split(" ")):
            raise RequestError("an option holds a line break or a control character")
        if not 0 < self.import_timeout < math.inf:
            raise RequestError(
                f"--import-timeout {self.import_timeout}: it must be seconds above 0"
            )
        if self.connector is not None and self.connector not in CONNECTORS:
            known = ", ".join(CONNECTORS)
            raise RequestError(f"connector {self.connector!r} is unknown; one of {known}")
        if self.mode not in MODES:
            raise RequestError(f"mode {self.mode!r} is unknown; one of {', '.join(MODES)}")
        if self.pool_field is not None and self.pool_field.startswith("__"):
            raise RequestError(
                f"--pool-field {self.pool_field!r} must not start with two underscores"
            )

    @property
    def module(self) -> str:
        """The module half of `client`."""
        return self.client.partition(":")[0]

    @property
    def qualname(self) -> str:
        """The class half of `client`."""
        return self.client.partition(":")[2]

    @property
    def wrapper_name(self) -> str:
        """The generated class: as asked for, or `<Class>Pool`."""
        return self.wrapper or self.qualname.rpartition(".")[2].lstrip("_") + "Pool"

    @property
    def protocol_name(self) -> str:
        """The Protocol that `--protocol` adds: `<Class>Protocol`."""
        return self.wrapper_name.removesuffix("Pool") + "Protocol"

    @property
    def output_path(self) -> Path:
        """The generated file: as asked for, or `generated/<snake>_pool.py`."""
        file = snake_case(self.wrapper_name.removesuffix("Pool") or "client") + "_pool.py"
        if self.output is None:
            return Path("generated") / file
        if self.output.suffix == ".py" and not self.output.is_dir():
            return self.output
        return self.output / file

    def wants(self, name: str) -> bool:
        """Whether `--include` and `--exclude` leave this member in."""
        if any(fnmatchcase(name, pattern) for pattern in self.exclude):
            return False
        return not self.include or any(
            fnmatchcase(name, pattern) or pattern.startswith(f"{name}.") for pattern in self.include
        )

    def wants_leaf(self, dotted: str) -> bool:
        """The same for a method of a namespace: a pattern may name it or the namespace."""
        head = dotted.partition(".")[0]
        if any(fnmatchcase(name, p) for p in self.exclude for name in (head, dotted)):
            return False
        return not self.include or any(
            fnmatchcase(name, p) for p in self.include for name in (head, dotted)
        )

    def policy(self, name: str) -> MethodPolicy:
        """The policy of one method: the first glob that says something about each setting wins."""
        given = [p for p in self.policies if fnmatchcase(name, p.pattern)]
        if any(fnmatchcase(name, pattern) for pattern in self.idempotent):
            given.append(MethodPolicy(pattern=name, idempotent=True))
        settings = ("idempotent", "timeout", "expected", "ignored", "judge", "hash_key")
        chosen: dict[str, Any] = {
            setting: next((v for p in given if (v := getattr(p, setting)) is not None), None)
            for setting in settings
        }
        return MethodPolicy(pattern=name, **chosen)

    def command(self) -> str:
        """The command that makes the same output again, without what belongs to one machine."""
        words = ["connpool-gen", "--client", self.client]
        if self.from_manifest:
            return shlex.join(words)
        for flag, value in (("--wrapper", self.wrapper), ("--pool-field", self.pool_field)):
            words += [flag, value] if value else []
        if self.output is not None:
            words += ["--output", portable(self.output)]
        words += ["--connector", self.connector] if self.connector is not None else []
        for app_dir in self.app_dirs:
            words += ["--app-dir", portable(app_dir)]
        if self.templates is not None:
            words += ["--templates", portable(self.templates)]
        for flag, patterns in (
            ("--include", self.include),
            ("--exclude", self.exclude),
            ("--idempotent", self.idempotent),
            ("-v", self.variables),
        ):
            for pattern in patterns:
                words += [flag, pattern]
        words += [] if self.mode == "pool" else [f"--{self.mode}"]
        words += [] if self.metrics else ["--no-metrics"]
        return shlex.join(words)


def is_module_and_class(text: str) -> bool:
    """`package.module:Outer.Inner`, identifiers only: it will stand in the output as code."""
    module, _, path = text.partition(":")
    names = [*module.split("."), *path.split(".")]
    return all(name.isidentifier() and not keyword.iskeyword(name) for name in names)


def portable(path: Path) -> str:
    """A path as the command line of another checkout would give it: relative, with slashes."""
    return Path(os.path.relpath(path)).as_posix() if path.is_absolute() else path.as_posix()
