"""MCP: tools for agents, without sessions; over streamable HTTP here, over stdio in stdio.py."""

from .http import Mcp

__all__ = ["Mcp"]
