"""The text is checked as a type checker sees it, and what fails is remedied."""
