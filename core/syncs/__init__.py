"""Syncs: batches from any source into any target, each with one effect."""
