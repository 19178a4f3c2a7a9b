"""How the configuration spells what is kept aside."""

from __future__ import annotations

from pydantic import Field

from .strict import Strict


class ClaimsConfig(Strict):
    """What becomes of large values: inputs, outputs, items, answers, what is to be sent. A row holds a claim; expressions see all of it."""

    over_bytes: int = Field(
        65536, ge=1024, le=2**30, description="A value of more bytes (as JSON) is kept aside, once."
    )
    keep_d: int = Field(
        7, ge=1, le=36_500, description="For how many days after its run ended; never longer than the run itself."
    )
