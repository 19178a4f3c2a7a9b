"""The journal: the tables, and the one way to write them."""
