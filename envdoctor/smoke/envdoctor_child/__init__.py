"""The side of `envdoctor smoke` that runs inside the target: CPython 2.7 to 3.14, standard library only."""
