"""The command `connpoolctl`, a client of running processes; needs typer, rich and httpx (extra `cli`)."""
