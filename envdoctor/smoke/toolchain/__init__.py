"""The toolchain itself: a few lines compiled, linked, loaded and run as the project's own build will do it."""

from envdoctor.smoke.toolchain.run import NEEDS, run_toolchain

__all__ = ["NEEDS", "run_toolchain"]
