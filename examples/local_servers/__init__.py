"""Real servers on this machine, for the demo and the tests: each is started, killed, hung and brought back at will.

What needs grpcio is loaded when it is asked for: the demo does without.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from local_servers.consul_server import ConsulServer, consul_program
from local_servers.dns_server import DnsServer
from local_servers.etcd_server import EtcdCluster, EtcdServer
from local_servers.fault_proxy import FaultProxy
from local_servers.http_process import HttpProcess
from local_servers.http_server import HttpServer
from local_servers.milvus_server import MilvusServer
from local_servers.ports import free_port
from local_servers.process import LocalProcess
from local_servers.redis_server import RedisSentinel, RedisServer
from local_servers.server import ProcessServer

if TYPE_CHECKING:
    from local_servers.greeter_process import GreeterProcess
    from local_servers.greeter_server import GreeterServer

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

_LATE = {"GreeterProcess": "greeter_process", "GreeterServer": "greeter_server"}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
