"""The wire to DNS: the addresses of a name, and the places of a service (SRV, RFC 2782)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import dns.exception
import dns.resolver

from ..core.endpoints_config import server_of
from ..core.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Service:
    """One SRV record, with the addresses of its target."""

    priority: int
    weight: int
    port: int
    addresses: list[str]


def addresses(name: str, server: str | None, timeout_s: float) -> list[str]:
    """Give the IPv4 and IPv6 addresses of a name. Raises Unavailable."""
    with _explained(name):
        return sorted(_resolver(server, timeout_s).resolve_name(name, lifetime=timeout_s).addresses())


def services(name: str, server: str | None, timeout_s: float) -> list[Service]:
    """Give the places of a service that have addresses. Raises Unavailable, also when none of them has."""
    resolver = _resolver(server, timeout_s)
    with _explained(name):
        answer = resolver.resolve(name, "SRV", lifetime=timeout_s)
    found, trouble = [], None
    for record in answer:
        target = record.target.to_text(omit_final_dot=True)
        if target in {"", "."}:
            continue  # the service is decidedly not there
        try:
            found.append(Service(record.priority, record.weight, record.port, addresses(target, server, timeout_s)))
        except Unavailable as error:
            trouble = error
    if not found:
        raise trouble or Unavailable(f"DNS says that {name} is offered nowhere")
    return found


@contextmanager
def _explained(name: str) -> Iterator[None]:
    try:
        yield
    except dns.resolver.NXDOMAIN:
        raise Unavailable(f"DNS knows no {name}") from None
    except dns.resolver.NoAnswer:
        raise Unavailable(f"DNS has nothing of this kind under {name}") from None
    except dns.exception.Timeout:
        raise Unavailable(f"DNS did not answer in time for {name}") from None
    except (dns.exception.DNSException, OSError) as error:
        raise Unavailable(f"DNS cannot be asked for {name}: {str(error) or type(error).__name__}") from error


def _resolver(server: str | None, timeout_s: float) -> dns.resolver.Resolver:
    try:
        resolver = dns.resolver.Resolver(configure=server is None)
    except dns.resolver.NoResolverConfiguration as error:
        raise Unavailable("this machine names no DNS server", next="endpoints.resolver names one") from error
    if server is not None:
        host, port = server_of(server)
        resolver.nameservers = [host]
        resolver.port = port
    resolver.timeout = min(2.0, timeout_s)
    resolver.lifetime = timeout_s
    resolver.cache = None  # we look rarely ourselves, and a change must be seen then
    return resolver
