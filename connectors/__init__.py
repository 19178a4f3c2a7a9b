"""
The wires. Connector = wire, Adapter = meaning.

A connector is an open, pooled line to one system with a few verbs that return plain data. It never retries.
"""
