"""What was done is written down, and who changes what is written is found out."""

import hmac
import json
import sqlite3
import time

import pytest
from scripted import ME, OTHER, House

from drawbar.core.audit import audit as audits
from drawbar.core.audit import key as audit_key
from drawbar.core.audit.audit import Audit
from drawbar.core.audit.chain import Signer
from drawbar.core.audit.seal import cut_chain, seal
from drawbar.core.audit.walk import Wanted, page, verify
from drawbar.core.errors import InputError, Rejected, Unavailable
from drawbar.core.store.journal import _Ticket
from drawbar.core.witness import Witness

SIGNER = Signer(b"a key of a test")
WRITES = {
    "do": {"tool": "sys.pay", "with": {"order": "${{ input.order }}"}},
    "look": {"tool": "sys.look", "needs": ["do"]},
}


def fails(arguments):
    raise Rejected("no")


@pytest.fixture
def house(tmp_path):
    functions = {
        "pay": ("write", lambda arguments: {"paid": True}),
        "look": ("read", lambda arguments: {"rows": []}),
        "fail": ("write", fails),
    }
    bad = {"tasks": {"fail": {"tool": "sys.fail", "retry": {"attempts": 1}}}}
    house = House(tmp_path, functions, {"pay": {"tasks": WRITES}, "bad": bad})
    house.audit = Audit(house.journal, lambda: SIGNER)
    house.guard.witness = Witness(house.audit)
    with house:
        yield house
        house.audit.close()


def call(house, tool, arguments, caller=ME):
    return house.guard.call(house.guard.prepare(tool, arguments, caller))


def settled(house):
    """Write and link everything that was collected."""
    house.audit.beat()
    house.audit.beat()
    return house


def entries(house, **wanted):
    return page(settled(house).journal, Wanted(**wanted), limit=1000)[0]


def broken(house, *statements):
    """Do to the database what somebody with a text editor could, and see what is found."""
    settled(house)
    assert verify(house.journal, SIGNER).is_sound
    with sqlite3.connect(house.journal.path, timeout=20) as database:
        for statement in statements:
            assert database.execute(statement).rowcount > 0, statement
    return verify(house.journal, SIGNER)


def test_a_writes_entry_is_in_its_outcomes_commit(house):
    """Whoever sees the outcome sees the entry: no moment between them can be lost."""
    answer = call(house, "sys.pay", {"order": 7})

    with house.journal.read() as conn:
        states = conn.exec_driver_sql("SELECT state FROM ledger").scalars().all()
        bodies = conn.exec_driver_sql("SELECT body FROM audit_blocks").scalars().all()

    assert states == ["done"]
    [[_, kind, who, what, effect, outcome, call_id, *_]] = json.loads(bodies[0])
    assert (kind, who, what, effect, outcome, call_id) == ("call", ME.name, "sys.pay", "write", "done", answer.id)


def test_an_outcome_that_is_not_recorded_has_no_entry(house, monkeypatch):
    def breaks(*args, **named):
        raise Unavailable("the journal is away")

    monkeypatch.setattr(house.guard, "conclude", breaks)

    call(house, "sys.pay", {"order": 7})

    with house.journal.read() as conn:
        assert conn.exec_driver_sql("SELECT count(*) FROM audit_blocks").scalar() == 0


def test_reads_are_written_within_a_second_and_wait_for_nothing(house, monkeypatch):
    units = []
    write = house.journal.write
    monkeypatch.setattr(house.journal, "write", lambda unit: units.append(unit) or write(unit))

    call(house, "sys.look", {})
    in_the_call = len(units)
    until = time.monotonic() + 60
    while not (found := page(house.journal, Wanted(what="sys.look"))[0]) and time.monotonic() < until:
        time.sleep(0.02)

    assert in_the_call == 0
    assert found[0]["outcome"] == "done"


def test_a_run_a_refusal_and_a_verb_are_told_with_who_and_why(house):
    run = house.run("pay", {"order": 1})
    with pytest.raises(InputError):
        house.guard.prepare("sys.nothing", {"a": 1}, OTHER)
    with pytest.raises(Rejected):
        call(house, "sys.fail", {})
    failed = house.run("bad")
    house.engine.retry(failed.id, caller=OTHER, reason="once more")

    found = entries(house)

    seen = [(one["kind"], one["who"], one["what"], one["outcome"]) for one in found]
    assert ("call", OTHER.name, "sys.nothing", "refused") in seen
    assert ("call", ME.name, "sys.fail", "rejected") in seen
    retried = next(one for one in found if one["what"] == "run.retried")
    assert (retried["who"], retried["run"], retried["about"]["reason"]) == (OTHER.name, failed.id, "once more")
    assert {one["what"] for one in entries(house, run=run.id, kind="call")} == {"sys.pay", "sys.look"}


def test_what_is_sound_is_found_sound(house):
    for order in range(3):
        call(house, "sys.pay", {"order": order})
        call(house, "sys.look", {"order": order})
    settled(house)

    found = verify(house.journal, SIGNER)

    assert found.is_sound, found.gaps
    assert (found.entries, found.chains, found.unlinked) == (6, 1, 0)
    assert found.seals == 1


@pytest.fixture
def written(house):
    for order in range(5):
        call(house, "sys.pay", {"order": order})
        settled(house)
    return house


@pytest.mark.parametrize(
    ("said", "statements"),
    [
        ("entry 2 (", ["UPDATE audit_blocks SET body = replace(body, 'done', 'rejected') WHERE no = 2"]),
        ("entry 4", ["UPDATE audit_blocks SET payload = replace(payload, '3', '9') WHERE no = 4"]),
        ("entries 3 to 3 are missing", ["DELETE FROM audit_blocks WHERE no = 3"]),
        ("entries 4 to 5 are missing at its end", ["DELETE FROM audit_blocks WHERE no > 3"]),
        (
            "its row was changed",
            [
                "DELETE FROM audit_blocks WHERE no > 3",
                "UPDATE audit_chains SET entries = 3, link = (SELECT link FROM audit_blocks WHERE no = 3)",
            ],
        ),
        (
            "does not follow",
            [
                "UPDATE audit_blocks SET no = 99 WHERE no = 2",
                "UPDATE audit_blocks SET no = 2 WHERE no = 3",
                "UPDATE audit_blocks SET no = 3 WHERE no = 99",
            ],
        ),
        (
            "was changed",
            ["UPDATE audit_blocks SET payload = (SELECT payload FROM audit_blocks WHERE no = 1) WHERE no = 2"],
        ),
        ("what is told of entry 2", ["UPDATE audit_blocks SET payload = '[\"erased:00\"]' WHERE no = 2"]),
        ("the newest were taken away", ["DELETE FROM audit_chains", "DELETE FROM audit_blocks"]),
        ("there were seals", ["DELETE FROM audit_seals"]),
        ("seal 1 of", ["UPDATE audit_seals SET body = replace(body, ',', ', ')"]),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_what_was_tampered_with_is_named(written, said, statements):
    found = broken(written, *statements)

    assert not found.is_sound
    assert any(said in gap for gap in found.gaps), found.gaps


def test_the_end_that_was_cut_off_cannot_be_hidden_behind_an_old_head(written):
    """A row of the chain as it stood before is as it was signed; the seal remembers that there was more."""
    with sqlite3.connect(written.journal.path) as database:
        [before] = database.execute("SELECT entries, link, digest FROM audit_chains").fetchall()
    call(written, "sys.pay", {"order": 9})
    settled(written)
    written.journal.write(lambda conn: seal(conn, SIGNER, "2999-01-01", 0))

    with sqlite3.connect(written.journal.path, timeout=20) as database:
        database.execute("DELETE FROM audit_blocks WHERE no = 6")
        database.execute("UPDATE audit_chains SET entries = ?, link = ?, digest = ?", before)
    found = verify(written.journal, SIGNER)

    assert any("had 6 entries on 2999-01-01, and now it has 5" in gap for gap in found.gaps), found.gaps


@pytest.mark.parametrize("together", [False, True], ids=["alone", "in one commit"])
def test_what_is_undone_leaves_no_gap(house, together):
    """A unit that fails takes its entry back, and the next one takes that place, in the same commit too."""

    def entry(number):
        return house.audit.row("verb", "me", "try", "done", payload={"number": number})

    def fails_after(conn):
        house.audit.write(conn, entry(2))
        raise Rejected("no")

    def all_of_them(conn):
        house.audit.write(conn, entry(1))
        writer = house.journal._writer
        for unit in (fails_after, lambda conn: house.audit.write(conn, entry(3))):
            writer._run(conn.connection.driver_connection, _Ticket(unit))

    if together:
        house.journal.write(all_of_them)
    else:
        house.journal.write(lambda conn: house.audit.write(conn, entry(1)))
        with pytest.raises(Rejected):
            house.journal.write(fails_after)
        house.journal.write(lambda conn: house.audit.write(conn, entry(3)))

    assert [one["about"]["number"] for one in entries(house)] == [3, 1]
    found = verify(house.journal, SIGNER)
    assert (found.is_sound, found.entries) == (True, 2), found.gaps


def test_what_the_row_of_a_chain_does_not_sign_yet_is_sound(written):
    call(written, "sys.pay", {"order": 9})

    found = verify(written.journal, SIGNER)

    assert found.is_sound, found.gaps
    assert found.entries == 6
    assert found.unlinked in {0, 1}  # the beat may have come in between


def test_an_end_that_is_cut_off_under_a_live_process_is_missed(written):
    """Its next entry does not take the place of what is gone."""
    with sqlite3.connect(written.journal.path, timeout=20) as database:
        database.execute("DELETE FROM audit_blocks WHERE no > 3")

    call(written, "sys.pay", {"order": 9})

    found = verify(settled(written).journal, SIGNER)
    assert any("entries 4 to 5 are missing" in gap for gap in found.gaps), found.gaps


def test_another_key_verifies_nothing(written):
    found = verify(written.journal, Signer(b"another"))

    assert not found.is_sound
    assert "was signed with the key" in found.strange[0]


def test_what_a_dead_process_left_is_linked_by_another(house, monkeypatch):
    call(house, "sys.pay", {"order": 1})  # and it dies before it links anything
    other = Audit(house.journal, lambda: SIGNER)
    monkeypatch.setattr(audits, "_LEFT_S", -1.0)

    other.beat()

    found = verify(house.journal, SIGNER)
    assert (found.is_sound, found.unlinked, found.entries) == (True, 0, 1)
    other.close()


def test_while_the_journal_is_away_a_bounded_number_waits_and_the_rest_is_counted(house, monkeypatch):
    monkeypatch.setattr(audits, "KEPT", 10)
    away = pytest.MonkeyPatch()
    away.setattr(house.journal, "write", lambda unit: (_ for _ in ()).throw(Unavailable("away")))

    for order in range(25):
        call(house, "sys.look", {"order": order})
    with pytest.raises(Unavailable):
        house.audit.beat()
    away.undo()

    lost = sum(one["about"]["entries"] for one in entries(house, what="lost"))
    orders = [one["about"]["arguments"]["order"] for one in entries(house, what="sys.look")]
    assert lost + len(orders) == 25
    assert 10 <= len(orders) <= 20
    assert orders[:9] == list(range(24, 15, -1))


def test_what_is_noted_while_the_log_is_written_waits_for_the_next_beat(house, monkeypatch):
    """Each round would write the few entries of the last one, and wait for the disk again."""
    write, noted = house.journal.write, []

    def noting(unit):
        if len(noted) < 50:
            noted.append(house.audit.note("call", "bob", "sys.look", "done"))
        return write(unit)

    monkeypatch.setattr(house.journal, "write", noting)
    house.audit.note("call", "bob", "sys.look", "done")

    house.audit.beat()

    assert house.audit.waiting


def test_pages_follow_each_other_without_a_gap(house):
    for order in range(7):
        call(house, "sys.look" if order % 2 else "sys.pay", {"order": order})
    settled(house)

    seen, after = [], None
    while True:
        found, after = page(house.journal, Wanted(), after=after, limit=2)
        seen += [one["id"] for one in found]
        if after is None:
            break

    assert len(seen) == len(set(seen)) == 7


def test_a_flood_of_wrong_keys_is_a_few_entries(house):
    for _ in range(500):
        house.audit.refused_login("192.0.2.7", InputError("this key opens nothing", reason="unauthenticated"))

    assert len(entries(house, kind="login")) == 1


def test_what_is_too_old_goes_and_is_no_gap(house):
    for order in range(3):
        call(house, "sys.pay", {"order": order})
        settled(house)
    with sqlite3.connect(house.journal.path, timeout=20) as database:
        [[third]] = database.execute("SELECT id FROM audit_blocks WHERE no = 3").fetchall()

    house.journal.write(lambda conn: cut_chain(conn, SIGNER, house.audit._origin, third))
    call(house, "sys.pay", {"order": 4})
    settled(house)

    found = verify(house.journal, SIGNER)
    assert (found.is_sound, found.cut, found.entries) == (True, 2, 2), found.gaps


def test_a_process_that_works_by_changed_files_says_so_once(house, tmp_path):
    file = tmp_path / "drawbar.yaml"
    for text in ("version: 1", "version: 1", "version: 1 # mine"):
        file.write_text(text)
        house.audit.configured([file], by="cli:root")

    told = entries(house, what="config.changed")

    assert len(told) == 2
    assert len({one["about"]["sha256"] for one in told}) == 2
    assert {one["who"] for one in told} == {"cli:root"}


def test_what_is_secret_or_personal_is_not_told(house, monkeypatch):
    """Neither what a tool declares, nor a secret of the configuration wherever it turns up."""
    monkeypatch.setattr(house.audit, "_scrub", lambda value: _without(value, "hunter22"))
    house.audit.note(
        "call",
        "me",
        "sys.look",
        "rejected",
        payload={"arguments": {"pin": "47-11", "who": {"name": "Ann"}}, "error": {"message": "no: hunter22"}},
        hidden=("pin", "who.name"),
    )
    with pytest.raises(InputError):
        house.guard.prepare("sys.nothing", {"password": "hunter22"}, ME)

    [row] = [one for one in entries(house) if one["what"] == "sys.look"]

    assert row["about"]["arguments"] == {"pin": "***", "who": {"name": "***"}}
    with house.journal.read() as conn:
        everything = str(conn.exec_driver_sql("SELECT * FROM audit_blocks").all())
    assert not any(secret in everything for secret in ("47-11", "Ann", "hunter22"))


def _without(value, secret):
    return json.loads(json.dumps(value).replace(secret, "***"))


def test_the_key_that_signs_goes_with_a_backup_and_comes_back_with_it(tmp_path):
    kept, backup = tmp_path / "drawbar.db.audit-key", tmp_path / "night.bak"
    kept.write_text("of the night")

    beside = audit_key.back_up(kept, backup)
    kept.write_text("of the day")
    restored = audit_key.restore(kept, backup)

    assert restored == kept
    assert kept.read_text() == "of the night"
    assert [one.read_text() for one in tmp_path.glob("*before-restore*")] == ["of the day"]
    assert {one.stat().st_mode & 0o777 for one in (kept, beside)} == {0o600}


def test_a_state_whose_key_is_no_file_is_backed_up_without_one(tmp_path):
    assert audit_key.back_up(tmp_path / "none", tmp_path / "night.bak") is None
    assert audit_key.restore(tmp_path / "none", tmp_path / "night.bak") is None


@pytest.mark.parametrize("length", [1, 15, 64, 65, 200])
def test_a_signature_is_the_hmac_of_rfc_2104(length):
    key = bytes(range(length))
    assert Signer(key).sign("block", "ä", 7) == hmac.digest(key, '["block","ä",7]'.encode(), "sha256").hex()
