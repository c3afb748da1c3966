"""The ops of each library, one module a library."""
