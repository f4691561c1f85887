"""What is asked for: flags, the manifest in pyproject.toml, its JSON schema, the validated request."""
