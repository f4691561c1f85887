"""Service discovery: sources of endpoints, and keeping a pool's members in step with them.

Each source that needs a library is in a file of its own, its library an extra.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from connpool_runtime.discovery.connector_endpoint import DISCOVERED
from connpool_runtime.discovery.endpoint import Endpoint
from connpool_runtime.discovery.errors import (
    DiscoveryError,
    DiscoveryTimeout,
    InvalidEndpoint,
    NoEndpoints,
    SourceFailed,
)
from connpool_runtime.discovery.kinds import DiscoveryConfig, async_source_of, source_of
from connpool_runtime.discovery.settings import DiscoveryOptions, DiscoverySettings
from connpool_runtime.discovery.source import AsyncSource, Source

if TYPE_CHECKING:
    from connpool_runtime.discovery.async_discovery import AsyncDiscovery
    from connpool_runtime.discovery.callback import AsyncCallbackSource, CallbackSource
    from connpool_runtime.discovery.consul import (
        AsyncConsulSource,
        ConsulSource,
        ConsulSourceConfig,
    )
    from connpool_runtime.discovery.discovery import Discovery
    from connpool_runtime.discovery.dns import AsyncDnsSource, DnsSource, DnsSourceConfig
    from connpool_runtime.discovery.etcd import AsyncEtcdSource, EtcdSource, EtcdSourceConfig
    from connpool_runtime.discovery.file import AsyncFileSource, FileSource, FileSourceConfig
    from connpool_runtime.discovery.kubernetes import (
        AsyncKubernetesSource,
        KubernetesSource,
        KubernetesSourceConfig,
    )
    from connpool_runtime.discovery.static import AsyncStaticSource, StaticSource

__all__ = [
    "AsyncCallbackSource",
    "AsyncConsulSource",
    "AsyncDiscovery",
    "AsyncDnsSource",
    "AsyncEtcdSource",
    "AsyncFileSource",
    "AsyncKubernetesSource",
    "AsyncSource",
    "AsyncStaticSource",
    "CallbackSource",
    "ConsulSource",
    "ConsulSourceConfig",
    "DISCOVERED",
    "Discovery",
    "DiscoveryConfig",
    "DiscoveryError",
    "DiscoveryOptions",
    "DiscoverySettings",
    "DiscoveryTimeout",
    "DnsSource",
    "DnsSourceConfig",
    "Endpoint",
    "EtcdSource",
    "EtcdSourceConfig",
    "FileSource",
    "FileSourceConfig",
    "InvalidEndpoint",
    "KubernetesSource",
    "KubernetesSourceConfig",
    "NoEndpoints",
    "Source",
    "SourceFailed",
    "StaticSource",
    "async_source_of",
    "source_of",
]

_LATE = {
    "async_discovery": ("AsyncDiscovery",),
    "callback": ("AsyncCallbackSource", "CallbackSource"),
    "consul": ("AsyncConsulSource", "ConsulSource", "ConsulSourceConfig"),
    "discovery": ("Discovery",),
    "dns": ("AsyncDnsSource", "DnsSource", "DnsSourceConfig"),
    "etcd": ("AsyncEtcdSource", "EtcdSource", "EtcdSourceConfig"),
    "file": ("AsyncFileSource", "FileSource", "FileSourceConfig"),
    "kubernetes": ("AsyncKubernetesSource", "KubernetesSource", "KubernetesSourceConfig"),
    "static": ("AsyncStaticSource", "StaticSource"),
}


def __getattr__(name: str) -> Any:
    for module, names in _LATE.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
