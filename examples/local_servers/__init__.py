"""Real servers on this machine, for the demo and the tests: each is started, killed, hung and brought back at will.

A server's module is imported when it is first asked for, so that only the library of that server has to be there.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from local_servers.consul_server import ConsulServer, consul_program
    from local_servers.dns_server import DnsServer
    from local_servers.etcd_server import EtcdCluster, EtcdServer
    from local_servers.fault_proxy import FaultProxy
    from local_servers.greeter_process import GreeterProcess
    from local_servers.greeter_server import GreeterServer
    from local_servers.http_process import HttpProcess
    from local_servers.http_server import HttpServer
    from local_servers.milvus_server import MilvusServer
    from local_servers.ports import free_port
    from local_servers.process import LocalProcess
    from local_servers.redis_server import RedisSentinel, RedisServer
    from local_servers.server import ProcessServer

__all__ = [
    "ConsulServer",
    "DnsServer",
    "EtcdCluster",
    "EtcdServer",
    "FaultProxy",
    "GreeterProcess",
    "GreeterServer",
    "HttpProcess",
    "HttpServer",
    "LocalProcess",
    "MilvusServer",
    "ProcessServer",
    "RedisSentinel",
    "RedisServer",
    "consul_program",
    "free_port",
]

_MODULES = {
    "ConsulServer": "consul_server",
    "DnsServer": "dns_server",
    "EtcdCluster": "etcd_server",
    "EtcdServer": "etcd_server",
    "FaultProxy": "fault_proxy",
    "GreeterProcess": "greeter_process",
    "GreeterServer": "greeter_server",
    "HttpProcess": "http_process",
    "HttpServer": "http_server",
    "LocalProcess": "process",
    "MilvusServer": "milvus_server",
    "ProcessServer": "server",
    "RedisSentinel": "redis_server",
    "RedisServer": "redis_server",
    "consul_program": "consul_server",
    "free_port": "ports",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
