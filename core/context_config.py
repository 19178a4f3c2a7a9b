"""How much of the context is kept."""

from __future__ import annotations

from pydantic import Field

from .strict import Strict


class ContextConfig(Strict):
    """Limits of the documents that runs and agents share, and of what they were before."""

    document_bytes: int = Field(1_000_000, ge=1000, le=16_000_000, description="The largest document.")
    scope_bytes: int = Field(50_000_000, ge=1000, description="All documents of a scope together, as they are now.")
    versions: int = Field(
        50, ge=0, le=10_000, description="Versions that are kept of each document, beside the newest."
    )
    versions_d: float = Field(30, ge=0, description="Days after which an older version is removed.")
