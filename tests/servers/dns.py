"""A DNS server on loopback that answers what a test puts into its zone, or nothing at all."""

import socket
import threading
from typing import Self

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

LOOK_S = 0.05


class DnsServer:
    """
    Answer over UDP from `zone`, which has texts of records by name and type: `{("a.test", "A"): ["127.0.0.1"]}`.

    A name that is not there is NXDOMAIN; while it is `silent` nobody is answered.
    """

    host = "127.0.0.1"

    def __init__(self) -> None:
        self.zone: dict[tuple[str, str], list[str]] = {}
        self.silent = False
        self.asked: list[tuple[str, str]] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((self.host, 0))
        self._socket.settimeout(LOOK_S)
        self.port: int = self._socket.getsockname()[1]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="dns", daemon=True)

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                data, peer = self._socket.recvfrom(4096)
            except TimeoutError:
                continue
            query = dns.message.from_wire(data)
            if not self.silent:
                self._socket.sendto(self._answer(query).to_wire(), peer)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        (question,) = query.question
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        records = self.zone.get((name, kind))
        if records:
            response.answer.append(dns.rrset.from_text(question.name, 1, "IN", kind, *records))
        elif not any(known == name for known, _ in self.zone):
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response
