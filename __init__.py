"""Safe, fast, durable access for agents and modern code to systems that cannot be replaced."""

__version__ = "0.1.0"
