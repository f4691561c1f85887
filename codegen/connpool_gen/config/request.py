"""What a run is asked to do, validated once."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from connpool_gen.config.options import (
    DEFAULTS,
    METHOD_KEYS,
    POLICY_OPTIONS,
    TARGET_OPTIONS,
)
from connpool_gen.config.paths import seen_from
from connpool_gen.config.placeholders import filled
from connpool_gen.config.reads import refuse_other_tables
from connpool_gen.config.retry import RetrySettings
from connpool_gen.errors import RequestError
from connpool_gen.identifiers import snake_case


@dataclass(frozen=True, slots=True)
class SearchPath:
    """The folders searched before `sys.path` when the target is imported and type-checked.

    `output` is the file to be written: what stands there now must not be read. `inherited` are the
    folders of PYTHONPATH, which the child process has anyway but the type checker has not. `python` is
    the interpreter whose `sys.path` it is, None for the tool's own.
    """

    paths: tuple[str, ...]
    output: Path
    inherited: tuple[str, ...] = ()
    python: Path | None = None

    @staticmethod
    def of(
        app_dirs: tuple[Path, ...], output: Path, root: Path, python: Path | None = None
    ) -> SearchPath:
        """Return a search path of the given folders, relative to the root, then the root itself, each once."""
        folders = [str((root / path).resolve()) for path in (*app_dirs, root)]
        given = [Path(p).resolve() for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
        more = tuple(str(path) for path in given if path.is_dir() and str(path) not in folders)
        return SearchPath(tuple(dict.fromkeys(folders)), output.resolve(), more, python)

    def output_modules(self) -> list[str]:
        """Find the module names of the output, if it is in one of the folders."""
        inside = [p for p in map(Path, self.paths) if self.output.is_relative_to(p)]
        parts = [self.output.relative_to(p).with_suffix("").parts for p in inside]
        names = [".".join(names) for names in parts if all(n.isidentifier() for n in names)]
        return names[:1]


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodPolicy:
    """The policy for methods that a glob matches; None leaves a setting to a later glob or the default.

    `timeout` is in seconds. `expected`, `ignored` and `failures` name exceptions as `module:Class`: an
    expected one counts as a success, an ignored one as neither, a failure against the member. `judge` is a function as `module:function`
    that says what a result or an error means. `hash_key` names the parameters that hold keys,
    `deadline_parameter` the one that bounds a call, with its unit. `route` names the roles of the members
    that its calls are for.
    """

    pattern: str
    idempotent: bool | None = None
    timeout: float | None = None
    deadline_parameter: str | Literal[False] | None = None
    retry: RetrySettings | Literal[False] | None = None
    expected: tuple[str, ...] | None = None
    ignored: tuple[str, ...] | None = None
    failures: tuple[str, ...] | None = None
    judge: str | None = None
    hash_key: str | None = None
    route: str | None = None

    def settings(self) -> dict[str, Any]:
        """List the settings that are set, by the manifest's keys."""
        found = {key: getattr(self, option.field) for key, option in METHOD_KEYS.items()}
        return {k: METHOD_KEYS[k].shown(value) for k, value in found.items() if value is not None}

    def __post_init__(self) -> None:
        refuse_other_tables([self.pattern], "methods")
        for key, option in METHOD_KEYS.items():
            option.refuse(getattr(self, option.field), f'methods."{self.pattern}": {key}')


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateRequest:
    """One wrapper to generate. `client` is `package.module:Class` or `package.module:Outer.Inner`.

    The fields are the options of a target (see `options.py`), and what the command adds: `cache_dir`
    is where the type checker keeps what it knows, `from_manifest` says that pyproject.toml alone
    decides, so that the client's name is enough to make the output again, `found_by` how the interpreter
    was found without being requested. Paths are relative to `root`, the folder of that file, or else
    the working directory. `shared` are the fields whose names and globs hold for other classes too, so
    that not each of them has to match here.
    """

    client: str
    wrapper: str | None = DEFAULTS["wrapper"]
    output: Path | None = DEFAULTS["output"]
    pool_field: str | None = DEFAULTS["pool_field"]
    mode: str = DEFAULTS["mode"]
    docstrings: str = DEFAULTS["docstrings"]
    runtime_annotations: bool = DEFAULTS["runtime_annotations"]
    metrics: bool = DEFAULTS["metrics"]
    connector: str | None = DEFAULTS["connector"]
    include: tuple[str, ...] = DEFAULTS["include"]
    exclude: tuple[str, ...] = DEFAULTS["exclude"]
    idempotent: tuple[str, ...] = DEFAULTS["idempotent"]
    namespaces: tuple[str, ...] = DEFAULTS["namespaces"]
    policies: tuple[MethodPolicy, ...] = DEFAULTS["policies"]
    balancer: str | None = DEFAULTS["balancer"]
    keys: str | None = DEFAULTS["keys"]
    app_dirs: tuple[Path, ...] = DEFAULTS["app_dirs"]
    python: Path | None = DEFAULTS["python"]
    templates: Path | None = DEFAULTS["templates"]
    variables: tuple[str, ...] = DEFAULTS["variables"]
    strict: bool = DEFAULTS["strict"]
    verify: bool = DEFAULTS["verify"]
    static: bool = DEFAULTS["static"]
    import_timeout: float = DEFAULTS["import_timeout"]
    cache_dir: Path | None = None
    from_manifest: bool = False
    found_by: str = ""
    root: Path = field(default_factory=Path.cwd)
    shared: frozenset[str] = frozenset()
    search: SearchPath = field(init=False)

    def __post_init__(self) -> None:
        search = SearchPath.of(self.app_dirs, self.output_path, self.root, self.python)
        object.__setattr__(self, "search", search)
        for option in TARGET_OPTIONS:
            where = option.flags[0] if option.flags else option.key or option.field
            option.refuse(getattr(self, option.field), where)
        if not all(word.isprintable() for word in self.command().split(" ")):
            raise RequestError("an option holds a line break or a control character")
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
        """The generated file, as seen from the working directory: as asked for, or `generated/<snake>_pool.py`."""
        file = snake_case(self.wrapper_name.removesuffix("Pool") or "client") + "_pool.py"
        path = Path("generated") if self.output is None else filled(self.output, self)
        if path.suffix != ".py" or (self.root / path).is_dir():
            path /= file
        if path.is_absolute() or self.root == Path.cwd():
            return path
        return seen_from(self.root / path)

    def wants(self, name: str) -> bool:
        """Return whether the user wants a member: `--exclude` wins over `--include`."""
        if self.excludes(name):
            return False
        return not self.include or any(
            fnmatchcase(name, pattern) or pattern.startswith(f"{name}.") for pattern in self.include
        )

    def excludes(self, name: str) -> bool:
        """Return whether `--exclude` names a member."""
        return any(fnmatchcase(name, pattern) for pattern in self.exclude)

    def names_namespace(self, dotted: str) -> bool:
        """Return whether the user declares an attribute, or a dotted name, to be a namespace."""
        return any(fnmatchcase(dotted, pattern) for pattern in self.namespaces)

    def wants_leaf(self, dotted: str) -> bool:
        """Return whether the user wants a method of a namespace: a pattern may name it or the namespace."""
        head = dotted.partition(".")[0]
        if any(fnmatchcase(name, p) for p in self.exclude for name in (head, dotted)):
            return False
        return not self.include or any(
            fnmatchcase(name, p) for p in self.include for name in (head, dotted)
        )

    def policy(self, name: str) -> MethodPolicy:
        """Find the policy of a method: for each setting, the first matching glob that has it wins."""
        given = [p for p in self.policies if fnmatchcase(name, p.pattern)]
        if any(fnmatchcase(name, pattern) for pattern in self.idempotent):
            given.append(MethodPolicy(pattern=name, idempotent=True))
        chosen: dict[str, Any] = {
            o.field: next((v for p in given if (v := getattr(p, o.field)) is not None), None)
            for o in POLICY_OPTIONS
        }
        return MethodPolicy(pattern=name, **chosen)

    def command(self) -> str:
        """Return the command that creates the same output again, without options specific to one machine."""
        options = TARGET_OPTIONS[:1] if self.from_manifest else TARGET_OPTIONS
        words = [word for o in options for word in o.words(getattr(self, o.field), self.root)]
        return shlex.join(["connpool-gen", *words])
