"""Edits files of a project for `init` and `add`: pyproject.toml and .gitattributes."""
