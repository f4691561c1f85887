"""What callers see when real servers die, hang or lose the network: `make chaos` runs it and writes the table."""
