"""The configuration of a running landscape."""

from __future__ import annotations

from fastapi import APIRouter, Response

from ..core.errors import ConfigError
from .documents import says
from .exchange import Asked
from .idempotency import Route
from .problems import sent_by_caller
from .shapes import Reloaded

router = APIRouter(tags=["operation"], route_class=Route)


@router.post("/config/reload", **says("reloadConfig", "Read the configuration again", {200: Reloaded}, errors=[422]))
async def reload(asked: Asked) -> Response:
    """
    Take the files over as a whole, in every process of this state; with any mistake in them nothing changes.

    `restart` names what differs and waits for a restart.
    """

    def do() -> dict[str, list[str]]:
        try:
            return asked.app.reload(caller=asked.caller).as_json()
        except ConfigError as error:
            raise sent_by_caller(error) from error

    return asked.answer(await asked.do(do))
