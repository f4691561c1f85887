"""What `init` and `add` change in the files of a project: pyproject.toml and .gitattributes."""
