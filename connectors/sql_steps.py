"""How long one step of a sync may take at a database: a page, a batch, a comparison of keys."""

STEP_S = 600.0
