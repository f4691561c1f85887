"""The layers of a config, later ones override earlier ones: the file, the environment, the arguments."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from connpool_runtime.config.document import Document
from connpool_runtime.config.problems import ConfigProblem, KeyPath, dotted
from connpool_runtime.config.tables import Entry, Node, Table, switch_word
from connpool_runtime.connectors.config.errors import InvalidConfig
from connpool_runtime.connectors.config.service_links import is_service_link
from connpool_runtime.options.validation import nearest

__all__ = [
    "Layer",
    "keys_of_argument",
    "layer_of_arguments",
    "layer_of_environment",
    "layer_of_file",
    "put",
    "value_at",
]

_MISSING: Any = object()


@dataclass(frozen=True, slots=True)
class Layer:
    """Plain data, and the origin of each of its keys.

    Attributes:
        data: a mapping of mappings.
        place: of a key path: `services.toml:12`, a variable, an argument.
        notes: what was left alone, and why.
    """

    data: Mapping[str, Any]
    place: Callable[[KeyPath], str]
    notes: tuple[str, ...] = ()


def value_at(data: object, path: KeyPath, default: Any = None) -> Any:
    """Return the value at a key path in plain data."""
    for key in path:
        if not isinstance(data, Mapping):
            return default
        data = cast("Any", data).get(key, _MISSING)
        if data is _MISSING:
            return default
    return data


def put(data: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    """Set the value at a key path; whatever is no mapping on the way becomes one."""
    *groups, last = path
    for key in groups:
        inner = data.get(key)
        data[key] = inner = cast("dict[str, Any]", inner) if isinstance(inner, dict) else {}
        data = inner
    data[last] = value


def layer_of_file(document: Document, section: tuple[str, ...]) -> Layer:
    """Return the layer of a file.

    Arguments:
        document: the file.
        section: the keys that lead to what holds the services and what belongs to them.
    """
    data = value_at(document.data, section, {})
    said: Mapping[str, Any] = cast("Any", data) if isinstance(data, Mapping) else {}
    return Layer(
        {name: value for name, value in said.items() if name != "$schema"},  # for editors
        lambda path: document.place((*section, *path)),
    )


def layer_of_environment(
    table: Table, prefix: str, environ: Mapping[str, str], below: Mapping[str, Any]
) -> tuple[Layer, list[ConfigProblem]]:
    """Return the layer of environment variables: `PREFIX` and the key path in capitals.

    A variable that ends with `URL` may give the endpoints of a service, and a variable that continues the
    name of `options` gives a single option of its library.

    Arguments:
        table: of the whole config.
        prefix: what the variables begin with; "" for none. Each variable with this prefix must be an option,
            except for those that Kubernetes sets in every container.
        environ: the variables.
        below: what the file says, where that decides which options there are.
    """
    data: dict[str, Any] = {}
    problems: list[ConfigProblem] = []
    said: dict[KeyPath, str] = {}
    if not prefix:
        return Layer(data, lambda _: ""), problems
    known = _by_variable(table, prefix, below)
    links: list[str] = []
    # Sorted, so that PREFIX_TLS comes before PREFIX_TLS_CA_FILE, which is more specific.
    for variable in sorted(name for name in environ if name.startswith(prefix)):
        place, text = f"environment variable {variable}", environ[variable]
        # Service links such as tcp://10.0.0.1:80 are no options.
        is_option = variable in known and "://" not in text
        if not is_option and is_service_link(variable, text):
            links.append(variable)
            continue
        meant = known.get(variable) or _open_options(known, variable)
        if not meant:
            told = f"unknown environment variable {variable!r}; {nearest(variable, known)}"
            problems.append(ConfigProblem(place, "", told))
        elif len(meant) > 1:
            paths = " and ".join(dotted(path) for path, _ in meant)
            told = f"{variable!r} could mean {paths}: set the option in the file, or as an argument"
            problems.append(ConfigProblem(place, "", told))
        elif meant[0][0] in said:
            told = (
                f"{variable!r} sets the same option as {said[meant[0][0]]}: leave one of them out"
            )
            problems.append(ConfigProblem(place, "", told))
        else:
            ((path, node),) = meant
            put(data, cast("tuple[str, ...]", path), _parsed(node, text))
            said[path] = place
    notes = (f"ignored, because Kubernetes set them: {', '.join(links)}",) if links else ()
    return Layer(data, _place_among(said, "the environment"), notes), problems


_Meant: TypeAlias = list[tuple[KeyPath, Node]]


def _by_variable(table: Table, prefix: str, below: Mapping[str, Any]) -> dict[str, _Meant]:
    """Return the options by the names of their variables."""
    known: dict[str, _Meant] = {}
    for path, node in _nodes(table, below):
        known.setdefault(prefix + _variable(path), []).append((path, node))
        if path[-1] == "endpoints" and isinstance(node, Entry) and node.refers:
            known.setdefault(f"{prefix}{_variable((*path[:-1], 'url'))}", []).append((path, node))
    return known


def _open_options(known: Mapping[str, _Meant], variable: str) -> _Meant:
    """Return the value of a variable whose name continues that of an open group."""
    return [
        ((*path, variable.removeprefix(f"{name}_").lower()), node)
        for name, meant in known.items()
        for path, node in meant
        if isinstance(node, Entry) and node.is_open and variable.startswith(f"{name}_")
    ]


def layer_of_arguments(
    table: Table, arguments: Mapping[str, Any], below: Mapping[str, Any], names: tuple[str, ...]
) -> tuple[Layer, list[ConfigProblem]]:
    """Return the layer of a program's arguments.

    Arguments:
        table: of the whole config.
        arguments: values by key path, such as `services.users.pool.max_fails`; a text is read as one of
            the environment is. None does not count as given.
        below: what the file says, where that decides which options there are.
        names: of the services, which may have dots in them.
    """
    data: dict[str, Any] = {}
    problems: list[ConfigProblem] = []
    said: dict[KeyPath, str] = {}
    known = dict(_nodes(table, below))
    for name, value in arguments.items():
        if value is None:
            continue
        place, path = f"argument {name}", keys_of_argument(name, names)
        node = known.get(path)
        if node is None:
            path, node = _in_open_group(path, known)
        if node is None:
            wrong, hint = _first_unknown(path, known)
            problems.append(ConfigProblem(place, name, f"unknown option {wrong!r}; {hint}"))
        else:
            given = _parsed(node, value) if isinstance(value, str) else value
            put(data, path, given)
            said[path] = place
    return Layer(data, _place_among(said, "the arguments")), problems


def _in_open_group(
    path: tuple[str, ...], known: Mapping[KeyPath, Node]
) -> tuple[tuple[str, ...], Node | None]:
    """Return the path of one of a library's options, whose name may contain dots, and its group; None if it is none."""
    for length in range(1, len(path)):
        node = known.get(path[:length])
        if isinstance(node, Entry) and node.is_open:
            return (*path[:length], ".".join(path[length:])), node
    return path, None


def _first_unknown(path: tuple[str, ...], known: Iterable[KeyPath]) -> tuple[str, str]:
    """Return the first part of a key path that is unknown, with a hint at the known ones."""
    for length in range(len(path)):
        begun = [each for each in known if each[:length] == path[:length] and len(each) > length]
        keys = dict.fromkeys(str(each[length]) for each in begun)
        if path[length] not in keys:
            return dotted(path[: length + 1]), nearest(path[length], keys)
    return dotted(path), "it is a group: name one of its options"


def keys_of_argument(name: str, services: tuple[str, ...]) -> tuple[str, ...]:
    """Split a key path at its dots; the name of a service may contain dots itself."""
    for service in sorted(services, key=len, reverse=True):
        before, between, after = name.partition(f".{service}.")
        if between and "." not in before:
            return before, service, *after.split(".")
        if name.startswith(f"{service}."):
            return service, *name.removeprefix(f"{service}.").split(".")
    return tuple(name.split("."))


def _place_among(said: Mapping[KeyPath, str], otherwise: str) -> Callable[[KeyPath], str]:
    def place(path: KeyPath) -> str:
        for length in range(len(path), 0, -1):
            if path[:length] in said:
                return said[path[:length]]
        # A group that is present because of one of its options.
        inside = (one for there, one in said.items() if there[: len(path)] == path)
        return next(inside, otherwise)

    return place


def _parsed(node: Node, text: str) -> Any:
    if isinstance(node, Entry):
        return node.parse(text)
    return switch_word(text) if node.switch else text


def _variable(path: KeyPath) -> str:
    return "_".join(re.sub(r"\W", "_", str(key)).upper() for key in path)


def _nodes(table: Table, given: object, path: tuple[str, ...] = ()) -> Iterator[tuple[Any, Node]]:
    """Yield all options of a table, and the groups for which a single value may stand."""
    try:
        chosen = table.of(_as_mapping(table, given))
    except InvalidConfig:
        return
    for name, node in chosen.entries.items():
        inner = (*path, name)
        if isinstance(node, Entry):
            if node.in_files:
                yield inner, node
            continue
        if node.switch or node.of_text is not None:
            yield inner, node
        yield from _nodes(node, value_at(given, (name,)), inner)


def _as_mapping(table: Table, given: object) -> object:
    """Return the mapping that a text stands for; an empty one for any other value."""
    if isinstance(given, str) and table.of_text is not None:
        return table.of_text(given)
    return cast("object", given) if isinstance(given, Mapping) else {}
