"""ELF files read as the dynamic loader reads them. Nothing is loaded or run."""
