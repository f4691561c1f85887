"""The command `connpoolctl`, which asks running processes; needs typer, rich and httpx (extra `cli`)."""
