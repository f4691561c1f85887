"""The methods that `@reads` stands for: a file for each library, and what becomes of them."""
