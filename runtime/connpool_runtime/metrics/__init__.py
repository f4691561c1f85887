"""Integrations that export the numbers of pools, each library in files of its own."""
