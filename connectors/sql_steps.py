"""How long one step of a sync may take at a database: a page, a batch, a comparison of keys."""

STEP_S = 600.0

BUILD_S = 3600.0
"""How long a database may take for one index that it builds behind a load."""
