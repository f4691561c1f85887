"""A small gRPC service: the stub package that examples and tests generate a pool for."""
