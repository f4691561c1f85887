"""The read-only methods that `@reads` stands for: a file for each library."""
