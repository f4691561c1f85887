"""Real servers on this machine, for the demo and the tests: each is started, killed, hung and brought back at will."""

from local_servers.fault_proxy import FaultProxy
from local_servers.greeter_server import GreeterServer
from local_servers.ports import free_port
from local_servers.process import LocalProcess
from local_servers.redis_server import RedisServer

__all__ = ["FaultProxy", "GreeterServer", "LocalProcess", "RedisServer", "free_port"]
