"""The configs of connectors: fields, files, environment, addresses, TLS."""
