"""
For tests of landscapes and of adapters.

Stand-ins for a SOAP service, an SFTP server, an AMQP broker and a model, as threads on loopback ports; and the suite for
adapters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..core.adapter import Adapter

Given = Mapping[str, Any] | Callable[..., Mapping[str, Any]]


def conformance(
    adapter: type[Adapter[Any]], *, config: Given, dead: Given | None = None, needs: Sequence[str] = ()
) -> type:
    """
    Give the whole suite for an adapter as a class that pytest collects: `TestOurs = conformance(OurAdapter, config={...})`.

    `config` is the adapter's part of the YAML, for a system that answers, with `examples` for its read tools; or a function
    that gives it, whose parameters are fixtures. `dead` is the same with an address where nobody answers (the fixture
    `closed_port` gives one); without it nothing is tested of a system that is away. `needs` names the wire libraries that
    must load only on first use. pytest must be installed.
    """
    import pytest

    pytest.register_assert_rewrite(f"{__name__}.suite", f"{__name__}.suite_present")
    from .suite import Suite
    from .suite_present import Present

    given = {"kind": adapter, "live_config": config, "dead_config": dead, "needs": tuple(needs)}
    said = {
        name: staticmethod(value) if name.endswith("_config") and callable(value) else value
        for name, value in given.items()
    }
    return type(f"Test{adapter.__name__}", (Present if dead is None else Suite,), said)
