"""Compatibility tables with a source in every row, and typed access to them."""
