"""What callers see when real servers die, hang or lose the network; `make chaos` writes the table."""
