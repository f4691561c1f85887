"""The version of the generator, apart from its API so that its own modules can state it."""

__version__ = "0.1.0"
