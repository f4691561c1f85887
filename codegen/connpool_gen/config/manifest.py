"""Reads `[tool.connpool-gen]` of pyproject.toml into requests; unknown keys are errors."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

from connpool_gen.config.options import (
    ENTRY_KEYS,
    INHERITED_KEYS,
    METHOD_KEYS,
    TARGET_KEYS,
    Kind,
    Option,
)
from connpool_gen.config.request import GenerateRequest, MethodPolicy
from connpool_gen.environment.interpreter import python_of
from connpool_gen.errors import RequestError
from connpool_gen.nearest import suggestion

FILE = "pyproject.toml"
NAME = "connpool-gen"
TABLE = f"tool.{NAME}"
# As similar as `connpool_gen` and `conpool-gen`, without matching other tools' names.
SLIP = 0.85


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One `[[tool.connpool-gen.target]]`: the classes or globs that it is for, and their settings.

    `fields` are those of the requests, `inherited` the names of those that come from the defaults.
    """

    where: str
    clients: tuple[str, ...]
    excluded: tuple[str, ...]
    fields: Mapping[str, Any]
    inherited: frozenset[str]
    root: Path

    @property
    def is_shared(self) -> bool:
        """Return whether the entry can stand for several classes."""
        return len(self.clients) != 1 or is_glob(self.clients[0])

    def request(self, client: str) -> GenerateRequest:
        """Create the request for one class; errors name the entry."""
        lists = frozenset(self.fields) if self.is_shared else self.inherited
        with placed(self.where):
            return GenerateRequest(
                client=client, from_manifest=True, root=self.root, shared=lists, **self.fields
            )

    def names(self, client: str) -> bool:
        """Return whether the entry names exactly this class."""
        return client in self.clients

    def covers(self, client: str) -> bool:
        """Return whether a glob of the entry matches this class."""
        found = (pattern for pattern in self.clients if is_glob(pattern))
        return any(fits(client, pattern) for pattern in found) and not self.leaves_out(client)

    def leaves_out(self, client: str) -> bool:
        """Return whether `exclude-clients` matches a class, by its name or as MODULE:CLASS."""
        name = client.partition(":")[2]
        return any(fnmatchcase(text, p) for p in self.excluded for text in (name, client))


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The content of a pyproject.toml: its folder, its entries, and the settings that they inherit."""

    folder: Path
    entries: tuple[Entry, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def requests(self) -> list[GenerateRequest]:
        """Create the requests of all entries, in the order of the file; those of globs sorted by name.

        A class that an entry names is that entry's, even if a glob matches it too.
        """
        return [
            entry.request(client) for entry in self.entries for client in self.classes_of(entry)
        ]

    def classes_of(self, entry: Entry) -> list[str]:
        """List the classes of an entry, each once."""
        found = [c for pattern in entry.clients for c in self.expanded(entry, pattern)]
        return list(dict.fromkeys(found))

    def expanded(self, entry: Entry, pattern: str) -> list[str]:
        """List the classes that a pattern of an entry stands for, without those named elsewhere."""
        if not is_glob(pattern):
            return [pattern]
        from connpool_gen.reading.public_classes import classes_matching

        found = classes_matching(pattern, entry.request)
        left = [c for c in found if not entry.leaves_out(c)]
        if not left:
            raise RequestError(f"{entry.where}: exclude-clients leaves no class of {pattern!r}")
        return [c for c in left if not any(other.names(c) for other in self.entries)]

    def requests_for(self, client: str) -> list[GenerateRequest]:
        """Create the requests for one class, with the settings of the entries that name or match it."""
        named = [entry for entry in self.entries if entry.names(client)]
        covering = [entry for entry in self.entries if entry.covers(client)]
        return [entry.request(client) for entry in named or covering]


def find_manifest(folder: Path) -> Path:
    """Find the folder whose pyproject.toml applies: this one, or one above it, up to the repository's root.

    That is the nearest whose file has our table. Outside of a repository only the folder itself is looked at.
    """
    for candidate in upwards(folder):
        data = read_file(candidate / FILE)
        if any(map(is_ours_or_a_slip, [*data, *as_table(data.get("tool", {}), f"{FILE}: [tool]")])):
            return candidate
    return folder


def is_ours_or_a_slip(name: str) -> bool:
    """Return whether a table has our name, or one so similar that it has to be refused."""
    return name == NAME or is_nearly_ours(name)


def upwards(folder: Path) -> list[Path]:
    """List a folder and those above it up to the root of its repository."""
    every = [folder, *folder.parents]
    roots = [index for index, one in enumerate(every) if (one / ".git").exists()]
    return every[: roots[0] + 1] if roots else [folder]


def project_above(folder: Path) -> str:
    """Say in which folder above this one there are targets; an empty text if in none.

    Outside of a repository that folder's manifest does not apply here: it may be of something else.
    """
    for above in folder.parents:
        try:
            if TABLE in (above / FILE).read_text("utf-8"):
                return f"; {above / FILE} has [{TABLE}]: run connpool-gen in {above}"
        except (OSError, UnicodeDecodeError):
            continue
    return ""


def read_manifest(folder: Path) -> list[GenerateRequest]:
    """Read all targets that the folder's pyproject.toml lists; none without the table."""
    return load_manifest(folder).requests()


def load_manifest(folder: Path) -> Manifest:
    """Read the table of the folder's pyproject.toml; empty where there is none."""
    data = read_file(folder / FILE)
    refuse_lost_table(data)
    tool = as_table(data.get("tool", {}), f"{FILE}: [tool]")
    refuse_slips(tool)
    table = our_table(tool.get(NAME, {}))
    defaults = default_fields(table.get("defaults", {}))
    targets = table.get("target", [])
    if not isinstance(targets, list):
        raise RequestError(f"[{TABLE}.target] is one table; write it as [[{TABLE}.target]]")
    entries = [
        read_entry(as_table(raw, f"[[{TABLE}.target]] number {index}"), index, defaults, folder)
        for index, raw in enumerate(cast("list[object]", targets), 1)
    ]
    return Manifest(folder=folder, entries=tuple(entries), defaults=defaults)


def read_file(path: Path) -> dict[str, Any]:
    """Read a TOML file; nothing is in one that does not exist."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise RequestError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"{path}: {error}") from error


def refuse_lost_table(data: Mapping[str, Any]) -> None:
    """Refuse a table of ours that is not under `tool`."""
    for name in data:
        if is_ours_or_a_slip(name):
            raise RequestError(f"{FILE}: [{name}] is an unknown table; did you mean [{TABLE}]?")


def refuse_slips(tool: Mapping[str, Any]) -> None:
    """Refuse a table whose name is almost ours, such as `[tool.connpool_gen]`."""
    for name in tool:
        if is_nearly_ours(name):
            raise RequestError(
                f"{FILE}: [tool.{name}] is an unknown table; did you mean [{TABLE}]?"
            )


def is_nearly_ours(name: str) -> bool:
    """Return whether the name of a table is a misspelling of ours, and not another tool's."""
    if name == NAME:
        return False
    alike = SequenceMatcher(None, name, NAME).ratio() >= SLIP
    return alike or name.replace("_", "-").startswith(NAME)


def our_table(value: object) -> dict[str, Any]:
    """Return the value of `[tool.connpool-gen]`, or say where a misplaced value belongs."""
    if isinstance(value, list):
        raise RequestError(f"[[{TABLE}]] is a list; a target is written as [[{TABLE}.target]]")
    table = as_table(value, f"{FILE}: [{TABLE}]")
    for key in table:
        if key in TARGET_KEYS or key in ENTRY_KEYS:
            places = f"[[{TABLE}.target]]"
            if key in INHERITED_KEYS:
                places += f", or for all targets in [{TABLE}.defaults]"
            raise RequestError(f"[{TABLE}]: the key {key!r} belongs in {places}")
    refuse_unknown(table, ["target", "defaults"], f"[{TABLE}]")
    return table


def default_fields(value: object) -> dict[str, Any]:
    """Read `[tool.connpool-gen.defaults]`."""
    where = f"[{TABLE}.defaults]"
    raw = as_table(value, where)
    for key in raw:
        if key not in INHERITED_KEYS and (key in TARGET_KEYS or key in ENTRY_KEYS):
            raise RequestError(f"{where}: {key} is for one target; write it in [[{TABLE}.target]]")
    check_keys(raw, INHERITED_KEYS, where)
    with placed(where):
        fields = request_fields(raw, where)
        GenerateRequest(client="module:Class", **fields)  # refuses values that no target could have
        return fields


@contextmanager
def placed(where: str) -> Generator[None]:
    """Begin errors with the place in the file that they are about."""
    try:
        yield
    except RequestError as error:
        text = str(error)
        raise RequestError(text if text.startswith(where) else f"{where}: {text}") from None


def as_table(value: object, where: str) -> dict[str, Any]:
    """Return a value as a TOML table, or refuse it with its place."""
    if not isinstance(value, dict):
        raise RequestError(f"{where} is {value!r}; it must be a table")
    return cast("dict[str, Any]", value)


def read_entry(raw: dict[str, Any], index: int, defaults: Mapping[str, Any], folder: Path) -> Entry:
    """Read one target; errors name it by its client, or by its position in the list."""
    named = raw.get("client", f"number {index}")
    where = f"[[{TABLE}.target]] {named}"
    check_keys(raw, {**TARGET_KEYS, **ENTRY_KEYS}, where)
    if "client" in raw and "clients" in raw:
        raise RequestError(f"{where}: 'client' and 'clients' cannot be combined")
    clients = tuple(raw.get("clients", [raw["client"]] if "client" in raw else []))
    if not clients:
        raise RequestError(f"{where}: the key 'client' is missing")
    with placed(where):
        own = request_fields({k: v for k, v in raw.items() if k in INHERITED_KEYS}, where)
    entry = Entry(
        where=where,
        clients=clients,
        excluded=tuple(raw.get("exclude-clients", ())),
        fields={**defaults, **own, **({"wrapper": raw["wrapper"]} if "wrapper" in raw else {})},
        inherited=frozenset(defaults) - frozenset(own),
        root=folder,
    )
    check_entry(entry)
    return entry


def check_entry(entry: Entry) -> None:
    """Refuse an entry with impossible classes; its other settings are checked by making a request."""
    if entry.is_shared and "wrapper" in entry.fields:
        raise RequestError(f"{entry.where}: wrapper names one class, but the target is for several")
    if entry.excluded and not any(is_glob(pattern) for pattern in entry.clients):
        raise RequestError(
            f"{entry.where}: exclude-clients is for globs such as 'shop.clients:*Client'"
        )
    for pattern in entry.clients:
        if is_glob(pattern):
            refuse_glob(pattern, entry.where)
            entry.request(f"{pattern.partition(':')[0]}:Client")
        else:
            entry.request(pattern)


def refuse_glob(pattern: str, where: str) -> None:
    """Refuse a glob whose module is no plain name."""
    module, colon, _ = pattern.partition(":")
    if is_glob(module) or not colon:
        raise RequestError(
            f"{where}: client {pattern!r} is not MODULE:GLOB; for example shop.clients:*Client"
        )


def is_glob(text: str) -> bool:
    """Return whether a text stands for several names."""
    return any(char in text for char in "*?[")


def fits(client: str, pattern: str) -> bool:
    """Return whether a public class defined in this very module matches `module:*Client`."""
    module, _, name = client.partition(":")
    wanted, _, glob = pattern.partition(":")
    return module == wanted and not name.startswith("_") and fnmatchcase(name, glob)


def request_fields(raw: dict[str, Any], where: str) -> dict[str, Any]:
    """Create the fields of a request from checked keys and types."""
    fields: dict[str, Any] = {}
    for key, value in raw.items():
        option = TARGET_KEYS[key]
        if option.kind is Kind.TABLE:
            policies = cast("dict[str, Any]", value).items()
            fields[option.field] = tuple(method_policy(p, s, where) for p, s in policies)
        else:
            fields[option.field] = option.read(value)
    return fields


def method_policy(pattern: str, raw: object, where: str) -> MethodPolicy:
    """Read `methods."get*" = {idempotent = true}`."""
    here = f'{where} methods."{pattern}"'
    settings = as_table(raw, here)
    check_keys(settings, METHOD_KEYS, here)
    with placed(here):
        fields: dict[str, Any] = {
            METHOD_KEYS[key].field: METHOD_KEYS[key].read(value) for key, value in settings.items()
        }
    return MethodPolicy(pattern=pattern, **fields)


def check_keys(raw: dict[str, Any], known: Mapping[str, Option], where: str) -> None:
    """Refuse unknown keys, naming the nearest, and values of the wrong type."""
    refuse_unknown(raw, list(known), where)
    for key, value in raw.items():
        if not known[key].fits(value):
            must = known[key].kind.value
            raise RequestError(f"{where}: {key} is {value!r}; it must be {must}")


def refuse_unknown(raw: Mapping[str, Any], known: list[str], where: str) -> None:
    """Refuse an unknown key."""
    for key in raw:
        if key not in known:
            raise RequestError(f"{where}: unknown key {key!r}{suggestion(key, known)}")


def configuration(requests: list[GenerateRequest]) -> str:
    """Write the resolved targets as JSON, every setting shown."""
    return json.dumps({"target": [resolved(request) for request in requests]}, indent=2)


def resolved(request: GenerateRequest) -> dict[str, Any]:
    """Show one target by the manifest's keys, with the resolved defaults."""
    shown = {
        key: option.shown(getattr(request, option.field))
        for key, option in TARGET_KEYS.items()
        if option.kind is not Kind.TABLE
    }
    python = python_of(request)
    return {
        **shown,
        "output": request.output_path.as_posix(),
        "wrapper": request.wrapper_name,
        "pool-field": request.pool_field or "pool",
        "python": python.executable,
        "python-version": python.number,
        "python-found-by": request.found_by,
        "methods": {policy.pattern: policy.settings() for policy in request.policies},
    }
