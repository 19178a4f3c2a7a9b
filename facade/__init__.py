"""REST and live events: the only place that knows HTTP."""

from .server import serve

__all__ = ["serve"]
