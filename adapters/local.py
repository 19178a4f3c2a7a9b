"""Adapter = meaning: a folder of this machine as a file drop."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from ..connectors.drop import Drop
from .feeds import DropAdapter, FeedsConfig


class LocalConfig(FeedsConfig):
    """A folder of this machine."""

    kind: Literal["local"] = Field("local", description="A folder of this machine.")
    root: Path = Field(description="The folder, relative to the configuration. Nothing outside of it is reached.")


class LocalAdapter(DropAdapter[LocalConfig]):
    kind = "local"
    Config: ClassVar[type[LocalConfig]] = LocalConfig

    def open_drop(self) -> Drop:
        from ..connectors.local import LocalDrop

        return LocalDrop(self.place.base / self.config.root)
