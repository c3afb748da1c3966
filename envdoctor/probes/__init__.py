"""Probes find facts and never judge. One subject a file: `NEEDS` names the areas it reads, `probe` returns its own."""
