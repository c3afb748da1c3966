"""The recipe API, steps, the overlay, the journal, undo and verification."""
