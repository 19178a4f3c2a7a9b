"""The command line."""

from .loading import begins, without

begins()
with without("rich"):  # with it, structlog would load 60 modules, and show the local variables of whoever failed
    import structlog as _  # noqa: F401

from .entry import main  # noqa: E402 - it loads nearly everything

__all__ = ["main"]
