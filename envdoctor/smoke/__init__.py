"""Op tests: the compiled ops of a target run in its own interpreter and are compared with references."""
