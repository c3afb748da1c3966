"""Reading the output of a failed build or import."""
