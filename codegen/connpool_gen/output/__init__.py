"""What happens with the text: a file, a comparison, a cache entry, a report."""
