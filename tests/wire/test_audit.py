"""The audit on a state that many processes share."""

import threading

import pytest

from drawbar.core.audit.audit import Audit
from drawbar.core.audit.chain import Signer
from drawbar.core.audit.walk import Wanted, page, verify
from drawbar.core.store import events
from drawbar.core.store.journal import Journal

SIGNER = Signer(b"a key of a test")
pytestmark = pytest.mark.wire("postgres")


@pytest.fixture
def opened(postgres):
    url = postgres.create_database()
    journals = [Journal.open(url, migrate=True) for _ in range(3)]
    yield journals
    for journal in journals:
        journal.close()


def test_processes_that_write_at_once_each_have_a_sound_chain(opened):
    """Commits of one process pass each other; its chain's order is its own."""
    audits = [Audit(journal, lambda: SIGNER) for journal in opened]

    def work(journal, audit, name):
        for number in range(20):
            audit.note("call", name, "sys.look", "done", effect="read", call=str(number))
            row = audit.row("call", name, "sys.pay", "done", effect="write", call=str(number))
            journal.write(lambda conn, row=row: audit.write(conn, row))
            said = {"name": "sys", "by": name, "reason": "because"}
            journal.write(lambda conn, said=said: events.add(conn, "hold.set", body=said))

    threads = [
        threading.Thread(target=work, args=(journal, audit, f"p{number}-{thread}"))
        for number, (journal, audit) in enumerate(zip(opened, audits, strict=True))
        for thread in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for audit in audits:
        audit.close()

    found = verify(opened[0], SIGNER)
    assert (found.is_sound, found.chains, found.entries, found.unlinked) == (True, 3, 3 * 3 * 60, 0), found.gaps
    held = page(opened[0], Wanted(what="hold.set"), limit=1000)[0]
    assert len(held) == 3 * 3 * 20
    assert {one["about"]["reason"] for one in held} == {"because"}


def test_a_unit_that_fails_leaves_no_entry(opened):
    audit = Audit(opened[0], lambda: SIGNER)

    def unit(conn):
        audit.write(conn, audit.row("call", "me", "sys.pay", "done"))
        raise ValueError("gone")

    with pytest.raises(ValueError, match="gone"):
        opened[0].write(unit)
    audit.close()

    assert verify(opened[0], SIGNER).entries == 0
