"""
The meanings. Connector = wire, Adapter = meaning.

An adapter is a configured system, by name, and the tools, sources, sinks and triggers that it offers.
"""
