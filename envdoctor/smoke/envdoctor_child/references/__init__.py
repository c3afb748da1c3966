"""References of the ops, in plain Python from the definitions. Each names its source."""
