"""One config for all services: a file, overridden by environment variables, overridden by arguments."""

from connpool_runtime.config.config import Config
from connpool_runtime.config.loading import read_config
from connpool_runtime.config.problems import ConfigProblem, InvalidConfigFile
from connpool_runtime.config.service import ServiceConfig

__all__ = ["Config", "ConfigProblem", "InvalidConfigFile", "ServiceConfig", "read_config"]
