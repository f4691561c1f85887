"""What a pooled call costs, against the peers that do the same work."""
