"""The config of all services, read and checked, from which a manager is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
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
    """The merged result of a file, the environment and arguments. Immutable; its `repr` shows no secret.

    Attributes:
        file: what errors call the file.
        services: by name.
        key: the key of the services in the file; "" if they are the whole of it.
        manager: the numbers of the manager.
        reload: when the config is read again.
        metrics: where numbers are exported to.
        admin: where the admin endpoint listens; None if nothing is said of it.
        admin_options: those of the admin application, as they were given.
        shown: every value that was given, with where it is from, and without secrets.
        notes: what is no error, and worth knowing: variables that were left alone.
    """

    file: str
    services: Mapping[str, ServiceConfig] = field(default_factory=lambda: MappingProxyType({}))
    key: str = "services"
    manager: ManagerSettings = field(default_factory=ManagerSettings)
    reload: ReloadSettings = field(default_factory=ReloadSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    admin: AdminConfig | None = None
    admin_options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    shown: Callable[..., dict[str, Any]] = field(default=dict, repr=False, compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)

    def keeping(self, before: Config, names: Iterable[str]) -> Config:
        """Return this config with some services taken from another config.

        Arguments:
            before: the other one.
            names: of the services.
        """
        kept = tuple(names)
        if not kept:
            return self
        services = {**self.services, **{name: before.services[name] for name in kept}}
        shown = partial(_shown_keeping, self, before, kept)
        return replace(self, services=MappingProxyType(services), shown=shown)

    @property
    def admin_arguments(self) -> dict[str, Any]:
        """The options of the admin endpoint, as keyword arguments of `serve_admin`."""
        own = {} if self.admin is None else self.admin.arguments()
        return {**own, **self.admin_options}


def _shown_keeping(
    config: Config, before: Config, kept: tuple[str, ...], *, defaults: bool = True
) -> dict[str, Any]:
    """Show a config in which some services were kept from an earlier one."""
    shown, old = config.shown(defaults=defaults), before.shown(defaults=defaults)
    if not config.key:
        return {**shown, **{name: old[name] for name in kept}}
    services = {**shown[config.key], **{name: old[before.key][name] for name in kept}}
    return {**shown, config.key: services}
