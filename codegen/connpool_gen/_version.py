"""The version of the generator, apart from its API so that its own modules can state it."""

__version__ = "0.1.0"

# What the output is written for: the contract of connpool-runtime, and the versions that keep it.
RUNTIME_CONTRACT = 1
RUNTIME_RANGE = ">=0.1,<0.2"
