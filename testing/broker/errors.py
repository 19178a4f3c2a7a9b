"""What a broker refuses, and whether the channel or the whole connection ends with it."""

from __future__ import annotations


class Refused(Exception):
    """A reply code and text of AMQP 0-9-1, worded as RabbitMQ words them."""

    def __init__(self, code: int, text: str, *, ends_connection: bool = False) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.ends_connection = ends_connection


def no_queue(name: str) -> Refused:
    return Refused(404, f"NOT_FOUND - no queue '{name}' in vhost '/'")


def no_exchange(name: str) -> Refused:
    return Refused(404, f"NOT_FOUND - no exchange '{name}' in vhost '/'")


def unequal(argument: str, what: str, received: object, current: object) -> Refused:
    return Refused(
        406,
        f"PRECONDITION_FAILED - inequivalent arg '{argument}' for {what} in vhost '/': "
        f"received '{received}' but current is '{current}'",
    )
