# mypy: ignore-errors
# ruff: noqa: N805, RUF012 - spyne makes classes of its own from these
"""A calculator on spyne: document/literal wrapped, SOAP 1.1 or 1.2, checked against its schema. Run by .servers/spyne."""

import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from spyne import Application, ServiceBase, rpc
from spyne.error import Fault
from spyne.model.binary import ByteArray
from spyne.model.complex import Array, ComplexModel, XmlAttribute
from spyne.model.enum import Enum
from spyne.model.primitive import Date, DateTime, Decimal, Duration, Integer, Long, Unicode
from spyne.protocol.soap import Soap11, Soap12
from spyne.server.wsgi import WsgiApplication

NAMESPACE = "urn:spyne:calc"
Colour = Enum("RED", "BLUE", type_name="Colour")


class Item(ComplexModel):
    __namespace__ = NAMESPACE
    _type_info = [
        ("id", Long(min_occurs=1)),
        ("price", Decimal(total_digits=20, fraction_digits=4, min_occurs=1)),
        ("day", Date),
        ("at", DateTime),
        ("lasts", Duration),
        ("colour", Colour),
        ("raw", ByteArray),
        ("tags", Unicode(max_len=5).customize(max_occurs="unbounded")),
        ("unit", XmlAttribute(Unicode)),
    ]


class Calc(ServiceBase):
    @rpc(Decimal, Decimal, _returns=Decimal)
    def add(_ctx, a, b):
        """Add two numbers."""
        return a + b

    @rpc(Item, _returns=Item)
    def mirror(_ctx, item):
        return item

    @rpc(Array(Item), _returns=Array(Item))
    def mirrors(_ctx, items):
        return items

    @rpc(Integer(ge=0, le=10), _returns=Unicode)
    def checked(_ctx, n):
        return "fine"

    @rpc(Unicode)
    def refuse(_ctx, code):
        raise Fault(f"Client.{code}", "it said no")


def main(port: int, version: str) -> None:
    protocol = {"1.1": Soap11, "1.2": Soap12}[version]
    application = Application(
        [Calc], NAMESPACE, name="calc", in_protocol=protocol(validator="lxml"), out_protocol=protocol()
    )

    class Server(ThreadingMixIn, WSGIServer):
        daemon_threads = True

    class Quiet(WSGIRequestHandler):
        def log_message(self, *words: object) -> None:
            pass

    with make_server("127.0.0.1", port, WsgiApplication(application), Server, Quiet) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
