"""How a call gets a client and gives it back; the only folder that holds the pool's lock."""
