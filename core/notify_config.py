"""How the configuration spells who is told."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr
from pydantic_core import PydanticCustomError

from .strict import Strict

On = Literal["parked", "failed", "waiting", "file_late", "drift", "held", "disk"]


def is_web(url: SecretStr) -> SecretStr:
    """Refuse what is no URL without saying it: it may hold a token."""
    said = url.get_secret_value()
    try:
        parts = urlsplit(said)
        is_fine = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_fine = False
    if said and not (is_fine and said.isprintable() and " " not in said):
        raise PydanticCustomError("webhook", "a webhook is an http or https URL; empty switches it off")
    return url


class Target(Strict):
    """Where a notice goes."""

    webhook: Annotated[SecretStr, AfterValidator(is_web)] = Field(description="URL that gets a POST; empty: nobody.")


class Notify(Strict):
    """Who is told of what."""

    on: list[On] = Field(
        min_length=1,
        description="parked: a write whose outcome nobody knows; waiting: an approval or an assignment; failed: a run, a sync, a trigger or a schedule; file_late: nothing came by a feed's deadline; drift: columns of a sync's source came, went or changed; held; disk.",
    )
    to: Target
    again_after_h: float = Field(
        1, gt=0, le=8760, description="The same matter again only after so many hours, with how often it happened."
    )
