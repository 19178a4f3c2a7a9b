"""The audit: a chain of signed entries, and the reading of it."""
