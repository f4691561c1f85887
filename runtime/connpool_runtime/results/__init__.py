"""Results that outlive their call: streams, contexts, leases, pinned results, awaitables."""
