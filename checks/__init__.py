"""What must hold: one area a file."""
