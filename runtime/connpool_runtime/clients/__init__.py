"""The clients that a factory makes for one endpoint: who is idle, lent, expired, to be closed."""
