"""Facts become a plan: what each member of the client turns into, and why."""
