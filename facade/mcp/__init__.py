"""MCP: tools for agents, over streamable HTTP and stdio, without sessions."""

from .http import Mcp
from .stdio import serve_stdio

__all__ = ["Mcp", "serve_stdio"]
