"""What a broker's no means."""

from __future__ import annotations

import pytest
from pika.exceptions import ChannelClosedByBroker

from drawbar.connectors.amqp import Endpoint, refused
from drawbar.core.errors import Rejected, Unavailable


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("NOT_FOUND - no queue 'in' in vhost '/'", Rejected),
        ("NOT_FOUND - home node 'a@b' of durable queue 'in' in vhost '/' is down or inaccessible", Unavailable),
    ],
)
def test_a_queue_whose_node_is_down_is_not_one_that_is_missing(text, kind):
    assert type(refused(Endpoint("amqp://u:p@h/"), ChannelClosedByBroker(404, text))) is kind
