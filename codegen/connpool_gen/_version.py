"""The version of the generator, in a module that imports nothing of the package."""

__version__ = "0.1.0"

# What the output is written for: the contract of connpool-runtime, and the versions that fulfil it.
RUNTIME_CONTRACT = 1
RUNTIME_RANGE = ">=0.1,<0.2"
