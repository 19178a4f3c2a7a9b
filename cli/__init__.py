"""The command line."""

import gc

# What is loaded stays: looking for garbage among it again and again is a tenth of the time to start.
gc.set_threshold(50_000, 20, 100)

from .entry import main  # noqa: E402 - it loads nearly everything

__all__ = ["main"]
