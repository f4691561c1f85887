"""The main jobs in twenty seconds: a service and a cache on three servers each, of which one is killed and comes back."""
