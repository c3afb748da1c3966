"""The check API, the selection of checks, the folding of causes, and the report."""
