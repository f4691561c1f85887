"""The command `connpoolctl` (extra `cli`)."""
