"""Starts a manifest, and adds targets to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from connpool_gen.config.manifest import (
    FILE,
    NAME,
    Entry,
    Manifest,
    check_entry,
    find_manifest,
    is_glob,
    load_manifest,
    read_file,
    upwards,
)
from connpool_gen.config.options import TARGET_OPTIONS, portable
from connpool_gen.config.paths import from_here, seen_from
from connpool_gen.config.request import GenerateRequest
from connpool_gen.editing.gitattributes import add_attributes, attribute_line
from connpool_gen.editing.known_clients import connector_of, installed_clients
from connpool_gen.editing.manifest_text import (
    introduced,
    with_defaults,
    with_target,
)
from connpool_gen.environment.choosing import with_python
from connpool_gen.errors import OutputError, RequestError
from connpool_gen.output.write import current_text, edited, replace_file
from connpool_gen.reading.probe_client import read_runtime
from connpool_gen.reading.source_client import read_source

DEFAULT_OUTPUT = "generated/{name}_pool.py"


def place_of_manifest(here: Path) -> Path:
    """Choose the folder whose pyproject.toml is edited: the manifest's, else the nearest with a file, else this one."""
    found = find_manifest(here)
    if has_table(found):
        return found
    return next((folder for folder in upwards(here) if (folder / FILE).exists()), here)


def begin(folder: Path) -> bool:
    """Write the first lines of a manifest; return False if there is one."""
    if has_table(folder):
        return False

    def begun(text: str) -> str:
        return with_defaults(introduced(text), {"output": DEFAULT_OUTPUT})

    save(folder / FILE, edited(current_text(folder / FILE) or "", begun))
    return True


def add_target(client: str, given: Mapping[str, Any]) -> Path:
    """Add a target to the manifest; return its folder. Raises RequestError for an impossible target."""
    folder = place_of_manifest(Path.cwd())
    manifest = load_manifest(folder)
    here = {name: from_here(value, folder) for name, value in given.items()}
    entry = Entry(
        where=f"add {client}",
        clients=(client,),
        excluded=(),
        fields={**manifest.defaults, **here},
        inherited=frozenset(manifest.defaults),
        root=folder,
    )
    check_entry(entry)
    if is_glob(client):
        manifest.expanded(entry, client)
    else:
        refuse_second_target(entry.request(client), manifest)
        request = with_python(entry.request(client))
        (read_source if request.static else read_runtime)(request)
    values = {
        option.key: option.shown(relative(here[option.field], folder))
        for option in TARGET_OPTIONS
        if option.field in here and option.key is not None
    }
    is_first = not has_table(folder)

    def extended(text: str) -> str:
        return with_target(introduced(text) if is_first else text, {"client": client, **values})

    save(folder / FILE, edited(current_text(folder / FILE) or "", extended))
    return folder


def relative(value: Any, folder: Path) -> Any:
    """Return the paths in a value relative to the manifest's folder."""
    if isinstance(value, tuple):
        return tuple(relative(item, folder) for item in cast("tuple[object, ...]", value))
    return portable(value, folder) if isinstance(value, Path) else value


def refuse_second_target(request: GenerateRequest, manifest: Manifest) -> None:
    """Refuse a target that exists already, or that would write another one's file."""
    for entry in manifest.entries:
        for client in entry.clients:
            if is_glob(client):
                continue
            same_file = entry.request(client).output_path == request.output_path
            if same_file and client == request.client:
                raise RequestError(f"{client} is a target already")
            if same_file:
                raise RequestError(
                    f"{client} and {request.client} would both be written to {request.output_path}; "
                    "give this one an --output or a --wrapper of its own"
                )


def has_table(folder: Path) -> bool:
    """Return whether the folder's pyproject.toml has our table."""
    tool = read_file(folder / FILE).get("tool", {})
    return isinstance(tool, dict) and NAME in tool


def usual_options(client: str) -> dict[str, Any]:
    """Choose the initial options for a target of a well-known client."""
    connector = connector_of(client)
    return {"connector": connector} if connector is not None else {}


def save(path: Path, text: str) -> None:
    """Replace a user's file atomically."""
    try:
        replace_file(path, text)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def mark_generated(folder: Path) -> list[str]:
    """Make GitHub collapse the wrappers in diffs, if the project is a repository; return the added lines."""
    if not any((one / ".git").exists() for one in (folder, *folder.parents)):
        return []
    manifest = load_manifest(folder)
    outputs = [
        seen_from(entry.request(client).output_path, folder)
        for entry in manifest.entries
        for client in entry.clients
        if not is_glob(client)
    ]
    lines = [attribute_line(path) for path in outputs or [Path(DEFAULT_OUTPUT)]]
    return add_attributes(folder, [line for line in lines if not line.startswith("..")])


def next_steps(manifest: Manifest) -> Iterator[str]:
    """Say what to do after `init`."""
    yield "Next:"
    if not manifest.entries:
        found = installed_clients()
        for client, connector in found:
            yield f"  connpool-gen add {client} --connector {connector}"
        if not found:
            yield "  connpool-gen add MODULE:CLASS      adds the class of your client"
    yield "  connpool-gen                       makes the wrappers; commit them"
    yield "  connpool-gen --check               in CI: fails when one is out of date"
