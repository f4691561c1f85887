"""Moves a code base from a client class to its wrapper: find, decide, edit, verify, write.

`adopt.py` is the table of contents. mypy says what every name and expression is (`checking.py`,
`symbols.py`, `uses.py`), libcst finds and edits the text (`references.py`, `edits.py`), and what
becomes of each place is decided in plain functions (`decisions.py`, `blame.py`).
"""
