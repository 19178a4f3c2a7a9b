"""Adapters on a broker, as tests open and call them."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from drawbar.adapters.amqp import AmqpAdapter
from drawbar.core.adapter import Place
from drawbar.core.tool import Call


@contextmanager
def opening(folder: Path) -> Iterator[Callable[..., AmqpAdapter]]:
    """Give what opens adapters by their configuration; all of them are closed at the end."""
    with ExitStack() as stack:

        def open_adapter(url: str, **config: Any) -> AmqpAdapter:
            said = {"kind": "amqp", "url": url, "heartbeat_s": 2, "connect_timeout_s": 3, **config}
            made = AmqpAdapter("events", AmqpAdapter.Config.model_validate(said), Place(folder, folder / "state"))
            return stack.enter_context(closing(made))

        yield open_adapter


def run(adapter: AmqpAdapter, name: str, timeout_s: float = 20, **arguments: Any) -> Any:
    tool = next(one for one in adapter.tools() if one.name == name)
    return tool.run(arguments, Call(f"call-{uuid4().hex}", "test", time.monotonic() + timeout_s))
