"""A served feed whose files have a deadline: it is told once, beside one whose file came, until the file is there."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from receiver import Receiver
from servers.drawbar import Serving
from servers.process import folder

CONFIG = """\
notify: [ {{ on: [file_late], to: {{ webhook: "{url}" }} }} ]
adapters:
  drop:
    kind: local
    root: ./inbox
    feeds:
      orders: {{ pattern: "*.csv", ready: {{ stable_s: 0 }}, expected: {{ by: "{by}" }}, format: {{ kind: csv, columns: {{ id: integer }} }} }}
      prices: {{ pattern: "*.txt", ready: {{ stable_s: 0 }}, expected: {{ by: "{by}" }}, format: {{ kind: csv }} }}
  house: {{ kind: local, root: ./house, feeds: {{ orders: {{ pattern: "*.csv", format: {{ kind: csv }} }} }} }}
syncs:
  load:
    from: {{ adapter: drop, feed: orders }}
    to: {{ adapter: house, feed: orders, name: "${{{{ file.name }}}}" }}
    triggers: [ {{ adapter: drop, feed: orders }} ]
"""


def waited(true, seconds):
    until = time.monotonic() + seconds
    while not (found := true()) and time.monotonic() < until:
        time.sleep(0.3)
    return found


@pytest.mark.slow
def test_a_file_that_does_not_come_by_its_hour_is_told_once_while_drawbar_serves():
    at, desk = folder("late"), Receiver()
    for name in ("inbox", "house"):
        (at / name).mkdir()
    now = datetime.now(UTC)
    by = now + timedelta(seconds=45)
    by = by.replace(second=0) + timedelta(minutes=by.second > 0)
    try:
        with Serving(CONFIG.format(url=desk.url, by=f"{by:%H:%M}"), at=at) as service:
            (at / "inbox/prices.txt").write_text("id\n1\n")
            said = waited(lambda: list(desk.taken), (by - now).total_seconds() + 60)
            late = service.ask("GET", "/status").json()
            (at / "inbox/orders.csv").write_text("id\n7\n")
            came = waited((at / "house/orders.csv").exists, 60)
            after = service.ask("GET", "/status").json()
            time.sleep(1)
    finally:
        desk.close()

    assert datetime.now(UTC) > by and "drop.prices" not in str(late)
    assert [(one["on"], one["what"]) for one in said] == [("file_late", "drop.orders")]
    assert f"nothing has come for drop.orders by {by:%Y-%m-%d %H:%M} UTC" in said[0]["message"]
    assert [one["feed"] for one in late["late_files"]] == ["drop.orders"]
    assert came and after["late_files"] == [] and len(desk.taken) == 1
