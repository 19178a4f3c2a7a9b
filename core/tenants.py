"""
Tenants: one adapter whose system is another one for each of them.

Its tools have one name for all callers; behind it stands a system for each tenant, named `adapter@tenant`, with a budget,
breakers, holds, keys and ledger entries of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .adapter import AdapterConfig

OF = "@"
SHARED = ("kind", "tools", "queue", "tenants")
"""What all tenants have in common."""


def systems_of(name: str, config: AdapterConfig) -> dict[str, AdapterConfig]:
    """Name the systems of an adapter, each with its own configuration."""
    if not config.tenants:
        return {name: config}
    return {f"{name}{OF}{tenant}": own for tenant, own in config.tenants.items()}


def merged(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Say of a system what its tenant says, and otherwise what is common; objects are merged, lists are not."""
    said = dict(common)
    for key, value in own.items():
        before = said.get(key)
        said[key] = merged(before, value) if isinstance(before, Mapping) and isinstance(value, Mapping) else value
    return said
