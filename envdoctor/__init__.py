"""Says why a build of compiled detection ops fails, before it does."""

__version__ = "0.1.0"
