"""The clients that a factory opens for one endpoint: idle, lent, expired, to be closed."""
