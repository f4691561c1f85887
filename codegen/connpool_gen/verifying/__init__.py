"""Type-checks the text, and applies remedies to members that fail."""
