"""The options of the generator, each stated once.

The command's flags, the keys of pyproject.toml and their validation, the command in a header, the
JSON schema, `--show-config` and the tables of the documentation follow from this table. Its order
is that of the help, of the keys, and of the words in a header.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, cast

from connpool_gen.config.deadline_parameter import bound_named
from connpool_gen.config.hash_key import key_parts
from connpool_gen.config.paths import seen_from
from connpool_gen.config.reads import READS, refuse_other_tables
from connpool_gen.config.retry import RetrySettings, read_retry
from connpool_gen.config.route import roles
from connpool_gen.config.value_forms import (
    is_dotted_pair,
    is_name,
    is_number,
    nearest_pair,
    seconds,
)
from connpool_gen.errors import RequestError
from connpool_gen.nearest import suggestion


class Scope(Enum):
    """What an option is about."""

    TARGET = "one wrapper"
    ENTRY = "an entry of pyproject.toml that stands for several wrappers"
    POLICY = "the methods that a glob matches"
    RUN = "one run of the command"


class Kind(Enum):
    """What the value of an option is; the values are the words of messages."""

    TEXT = "a string"
    NAME = "a string that is a Python name"
    CLASS = "a string MODULE:CLASS"
    CLASS_PATTERNS = "a list of strings MODULE:CLASS, whose CLASS may be a glob"
    FUNCTION = "a string MODULE:FUNCTION"
    CHOICE = "a string that is one of the known ones"
    PATH = "a string that is a path"
    SWITCH = "true or false"
    SECONDS = 'a number of seconds, or a string such as "500ms"'
    TEXTS = "a list of strings"
    METHODS = f'a list of strings, or "{READS}"'
    CLASSES = "a list of strings MODULE:CLASS"
    PATHS = "a list of strings that are paths"
    KEYS = 'a string PARAMETER, or several as in "dest, *keys"'
    DEADLINE = (
        'false, or a string PARAMETER, "PARAMETER[KEY]" or "client.METHOD(OPTION)", perhaps with its unit:'
        ' "PARAMETER in ms", "PARAMETER in whole seconds"'
    )
    ROUTE = 'a string ROLE, or several as in "replica, primary", of which the last may be "any" or "none"'
    RETRY = "false, or a table of attempts, base, errors and unsent"
    TABLE = "a table"


LISTS = (Kind.TEXTS, Kind.METHODS, Kind.CLASSES, Kind.CLASS_PATTERNS, Kind.PATHS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option: its names, its type, its default, and what it is for.

    `field` is the attribute of the request or policy, or the name of the flag's value. `key` is its
    name in pyproject.toml, None for what belongs to one run. Of the `flags`, the command in a header
    shows the first. `default_text` says what holds without the option, where `default` does not say
    so itself. `allowed` are the values of a choice; `value_flags` are flags that stand for one of
    them each, with their help. `shapes_output` says whether the output depends on the option, so that
    a header has to show it.
    """

    scope: Scope
    field: str
    kind: Kind
    help: str
    key: str | None = None
    flags: tuple[str, ...] = ()
    default: object = None
    default_text: str = ""
    metavar: str | None = None
    allowed: tuple[str, ...] = ()
    value_flags: tuple[tuple[str, str], ...] = ()
    shapes_output: bool = True

    @property
    def is_list(self) -> bool:
        """Whether the option holds several values."""
        return self.kind in LISTS

    @property
    def default_said(self) -> str:
        """The default in words, as help and documentation show it."""
        if self.default_text or self.default is None or self.is_list:
            return self.default_text
        if isinstance(self.default, bool):
            return str(self.default).lower()
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)

    @property
    def help_text(self) -> str:
        """The help text of the option: what it is for, and its possible values."""
        return f"{self.help} One of: {', '.join(self.allowed)}." if self.allowed else self.help

    @property
    def off_flag(self) -> str | None:
        """The flag that turns off what is on by default, such as `--no-metrics`."""
        is_on = self.kind is Kind.SWITCH and self.default is True
        return "--no-" + self.flags[0].removeprefix("--") if is_on else None

    def fits(self, value: object) -> bool:
        """Return whether a value of a TOML file has the right type."""
        if self.kind is Kind.SWITCH:
            return isinstance(value, bool)
        if self.kind is Kind.SECONDS:
            return is_number(value) or (isinstance(value, str) and seconds(value) is not None)
        if self.kind is Kind.TABLE:
            return isinstance(value, dict)
        if self.kind in (Kind.DEADLINE, Kind.RETRY) and value is False:
            return True
        if self.kind is Kind.RETRY:
            return isinstance(value, dict)
        if self.kind is Kind.METHODS and value == READS:
            return True
        if self.is_list:
            items = cast("list[object]", value) if isinstance(value, list) else [None]
            return all(isinstance(item, str) for item in items)
        return isinstance(value, str)

    def read(self, value: Any) -> object:
        """Convert a value of a flag or a TOML file, whose type is right, into the request's value."""
        if self.kind is Kind.SECONDS:
            return float(value) if is_number(value) else seconds(value)
        if self.kind is Kind.RETRY:
            return read_retry(cast("dict[str, Any]", value)) if isinstance(value, dict) else value
        if self.kind is Kind.PATH:
            return Path(value)
        if self.kind is Kind.PATHS:
            return tuple(Path(item) for item in value)
        if self.is_list:
            return (value,) if isinstance(value, str) else tuple(value)
        return value

    def refuse(self, value: object, where: str) -> None:
        """Raise RequestError for an invalid value; `where` names the option."""
        if value is None or value == self.default:
            return
        if self.kind is Kind.SECONDS and not 0 < cast("float", value) < math.inf:
            raise RequestError(f"{where} is {value}; it must be a number of seconds above 0")
        if self.kind is Kind.CHOICE and value not in self.allowed:
            hint = suggestion(str(value), self.allowed)
            raise RequestError(f"{where} {value!r} is unknown{hint}")
        if self.kind is Kind.NAME and not is_name(cast("str", value)):
            raise RequestError(f"{where} {value!r} is not a Python name")
        if self.kind is Kind.CLASS and not is_dotted_pair(cast("str", value)):
            meant = nearest_pair(cast("str", value))
            hint = f"did you mean {meant}?" if meant else "for example redis:Redis"
            raise RequestError(f"{where} {value!r} is not MODULE:CLASS; {hint}")
        self._refuse_spelling(value, where)
        if self.kind is Kind.METHODS:
            refuse_other_tables(cast("tuple[str, ...]", value), where)
        if self.kind is Kind.CLASSES:
            for item in cast("tuple[str, ...]", value):
                if not is_dotted_pair(item):
                    raise RequestError(f"{where}: {item!r} is not MODULE:CLASS")

    def _refuse_spelling(self, value: object, where: str) -> None:
        """Do the same for a text or a table with a syntax of its own."""
        if isinstance(value, RetrySettings):
            value.refuse(where)
        if (
            self.kind in SPELLED
            and value is not False
            and not SPELLED[self.kind](cast("str", value))
        ):
            must = self.kind.value.removeprefix("a string ")
            raise RequestError(f"{where} is {value!r}; it must be {must}")

    def shown(self, value: object) -> object:
        """Convert a value to JSON."""
        if self.is_list:
            return [str(item) for item in cast("tuple[object, ...]", value)]
        if isinstance(value, RetrySettings):
            return value.shown()
        return str(value) if isinstance(value, Path) else value

    def words(self, value: object, root: Path) -> list[str]:
        """Return the words of a command line that set the option to this value; none for the default.

        `root` is the folder in which the command is run.
        """
        if value == self.default or not self.shapes_output:
            return []
        if self.value_flags:
            return [f"--{value}"]
        if self.kind is Kind.SWITCH:
            return [self.flags[0] if value else self.off_flag or self.flags[0]]
        values = cast("tuple[object, ...]", value) if self.is_list else (value,)
        texts = [portable(item, root) if isinstance(item, Path) else str(item) for item in values]
        return [word for text in texts for word in (self.flags[0], text)]


def target(field: str, kind: Kind, text: str, **more: Any) -> Option:
    """Define an option of one wrapper: a key, and a flag unless `flags` is empty."""
    key = field.replace("_", "-")
    fields: dict[str, Any] = {
        "scope": Scope.TARGET,
        "field": field,
        "kind": kind,
        "help": text,
        "key": key,
        "flags": (f"--{key}",),
        **more,
    }
    return Option(**fields)


def entry(field: str, kind: Kind, text: str, **more: Any) -> Option:
    """Define an option of a pyproject.toml entry that stands for several wrappers."""
    key = field.replace("_", "-")
    return Option(scope=Scope.ENTRY, field=field, kind=kind, help=text, key=key, **more)


def policy(field: str, kind: Kind, text: str) -> Option:
    """Define a setting for the methods that a glob matches."""
    key = field.replace("_", "-")
    return Option(scope=Scope.POLICY, field=field, kind=kind, help=text, key=key)


def run(field: str, kind: Kind, text: str, **more: Any) -> Option:
    """Define a flag of one run of the command."""
    flag = "--" + field.replace("_", "-")
    fields: dict[str, Any] = {
        "scope": Scope.RUN,
        "field": field,
        "kind": kind,
        "help": text,
        "flags": (flag,),
        **more,
    }
    return Option(**fields)


OPTIONS = (
    target(
        "client",
        Kind.CLASS,
        "The client class, or a glob of classes; may be given again. Without it: all targets of pyproject.toml.",
        metavar="MODULE:CLASS",
    ),
    target("wrapper", Kind.NAME, "Name of the generated class.", default_text="<Class>Pool"),
    target("pool_field", Kind.NAME, "Attribute that holds the pool.", default_text="pool"),
    target(
        "output",
        Kind.PATH,
        "File or folder; {module}, {package}, {path}, {class} and {name} are filled in.",
        flags=("--output", "-o"),
        default_text="generated/<class>_pool.py",
    ),
    target(
        "connector",
        Kind.CHOICE,
        "Let the wrapper connect.",
        metavar="KIND",
        allowed=("etcd", "grpc", "http", "milvus", "redis"),
        default_text="none",
    ),
    target(
        "balancer",
        Kind.CHOICE,
        "Balancer that a pool has if the code that makes it names none.",
        metavar="NAME",
        allowed=(
            "round_robin",
            "random",
            "weighted_random",
            "weighted_round_robin",
            "least_request",
            "peak_ewma",
            "consistent_hash",
        ),
        default_text="consistent_hash where keys are known, else the runtime's",
    ),
    target(
        "keys",
        Kind.CHOICE,
        "Library whose table says which arguments are keys.",
        metavar="LIBRARY",
        allowed=("redis",),
        default_text="the client's",
    ),
    target(
        "app_dirs",
        Kind.PATHS,
        "Folder to import the client from, beside the working directory.",
        key="app-dir",
        flags=("--app-dir",),
        default=(),
        default_text="none",
    ),
    target(
        "python",
        Kind.PATH,
        "Interpreter of the project, or its environment's folder.",
        metavar="PATH",
        default_text="the active environment's, else that of .venv or venv, else our own",
        shapes_output=False,
    ),
    target(
        "templates",
        Kind.PATH,
        "Folder of templates that replace the built-in ones.",
        default_text="ours",
    ),
    target(
        "include",
        Kind.TEXTS,
        "Wrap only these members.",
        metavar="GLOB",
        default=(),
        default_text="all",
    ),
    target(
        "exclude",
        Kind.TEXTS,
        "Leave these members out.",
        metavar="GLOB",
        default=(),
        default_text="none",
    ),
    target(
        "idempotent",
        Kind.METHODS,
        "Methods that may be retried on another member; @reads: those known to only read.",
        metavar="GLOB",
        default=(),
        default_text="none",
    ),
    target(
        "namespaces",
        Kind.TEXTS,
        "Attributes that hold parts of the client, where no rule recognises them.",
        flags=("--namespace",),
        metavar="GLOB",
        default=(),
        default_text="those that a rule recognises",
    ),
    target(
        "variables",
        Kind.TEXTS,
        "Value for such templates.",
        flags=("-v", "--variable"),
        metavar="KEY=VALUE",
        default=(),
        default_text="none",
    ),
    target(
        "mode",
        Kind.CHOICE,
        "What the wrapper is for type checkers.",
        flags=(),
        allowed=("pool", "drop-in", "protocol"),
        value_flags=(
            ("drop-in", "For type checkers the wrapper is a client."),
            ("protocol", "Add a Protocol of the client to type against."),
        ),
        default="pool",
    ),
    target(
        "docstrings",
        Kind.CHOICE,
        "How much of the client's docstrings the methods repeat.",
        metavar="AMOUNT",
        allowed=("full", "first-line", "none"),
        default="full",
    ),
    target(
        "runtime_annotations",
        Kind.SWITCH,
        "Import the names of annotations at run time, for FastAPI, pydantic and injectors.",
        default=False,
    ),
    target(
        "metrics",
        Kind.SWITCH,
        "Measure calls per method.",
        default=True,
    ),
    target(
        "verify",
        Kind.SWITCH,
        "Run mypy --strict on the output.",
        default=True,
        shapes_output=False,
    ),
    target(
        "strict",
        Kind.SWITCH,
        "Fail if a member is skipped or loses its type.",
        key=None,
        default=False,
        shapes_output=False,
    ),
    target(
        "static",
        Kind.SWITCH,
        "Read the client from its source or stub, without importing it.",
        default=False,
    ),
    target(
        "import_timeout",
        Kind.SECONDS,
        "Seconds the client's module may take to import.",
        default=60.0,
        metavar="SECONDS",
        shapes_output=False,
    ),
    target(
        "policies",
        Kind.TABLE,
        "Policies by method.",
        key="methods",
        flags=(),
        default=(),
        default_text="none",
        shapes_output=False,
    ),
    entry("clients", Kind.CLASS_PATTERNS, "Classes or globs of classes, a wrapper for each."),
    entry(
        "exclude_clients",
        Kind.TEXTS,
        "Classes that a glob of classes leaves out.",
        default=(),
        default_text="none",
    ),
    policy("idempotent", Kind.SWITCH, "It may be retried on another member."),
    policy("timeout", Kind.SECONDS, "Seconds one attempt may take."),
    policy(
        "deadline_parameter",
        Kind.DEADLINE,
        "The parameter, or key of `**kwargs`, that gets the time left to a call.",
    ),
    policy(
        "retry", Kind.RETRY, "How it is retried, where that differs from the pool's other methods."
    ),
    policy("expected", Kind.CLASSES, "Errors that count as a success."),
    policy("ignored", Kind.CLASSES, "Errors that count as neutral."),
    policy("failures", Kind.CLASSES, "Errors that count against the member."),
    policy("judge", Kind.FUNCTION, "Says of a result or an error what it means for the member."),
    policy("hash_key", Kind.KEYS, "The parameter by which calls can stick to a member."),
    policy("route", Kind.ROUTE, "The roles of the members that it is for, the preferred first."),
    run("check", Kind.SWITCH, "Write nothing; exit 1 if an output is out of date."),
    run(
        "against",
        Kind.TEXT,
        "With --check: also say what breaks callers since a git revision; exit 3 if something does.",
        metavar="REV",
    ),
    run("diff", Kind.SWITCH, "Write nothing; print what would change."),
    run("stdout", Kind.SWITCH, "Write nothing; print the module."),
    run(
        "ledger",
        Kind.PATH,
        "Write what became of each member: JSON if it ends in .json, else text.",
    ),
    run(
        "force",
        Kind.SWITCH,
        "Replace a file that was edited, is of another client, or is not of connpool-gen.",
    ),
    run(
        "format",
        Kind.CHOICE,
        "The output format.",
        allowed=("text", "json", "github"),
        default="text",
    ),
    run("show_config", Kind.SWITCH, "Print the resolved targets as JSON and stop."),
    run("quiet", Kind.SWITCH, "Only errors.", flags=("--quiet", "-q")),
    run("verbose", Kind.SWITCH, "Also what became of each member."),
    run("version", Kind.SWITCH, "Print the version."),
)


def of_scope(scope: Scope) -> tuple[Option, ...]:
    """List the options of one scope, in their order."""
    return tuple(option for option in OPTIONS if option.scope is scope)


def by_key(options: Iterable[Option]) -> dict[str, Option]:
    """Index the options of pyproject.toml by their keys."""
    return {option.key: option for option in options if option.key is not None}


TARGET_OPTIONS = of_scope(Scope.TARGET)
ENTRY_OPTIONS = of_scope(Scope.ENTRY)
POLICY_OPTIONS = of_scope(Scope.POLICY)
TARGET_KEYS = by_key(TARGET_OPTIONS)
ENTRY_KEYS = by_key(ENTRY_OPTIONS)
METHOD_KEYS = by_key(POLICY_OPTIONS)
# What targets can inherit: everything that does not name a single class.
INHERITED_KEYS = {k: o for k, o in TARGET_KEYS.items() if o.field not in ("client", "wrapper")}
# By the fields of a request.
DEFAULTS: Mapping[str, Any] = {option.field: option.default for option in TARGET_OPTIONS}


# Texts with a syntax of their own, and the function that recognises it.
SPELLED: Mapping[Kind, Callable[[str], bool]] = {
    Kind.FUNCTION: is_dotted_pair,
    Kind.KEYS: lambda text: key_parts(text) is not None,
    Kind.DEADLINE: lambda text: bound_named(text) is not None,
    Kind.ROUTE: lambda text: roles(text) is not None,
}


def portable(path: Path, root: Path) -> str:
    """Return a path as the command line of another checkout would give it: relative, with slashes."""
    return seen_from(path, root).as_posix() if path.is_absolute() else path.as_posix()
