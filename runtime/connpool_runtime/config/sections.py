"""The sections of a config file beside the services: manager, reloading, metrics, admin endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from connpool_runtime.config.tables import Table, merged_tables, table_of_record, table_of_settings
from connpool_runtime.connectors.config.errors import InvalidConfig
from connpool_runtime.connectors.config.fields import Count, Secret, Text, Texts
from connpool_runtime.connectors.config.record import Record
from connpool_runtime.options import Settings, option
from connpool_runtime.options.validation import Rule

__all__ = [
    "ADMIN",
    "SETTINGS",
    "AdminConfig",
    "ManagerSettings",
    "MetricsSettings",
    "ReloadSettings",
    "admin_settings",
    "section_tables",
]


class ManagerSettings(Settings):
    """The settings of a manager of services. Zero means zero; an option not given has its default.

    Raises:
        TypeError: there is no such option; the message has the nearest name.
        ValueError: a value is not allowed; the message names the option, the value and the rule.
    """

    name: str = option(
        default="manager",
        rule=Rule.text(),
        does="what errors and metrics call the manager.",
    )
    create_timeout: float = option(
        default=30.0,
        rule=Rule.seconds(),
        does="how long a caller waits while another caller builds the same pool.",
        why="30.0: building connects, which takes seconds, and a longer wait helps no caller.",
    )
    drain_timeout: float = option(
        default=30.0,
        rule=Rule.seconds(),
        does="how long a pool that is closed waits for its calls to end.",
        why="30.0, as for a pool itself.",
        reloadable=True,
    )


class ReloadSettings(Settings):
    """When a config is read again. Zero means zero; an option not given has its default.

    Raises:
        TypeError: there is no such option; the message has the nearest name.
        ValueError: a value is not allowed; the message names the option, the value and the rule.
    """

    settle: float = option(
        default=0.2,
        rule=Rule.seconds(),
        does="how long a file that has changed must stay as it is before it is read, for files that"
        " are written in pieces.",
        why="0.2: editors and deployments write a file at once, or nearly so.",
        reloadable=True,
    )
    interval: float = option(
        default=5.0,
        rule=Rule.seconds_above_zero(),
        does="how often the file is looked at where watchfiles is not installed.",
        why="5.0: a look costs one system call.",
        reloadable=True,
    )


class MetricsSettings(Settings):
    """Where a manager exports the numbers of all its pools, each as soon as it is built.

    Raises:
        TypeError: there is no such option; the message has the nearest name.
        ValueError: a value is not allowed; the message names the option, the value and the rule.
    """

    prometheus: bool = option(
        default=False,
        rule=Rule.switch(),
        does="whether they are registered with prometheus_client's own registry (extra `prometheus`).",
        why="False: exporting by hand as well would be refused, because the names are taken.",
    )
    opentelemetry: bool = option(
        default=False,
        rule=Rule.switch(),
        does="whether they are observed by the global meter of OpenTelemetry (extra `otel`).",
        why="False: there is a meter only where a program has set one up.",
    )


@dataclass(kw_only=True)
class AdminConfig(Record):
    """Where the admin endpoint listens, and who may use it; for `serve_admin`.

    Arguments:
        host: the address to listen on.
        port: 0 for one that is free.
        unix_socket: the path of a socket to listen on, instead of host and port.
        token: lets its bearer read and change; without it nothing can be changed.
        read_token: lets its bearer read.
        allowed_hosts: names by which the endpoint is addressed.
        required: services without which the process is not ready; each that has a pool if not given.

    Raises:
        InvalidConfig: a value is not allowed.
    """

    host: Text = Text("127.0.0.1")
    port: Count = Count(0)
    unix_socket: Text = Text()
    token: Secret = Secret()
    read_token: Secret = Secret()
    allowed_hosts: Texts = Texts()
    required: Texts = Texts()

    def __post_init__(self) -> None:
        if self.port > 65535:
            raise InvalidConfig("port", repr(self.port), "between 0 and 65535")

    def arguments(self) -> dict[str, Any]:
        """Return what was given, as keyword arguments."""
        plain = {name: getattr(self, name) for name in self.fields}
        return {name: value for name, value in plain.items() if value not in (None, ())}


class _NoOptions(Settings):
    """No options."""


SETTINGS: Mapping[str, type[Settings]] = {
    "manager": ManagerSettings,
    "reload": ReloadSettings,
    "metrics": MetricsSettings,
}
"""The sections beside the services, by their keys, with what states their options; and `admin`."""

ADMIN = "admin"


def section_tables() -> dict[str, Table]:
    """Return the tables of all sections beside the services."""
    tables = {
        name: table_of_settings(settings, (settings.__doc__ or "").partition("\n")[0])
        for name, settings in SETTINGS.items()
    }
    does = (AdminConfig.__doc__ or "").partition("\n")[0]
    own = table_of_record(AdminConfig)
    tables[ADMIN] = merged_tables(own, table_of_settings(admin_settings()), does=does)
    return tables


def admin_settings() -> type[Settings]:
    """Return the settings class of the admin application; without the extra `admin`, one without options."""
    try:
        module = import_module("connpool_runtime.admin.settings")
    except ModuleNotFoundError:
        return _NoOptions
    return cast("type[Settings]", module.AdminSettings)
