"""What a pool tells its listeners, and how it is delivered."""
