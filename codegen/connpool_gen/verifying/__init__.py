"""Type-checks the text, and remedies what fails."""
