"""How the configuration spells for how long history is kept."""

from __future__ import annotations

from pydantic import Field

from .strict import Strict


class History(Strict):
    """For how many days what is over is kept. What is open, and what nobody knows the outcome of, is never removed."""

    runs_d: int = Field(30, ge=1, le=36_500, description="Runs that ended, with tasks and events; runs of syncs.")
    dead_d: int = Field(180, ge=1, le=36_500, description="Dead letters that were settled.")
    rejects_d: int = Field(90, ge=1, le=36_500, description="Reject files of syncs.")
    audit_d: int = Field(3650, ge=1, le=36_500, description="What people did, and why.")
