"""Real servers on this machine, for the demo and the tests: each is started, killed, hung and brought back at will."""

from local_servers.consul_server import ConsulServer, consul_program
from local_servers.dns_server import DnsServer
from local_servers.etcd_server import EtcdCluster, EtcdServer
from local_servers.fault_proxy import FaultProxy
from local_servers.greeter_server import GreeterServer
from local_servers.http_server import HttpServer
from local_servers.milvus_server import MilvusServer
from local_servers.own_process import GreeterProcess, HttpProcess
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
