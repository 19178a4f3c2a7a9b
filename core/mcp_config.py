"""How the configuration spells what clients of MCP meet."""

from __future__ import annotations

from pydantic import Field

from .strict import Strict


class McpConfig(Strict):
    """What clients of MCP meet."""

    max_tools: int = Field(
        100,
        ge=1,
        le=10_000,
        description="An agent with more tools finds them by search: every tool of a list costs a model's attention at every step.",
    )
    max_result_bytes: int = Field(
        24_576, ge=1024, le=2**24, description="A longer result is cut after a row, and goes on by its `next`."
    )
