"""The source reader: describes a class from its text, by libcst; nothing of the target is imported.

It gives the same answer as the run-time reader in `probe/`, so that all that follows is the same. What
only a running class could show is left to the client itself, or reported.
"""
