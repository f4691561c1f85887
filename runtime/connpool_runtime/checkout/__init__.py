"""How a call gets a client and gives it back; the only folder that takes the pool's lock."""
