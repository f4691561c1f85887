"""Finds the project's environment: which Python reads the client, and what is installed there.

The tool may be installed beside the client or in an environment of its own. In the latter case another
interpreter runs the probe, the type checker looks for packages where that interpreter does, and
the output is the same.
"""
