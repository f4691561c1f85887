"""What becomes of the text: a file, a difference, a cache entry, a report."""
