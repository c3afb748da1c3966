"""How to make it hold: one recipe a file."""
