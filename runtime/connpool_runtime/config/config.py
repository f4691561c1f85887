"""One config of all services, read and checked: what a manager works by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from connpool_runtime.config.sections import (
    AdminConfig,
    ManagerSettings,
    MetricsSettings,
    ReloadSettings,
)
from connpool_runtime.config.service import ServiceConfig

__all__ = ["Config"]


@dataclass(frozen=True, slots=True)
class Config:
    """What a file, the environment and arguments say together. Immutable; its `repr` shows no secret.

    Attributes:
        file: what errors call the file.
        services: by name.
        manager: the numbers of the manager.
        reload: when the config is read again.
        metrics: where numbers are exported to.
        admin: where the admin endpoint listens; None if nothing is said of it.
        admin_options: those of the admin application, as they were given.
        shown: every value that was given, with where it is from, and without secrets.
    """

    file: str
    services: Mapping[str, ServiceConfig] = field(default_factory=lambda: MappingProxyType({}))
    manager: ManagerSettings = field(default_factory=ManagerSettings)
    reload: ReloadSettings = field(default_factory=ReloadSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    admin: AdminConfig | None = None
    admin_options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    shown: Callable[..., dict[str, Any]] = field(default=dict, repr=False, compare=False)

    @property
    def admin_arguments(self) -> dict[str, Any]:
        """What the config says of the admin endpoint, as keyword arguments of `serve_admin`."""
        own = {} if self.admin is None else self.admin.arguments()
        return {**own, **self.admin_options}
