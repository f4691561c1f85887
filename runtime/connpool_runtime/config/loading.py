"""Loads a config: a file, overridden by the environment, overridden by arguments; collects all problems."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias, cast

from connpool_runtime.config.config import Config
from connpool_runtime.config.document import Document, read_document
from connpool_runtime.config.effective import shown_config
from connpool_runtime.config.layers import (
    Layer,
    layer_of_arguments,
    layer_of_environment,
    layer_of_file,
    value_at,
)
from connpool_runtime.config.middleware import MIDDLEWARE, missing_arguments
from connpool_runtime.config.problems import ConfigProblem, InvalidConfigFile, KeyPath, dotted
from connpool_runtime.config.sections import ADMIN, SETTINGS, AdminConfig, admin_settings
from connpool_runtime.config.service import ServiceConfig
from connpool_runtime.config.services import DEFAULTS, root_table
from connpool_runtime.config.tables import Entry, Table
from connpool_runtime.config.validation import check_layer, problem_of
from connpool_runtime.connectors.config.base import merged
from connpool_runtime.connectors.config.errors import InvalidConfig
from connpool_runtime.connectors.config.secrets import SecretSource, is_reference, secret_of
from connpool_runtime.connectors.kinds import config_class
from connpool_runtime.discovery.kinds import fields_of_url
from connpool_runtime.options import Settings
from connpool_runtime.options.parsing import read

__all__ = ["read_config"]

_Prepared: TypeAlias = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def read_config(
    path: str | Path,
    *,
    section: str | Iterable[str] = "services",
    env: str = "",
    environ: Mapping[str, str] | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Config:
    """Read the config of all services, the manager, the admin endpoint and metrics.

    Arguments:
        path: a `.toml`, `.yaml`, `.yml` or `.json` file.
        section: the key of the services in the file, with dots between the keys that lead there; beside
            it stand `defaults` and the other sections. "" if the services are the whole file.
        env: the prefix of the environment variables that override the file: with `"APP_"`,
            `APP_SERVICES_USERS_POOL_MAX_FAILS=3`; "" for none.
        environ: the variables, also those that secrets refer to; None is `os.environ`.
        arguments: values that override both, by key path: `{"services.users.pool.max_fails": 3}`.

    Raises:
        InvalidConfigFile: something is wrong; the message has all of it, each with its file and line, or its
            variable or argument, and its key path.
        OSError: the file cannot be read.
    """
    keys = (
        tuple(section.split(".") if section else ()) if isinstance(section, str) else tuple(section)
    )
    reading = _Reading(read_document(path), keys, os.environ if environ is None else environ)
    return reading.read(env, arguments or {})


class _Reading:
    """One reading of a config, which collects problems.

    Arguments:
        document: the file.
        section: the keys of the services in it.
        environ: the variables of the environment.
    """

    def __init__(
        self, document: Document, section: tuple[str, ...], environ: Mapping[str, str]
    ) -> None:
        self._document = document
        self._services = section[-1] if section else ""
        self._outer = section[:-1]
        self._environ = environ
        self._problems: list[ConfigProblem] = []
        self._layers: list[Layer] = []
        self._table = Table()

    def read(self, env: str, arguments: Mapping[str, Any]) -> Config:
        """Return the config, or raise all problems together."""
        self._collect_layers(env, arguments)
        for layer in self._layers:
            self._problems += check_layer(layer, self._layers, self._table)
        # A problem is reported where it was written, not again where it is used.
        services = self._read_services() if not self._is_wrong((DEFAULTS,)) else {}
        sections = {} if not self._services else self._read_sections()
        if self._problems:
            raise InvalidConfigFile(self._document.name, self._problems)
        return Config(
            file=self._document.name,
            services=MappingProxyType(services),
            key=self._services,
            shown=partial(shown_config, self._table, tuple(self._layers), self._services),
            notes=tuple(note for layer in self._layers for note in layer.notes),
            **sections,
        )

    def _collect_layers(self, env: str, arguments: Mapping[str, Any]) -> None:
        file = layer_of_file(self._document, self._outer)
        names = self._names(file.data)
        # The options of a service depend on its kind, which an argument or a variable may set.
        plain = {
            name.removesuffix(".kind").removeprefix(f"{self._services}.").lstrip("."): value
            for name, value in arguments.items()
            if name.endswith(".kind") and not name.endswith(".discovery.kind")
        }
        kinds = {name: self._kind(name, file.data, env, plain) for name in names}
        table = self._table = root_table(self._services, kinds)
        variables, wrong = layer_of_environment(table, env, self._environ, file.data)
        self._problems += wrong
        given, wrong = layer_of_arguments(table, arguments, file.data, names)
        self._problems += wrong
        self._layers = [file, variables, given]

    def _names(self, data: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names of the services, after refusing a file that has no place for them."""
        found = value_at(data, (self._services,)) if self._services else data
        if self._services and found is None:
            asked = ".".join((*self._outer, self._services))
            known = ", ".join(map(repr, self._document.data)) or "nothing"
            text = f"there is no section {asked!r}; the file has {known}"
            problem = ConfigProblem(self._document.name, asked, text)
            raise InvalidConfigFile(self._document.name, [problem])
        if not isinstance(found, Mapping):
            path = (self._services,)
            error = InvalidConfig(self._services, type(found).__name__, "a mapping of services")
            place = self._document.place((*self._outer, *path))
            raise InvalidConfigFile(self._document.name, [problem_of(place, path, error)])
        return tuple(cast("Mapping[str, Any]", found))

    def _kind(
        self, name: str, data: Mapping[str, Any], env: str, arguments: Mapping[str, Any]
    ) -> object:
        if arguments.get(name) is not None:
            return arguments[name]
        root = f"{self._services}_" if self._services else ""
        variable = "".join(c if c.isalnum() else "_" for c in f"{root}{name}_kind").upper()
        if env and f"{env}{variable}" in self._environ:
            return self._environ[f"{env}{variable}"].strip()
        return value_at(data, (*self._root, name, "kind"))

    @property
    def _root(self) -> tuple[str, ...]:
        """The key of the services among those of the layers."""
        return (self._services,) if self._services else ()

    def _is_wrong(self, path: KeyPath) -> bool:
        place = dotted(path)
        return any(
            problem.path == place or problem.path.startswith(f"{place}.")
            for problem in self._problems
        )

    def _place(self, path: KeyPath) -> str:
        """Return where a value was last set, or where the nearest enclosing group was."""
        for length in range(len(path), 0, -1):
            for layer in reversed(self._layers):
                if value_at(layer.data, path[:length]) is not None:
                    return layer.place(path[:length])
        return self._document.name

    def _tell(self, path: KeyPath, error: ValueError) -> None:
        self._problems.append(problem_of(self._place(path), path, error))

    def _group(self, path: KeyPath, prepared: _Prepared = dict) -> dict[str, Any]:
        """Return a group merged from all layers, each layer prepared first."""
        found: dict[str, Any] = {}
        for layer in self._layers:
            given = value_at(layer.data, path)
            if isinstance(given, Mapping):
                said = prepared(cast("Mapping[str, Any]", given))
                found = merged(_expanded(found), _expanded(said))
        return found

    def _read_services(self) -> dict[str, ServiceConfig]:
        services: dict[str, ServiceConfig] = {}
        known = self._table.entries[self._services] if self._services else self._table
        for name, table in cast("Table", known).entries.items():
            path = (*self._root, name)
            self._look_for_missing(path)
            if self._is_wrong(path):
                self._look_further(name, path, cast("Table", table))
                continue
            try:
                services[name] = self._read_service(name, path, cast("Table", table))
            except InvalidConfig as error:
                self._tell_inside(path, name, error)
            except ValueError as error:
                self._tell(path, error)
        return services

    def _look_further(self, name: str, path: KeyPath, table: Table) -> None:
        """Find further problems of a service: missing secrets, fields that conflict."""
        said: dict[str, Any] = {}
        for layer in self._layers:
            given = value_at(layer.data, path)
            if isinstance(given, Mapping):
                said = merged(said, cast("Mapping[str, Any]", given))
        values = self._with_secrets(table, said, path)
        before = f"{dotted(path)}."
        bad = {
            problem.path.removeprefix(before).partition(".")[0]
            for problem in self._problems
            if problem.path.startswith(before)
        }
        try:
            record = config_class(values.get("kind"))
        except InvalidConfig:
            return
        rest = {key: each for key, each in values.items() if key in record.fields}
        try:
            record.from_mapping({key: each for key, each in rest.items() if key not in bad})
        except InvalidConfig as error:
            for one in error.errors:
                if one.field.partition(".")[0] not in {*bad, "endpoints"}:
                    self._tell_inside(path, name, one.inside(name))

    def _look_for_missing(self, path: KeyPath) -> None:
        """Find required arguments of middleware that are missing."""
        shared = self._group((DEFAULTS, "middleware")) if self._services else {}
        for name, given in merged(shared, self._group((*path, "middleware"))).items():
            if name in MIDDLEWARE and given not in (None, False):
                for argument in missing_arguments(name, given):
                    full = (*path, "middleware", name, argument)
                    words = MIDDLEWARE[name].rules[argument].words
                    self._tell(full, InvalidConfig(dotted(full), "left out", words))

    def _read_service(self, name: str, path: KeyPath, table: Table) -> ServiceConfig:
        own, shared = self._group(path), self._group((DEFAULTS,)) if self._services else {}
        if own.get("kind") is None:
            entry = cast("Entry", table.entries["kind"])
            raise InvalidConfig(f"{name}.kind", "left out", entry.words)
        try:
            # Layer by layer, because what a URL gives counts as set where the URL is.
            prepare = config_class(own["kind"]).prepared
            own = self._group(path, lambda given: prepare(given, self._environ))
        except InvalidConfig as error:
            raise error.inside(name) from None
        if own.get("discovery") is None:
            shared.pop("discovery", None)
        values = merged(_expanded(shared), own)
        return ServiceConfig.from_mapping(name, self._with_secrets(table, values, path))

    def _tell_inside(self, path: KeyPath, name: str, error: InvalidConfig) -> None:
        """Report errors whose fields begin with the name of the service."""
        for one in error.errors:
            inner = one.field.removeprefix(name).strip(".")
            full: KeyPath = (*path, *inner.split(".")) if inner else path
            text = str(one).replace(f"{name}.{inner}" if inner else name, dotted(full), 1)
            self._problems.append(ConfigProblem(self._place(full), dotted(full), text))

    def _with_secrets(
        self, table: Table, values: Mapping[str, Any], path: KeyPath
    ) -> dict[str, Any]:
        """Return values in which references to secrets are replaced by the secrets."""
        try:
            chosen = table.of(values)
        except InvalidConfig:
            return dict(values)
        found: dict[str, Any] = {}
        for name, value in values.items():
            node, inner = chosen.entries.get(name), (*path, name)
            if isinstance(node, Table) and isinstance(value, Mapping):
                value = self._with_secrets(node, cast("Mapping[str, Any]", value), inner)
            elif isinstance(node, Entry) and node.refers:
                value = self._secrets(value, inner, rereads=node.rereads)
            found[name] = value
        return found

    def _secrets(self, value: Any, path: KeyPath, *, rereads: bool = False) -> Any:
        if isinstance(value, Mapping):
            pairs = cast("Mapping[str, Any]", value).items()
            return {
                name: self._secrets(each, (*path, name), rereads=rereads) for name, each in pairs
            }
        if not is_reference(value):
            return value
        try:
            if rereads:
                return SecretSource(cast("str", value), dotted(path), self._environ)
            return secret_of(cast("str", value), dotted(path), self._environ)
        except InvalidConfig as error:
            self._tell(path, error)
            return "unknown"

    def _read_sections(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, settings in SETTINGS.items():
            if not self._is_wrong((name,)):
                found[name] = self._read_settings(name, settings, self._group((name,)))
        values = self._group((ADMIN,))
        if values and not self._is_wrong((ADMIN,)):
            table = cast("Table", self._table.entries[ADMIN])
            values = self._with_secrets(table, values, (ADMIN,))
            own = {key: value for key, value in values.items() if key in AdminConfig.fields}
            known = admin_settings().declared
            try:
                found["admin"] = AdminConfig.from_mapping(own)
            except InvalidConfig as error:
                self._tell((ADMIN, *error.field.split(".")), error.inside(ADMIN))
            found["admin_options"] = MappingProxyType(
                {
                    key: read(known[key].rule, value)
                    for key, value in values.items()
                    if key in known and value is not None
                }
            )
        return found

    def _read_settings(
        self, name: str, settings: type[Settings], values: Mapping[str, Any]
    ) -> Settings:
        known = settings.declared
        try:
            return settings.of({key: read(known[key].rule, each) for key, each in values.items()})
        except ValueError as error:
            self._tell((name,), error)
            return settings()


def _expanded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a service with its source as fields, so that other layers may override single ones."""
    given = values.get("discovery")
    return {**values, "discovery": fields_of_url(given)} if isinstance(given, str) else dict(values)
