"""Rows that are given more before they are written: rows of another table, answers of a service, a schema to fit."""

import json
from pathlib import Path
from typing import Any

import pytest
from syncing import execute, rows

from drawbar.cli import main

LANDSCAPE = """\
version: 1
adapters:
  erp: {{ kind: sql, url: "{url}", tables: {{ orders: {{}}, customers: {{}}, billed: {{}}, invoices: {{}} }} }}
  billing: {{ kind: soap, wsdl: "{wsdl}", effects: {{ FindInvoice: read, GetInvoice: read }}, budget: {{ concurrency: 2 }} }}
syncs:
  bill:
    from: {{ adapter: erp, table: orders }}
    where: "${{{{ row.id < 90 }}}}"
    lookups:
      customer: {{ adapter: erp, table: customers, key: {{ id: "${{{{ row.customer }}}}" }}, columns: [name, town] }}
    calls:
      invoice: {{ tool: billing.FindInvoice, with: {{ orderId: "${{{{ row.number }}}}" }} }}
    to: {{ adapter: erp, table: billed, mode: upsert }}
    map:
      id: "${{{{ row.id }}}}"
      name: "${{{{ lookup.customer.name }}}}"
      invoice: "${{{{ size(called.invoice.invoices) == 0 ? 'none' : called.invoice.invoices[0].id }}}}"
    schema: {{ type: object, properties: {{ name: {{ type: string, maxLength: 8 }} }} }}
    rejects: {{ max_count: 5 }}
  invoices:
    from:
      adapter: billing
      operation: FindInvoice
      with: {{ orderId: "${{{{ page }}}}" }}
      rows: "${{{{ result.invoices }}}}"
    to: {{ adapter: erp, table: invoices, mode: upsert }}
    map: {{ id: "${{{{ row.id }}}}", amount: "${{{{ row.amount }}}}" }}
  all:
    from: {{ adapter: billing, operation: FindInvoice, with: {{ orderId: "${{{{ page }}}}" }}, rows: "${{{{ result.invoices }}}}" }}
    to: {{ adapter: erp, table: invoices, mode: replace }}
    map: {{ id: "${{{{ row.id }}}}", amount: "${{{{ row.amount }}}}" }}
"""


@pytest.fixture
def landscape(pg_url: str, soap_node: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    execute(
        pg_url,
        "create table orders (id integer primary key, customer integer, number integer)",
        "create table customers (id integer primary key, name text, town text)",
        "create table billed (id integer primary key, name text, invoice text)",
        "create table invoices (id text primary key, amount numeric(12,2))",
        "insert into customers values (1, 'Ada', 'Ulm'), (2, 'a name too long', 'Bonn')",
        "insert into orders select n, 1, mod(n, 3) + 1 from generate_series(1, 20) n",
        "insert into orders values (30, 2, 1), (40, 77, 1), (95, 77, 1)",
    )
    (tmp_path / "drawbar.yaml").write_text(LANDSCAPE.format(url=pg_url, wsdl=soap_node.wsdl))

    def drawbar(*words: str, code: int = 0) -> Any:
        capsys.readouterr()
        ended = main(["-c", str(tmp_path / "drawbar.yaml"), "--json", *words])
        out = capsys.readouterr()
        assert ended == code, (ended, out.out, out.err)
        return json.loads(out.out)

    drawbar.url, drawbar.billing = pg_url, soap_node  # type: ignore[attr-defined]
    for order in (1, 2, 3):
        drawbar(
            "call",
            "billing.CreateInvoice",
            "--input",
            json.dumps({"orderId": order, "customer": "Ada", "amount": f"{order}.50"}),
        )
    return drawbar


def test_a_row_gets_the_row_of_another_table_and_the_answer_of_a_service(landscape: Any) -> None:
    done = landscape("sync", "bill")

    assert (done["read"], done["written"], done["rejected"], done["filtered"]) == (23, 20, 2, 1)
    found = rows(landscape.url, "select name, invoice, count(*) from billed group by 1, 2 order by 2")
    assert [(name, invoice) for name, invoice, _ in found] == [("Ada", "INV-1"), ("Ada", "INV-2"), ("Ada", "INV-3")]
    assert landscape.billing.received("FindInvoice") == 3  # each distinct question once
    rejects = [json.loads(line)["reason"] for line in Path(done["files"][0]["rejects"]).read_text().splitlines()]
    assert any("8 characters" in one or "longer than 8" in one for one in rejects), rejects
    assert "lookup customer: nothing has id 77" in rejects


def test_an_operation_is_read_page_by_page(landscape: Any) -> None:
    done = landscape("sync", "invoices")

    assert (done["written"], len(done["files"])) == (3, 3)
    assert [(one, str(amount)) for one, amount in rows(landscape.url, "select * from invoices order by id")] == [
        ("INV-1", "1.50"), ("INV-2", "2.50"), ("INV-3", "3.50"),
    ]  # fmt: skip


def test_all_pages_of_an_operation_together_replace_a_table(landscape: Any) -> None:
    """Page by page, each would replace the one before."""
    execute(landscape.url, "insert into invoices values ('old', 1)")

    would = landscape("sync", "all", "--dry-run")["would"]
    done = landscape("sync", "all")

    assert (would["inserted"], would["deleted"]) == (3, 1)
    assert (done["read"], done["written"]) == (3, 3)
    assert rows(landscape.url, "select id from invoices order by id") == [("INV-1",), ("INV-2",), ("INV-3",)]


def test_a_service_that_is_away_fails_the_run_and_changes_nothing(landscape: Any) -> None:
    landscape.billing.behave("http", operation="FindInvoice", status=503)

    said = landscape("sync", "bill", code=4)

    assert "503" in json.dumps(said) and rows(landscape.url, "select count(*) from billed") == [(0,)]


def test_names_that_lead_nowhere_are_found_by_validate(landscape: Any, tmp_path: Path) -> None:
    text = (tmp_path / "drawbar.yaml").read_text()
    (tmp_path / "drawbar.yaml").write_text(
        text.replace("table: customers", "table: customer")
        .replace("operation: FindInvoice", "operation: FindInvoices")
    )  # fmt: skip

    said = json.dumps(landscape("validate", code=2))

    assert "no table 'customer'" in said


def test_what_only_the_systems_know_of_lookups_and_effects_is_found_by_validate(landscape: Any, tmp_path: Path) -> None:
    text = (tmp_path / "drawbar.yaml").read_text()
    wrong = text.replace("columns: [name, town]", "columns: [name, city]").replace(
        'operation: FindInvoice, with: { orderId: "${{ page }}" }', "operation: CreateInvoice"
    )
    more = """\
  written: { from: { adapter: erp, table: orders }, to: { adapter: billing, operation: GetInvoice, key: [id] } }
  parted: { from: { adapter: erp, table: orders }, to: { adapter: erp, table: billed, mode: upsert }, partitions: { by: number } }
"""
    (tmp_path / "drawbar.yaml").write_text(wrong + more)

    said = json.dumps(landscape("validate", code=2))

    assert "lookup customer: customers has no column 'city'" in said
    assert "billing.CreateInvoice has the effect write" in said
    assert "billing.GetInvoice only reads" in said
    assert "orders.number may be null" in said


def test_what_is_looked_up_keeps_its_type_whatever_the_way_to_the_target(
    pg_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Several batches of a table, by a key of two columns, unchanged and in expressions, with rows that find nothing."""
    execute(
        pg_url,
        "create table sold (id integer primary key, article text, day date)",
        "create table prices (article text, day date, price numeric(20,6), since timestamptz, note text, primary key (article, day))",
        "create table told (id integer primary key, price numeric(20,6), since timestamptz, note text, said text)",
        "insert into prices select 'a' || mod(n, 30), date '2026-01-01' + n / 30, n / 8.0, timestamptz '2026-01-01 00:00+02' + n * interval '1 us', case when mod(n, 4) = 0 then '' when mod(n, 4) > 1 then 'n' || n end from generate_series(0, 899) n",
        "insert into sold select n, 'a' || mod(n, 31), date '2026-01-01' + mod(n, 29) from generate_series(1, 2500) n",
    )
    fields = {one: f"${{{{ lookup.price.{one} }}}}" for one in ("price", "since", "note")}
    said = "${{ lookup.price.note == null ? 'none' : string(row.id) + lookup.price.note }}"
    key = {"article": "${{ row.article }}", "day": "${{ row.day }}"}
    sync = {
        "from": {"adapter": "db", "table": "sold"},
        "where": "${{ row.id > 10 }}",
        "lookups": {"price": {"adapter": "db", "table": "prices", "key": key, "columns": list(fields)}},
        "to": {"adapter": "db", "table": "told", "mode": "replace"},
        "map": {"id": "${{ row.id }}", **fields, "said": said},
        "rejects": {"max_share": 0.1},
    }
    tables: dict[str, Any] = {"sold": {}, "prices": {}, "told": {}}
    landscape = {"adapters": {"db": {"kind": "sql", "url": pg_url, "tables": tables}}, "syncs": {"tell": sync}}
    (tmp_path / "drawbar.yaml").write_text(json.dumps({"version": 1, **landscape}))

    assert main(["-c", str(tmp_path / "drawbar.yaml"), "--json", "sync", "tell"]) == 0

    done = json.loads(capsys.readouterr().out)
    joined = "select id, price, since, note, case when note is null then 'none' else id || note end from sold join prices using (article, day) where id > 10"
    assert rows(pg_url, f"select count(*) from ({joined} except all select * from told) t") == [(0,)]
    assert rows(pg_url, "select count(*) from told") == [(done["written"],)]
    assert (done["filtered"], done["rejected"], done["read"]) == (10, 80, 2500)
    reject = json.loads(Path(done["files"][0]["rejects"]).read_text().splitlines()[0])
    assert (reject["record_no"], reject["reason"]) == (30, "lookup price: nothing has article a30, day 2026-01-02")
