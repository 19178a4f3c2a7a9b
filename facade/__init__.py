"""REST and live events: the only place that knows HTTP."""

from .server import listen, serve, url_of

__all__ = ["listen", "serve", "url_of"]
