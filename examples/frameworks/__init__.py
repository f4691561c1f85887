"""Pools in the frameworks that services are written in: where they are opened, and where they are drained.

Each file is the whole of what its framework needs; `services.py` is what they share.
"""
