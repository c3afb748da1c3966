"""A command whose output passes through untouched while a copy of it is kept."""
