"""The same SOAP call by FastAPI over plain zeep, as most would write it; the service's address stands in `SOAP_URL`."""

import os
from pathlib import Path

import zeep
from fastapi import FastAPI
from pydantic import BaseModel
from zeep.helpers import serialize_object

WSDL = Path(__file__).resolve().parent.parent / "testing" / "data" / "billing.wsdl"
app = FastAPI()
service = zeep.Client(str(WSDL)).create_service("{urn:drawbar:billing}BillingSoap", os.environ["SOAP_URL"])


class Invoice(BaseModel):
    id: str
    orderId: int  # noqa: N815 - the service's own name
    amount: str
    status: str


class Found(BaseModel):
    invoices: list[Invoice]


class Order(BaseModel):
    orderId: int  # noqa: N815 - the service's own name


@app.get("/health/ready")
def ready() -> None: ...


@app.post("/call")
def find(order: Order) -> Found:
    found = serialize_object(service.FindInvoice(orderId=order.orderId), dict)
    rows = found["invoices"] if isinstance(found, dict) else found
    return Found(invoices=[Invoice(**{**each, "amount": str(each["amount"])}) for each in rows])
