"""What the two billing servers have in common: their files, their control URLs, and starting them."""

import json
import re
import subprocess
import urllib.request
from pathlib import Path
from typing import Any, Literal, Self

from . import process

WSDL = process.ROOT / "testing" / "data" / "billing.wsdl"
HERE = Path(__file__).parent / "billing"

Do = Literal[
    "accept_duplicates",
    "client_fault",
    "delay",
    "drop",
    "empty",
    "garbage",
    "html",
    "http",
    "server_fault",
    "truncate",
]


class BillingService(process.Private):
    """
    One private billing service.

    Invoice ids are `INV-<orderId>`; a second CreateInvoice of an order is the fault ERR-017; a negative amount is the
    polite answer rc 8; an unknown invoice is the fault ERR-404.
    """

    def __init__(self, name: str) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self.port = process.free_port()
        self.home = process.folder(name)
        self.log = self.home / f"{name}.log"
        self.wsdl_file = self.home / "billing.wsdl"

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/billing"

    @property
    def wsdl(self) -> str:
        return f"{self.url}?wsdl"

    def start(self) -> Self:
        text = WSDL.read_text()
        self.wsdl_file.write_text(re.sub(r'(<soap:address location=")[^"]*', rf"\g<1>{self.url}", text))
        self._process = self._launch()
        process.wait_until(lambda: process.answers(self.port), self._process, self.log, 120)
        return self

    def stop(self) -> None:
        process.stop(self._process, timeout_s=5)
        self._process = None

    def behave(
        self,
        do: Do,
        *,
        operation: str = "CreateInvoice",
        order_id: int | None = None,
        times: int | None = None,
        after: bool = False,
        seconds: float = 0,
        status: int = 503,
        code: str = "ERR-017",
        text: str = "scripted",
        headers: dict[str, str] | None = None,
    ) -> None:
        """
        Misbehave from now on, or `times` calls long, for one order or all; the oldest rule that fits counts.

        With `after` the work is done first: the invoice exists and the caller is not told. `drop` closes the
        connection without an answer, `truncate` in the middle of one, `delay` answers properly after `seconds`,
        `http` answers `status` with `headers`, `accept_duplicates` makes a second invoice for an order.
        """
        rule = {"do": do, "operation": operation, "order_id": None if order_id is None else str(order_id)}
        effect = {"times": times, "after": after, "seconds": seconds, "status": status}
        self._control("rules", {**rule, **effect, "code": code, "text": text, "headers": headers or {}})

    def reset(self) -> None:
        """Forget invoices, counts and misbehaviour; a service that is down has nothing to forget."""
        if self._process is not None:
            self._control("reset", {})

    def created(self) -> int:
        """Count the invoices that exist, cancelled ones too."""
        return int(self._control("count")["created"])

    def received(self, operation: str = "CreateInvoice") -> int:
        """Count the calls of an operation that arrived, whatever came of them."""
        return int(self._control("count")["received"].get(operation, 0))

    def invoices(self) -> list[dict[str, Any]]:
        """List the invoices: id, orderId, amount, status, customer, note; numbers as the text that arrived."""
        return list(self._control("invoices"))

    def cancels(self) -> dict[str, int]:
        """Count the cancellations that were worked off, by invoice (node-soap only)."""
        return dict(self._control("cancels"))

    def headers(self) -> list[dict[str, str]]:
        """List the HTTP headers of each SOAP call, names in lower case."""
        return list(self._control("headers"))

    def _launch(self) -> subprocess.Popen[bytes]:
        raise NotImplementedError

    def _control(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{self.host}:{self.port}/{path}", data, timeout=60) as answer:
            return json.load(answer)
