"""YAML in, checked models out."""
