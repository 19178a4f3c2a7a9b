"""The billing service of the demo and of the tests, as scripts for the SOAP stand-in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .soap import Answer, SoapFault

WSDL = Path(__file__).parent / "data" / "billing.wsdl"


class Billing:
    """
    Keep invoices in memory.

    The invoice of order 7 is `INV-7`; a second one of the same order is the fault ERR-017, a negative amount the
    polite answer rc 8, an unknown invoice the fault ERR-404.
    """

    def __init__(self) -> None:
        self.invoices: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    @property
    def answers(self) -> Mapping[str, Callable[[dict[str, Any]], Answer]]:
        return {
            "CreateInvoice": self.create,
            "GetInvoice": self.get,
            "FindInvoice": self.find,
            "CancelInvoice": self.cancel,
        }

    def create(self, arguments: dict[str, Any]) -> Answer:
        order, amount = arguments["orderId"], arguments["amount"]
        if amount < 0:
            return {"rc": 8, "text": f"amount {amount} is negative"}
        invoice = {"id": f"INV-{order}", "orderId": order, "amount": amount, "status": "OPEN"}
        with self._lock:
            if invoice["id"] in self.invoices:
                raise fault("ERR-017", f"order {order} has invoice {invoice['id']}")
            self.invoices[invoice["id"]] = invoice
        return {"invoiceId": invoice["id"], "rc": 0, "text": "created"}

    def get(self, arguments: dict[str, Any]) -> Answer:
        invoice = self.invoices.get(arguments["invoiceId"])
        if invoice is None:
            raise fault("ERR-404", f"no invoice {arguments['invoiceId']}")
        return {"invoice": invoice}

    def find(self, arguments: dict[str, Any]) -> Answer:
        with self._lock:
            return {"invoices": [one for one in self.invoices.values() if one["orderId"] == arguments["orderId"]]}

    def cancel(self, arguments: dict[str, Any]) -> Answer:
        with self._lock:
            invoice = self.invoices.get(arguments["invoiceId"])
            done = invoice is not None and invoice["status"] != "CANCELLED"
            if invoice is not None:
                invoice["status"] = "CANCELLED"
        return {"done": done}


def fault(code: str, text: str, side: str = "Client") -> SoapFault:
    return SoapFault(side, text, {"code": code, "text": text})
