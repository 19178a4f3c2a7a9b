"""The ways of a sync whose memory is measured: what each needs, made of a table of so many rows."""

import csv
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
from _sync_yard import COLUMNS, TYPES, Yard, to_csv

Read = {"ready": {"min_age_s": 0}}
CSV = {"kind": "csv", "null": "\\N"}
NAMES = COLUMNS.split(", ")


@dataclass(frozen=True)
class Job:
    """One run, and what is expected of it; `first` are names of syncs that run before it in a service of their own."""

    adapters: Mapping[str, Any]
    syncs: Mapping[str, Any]
    written: int
    rejected: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    first: Sequence[str] = ()
    between: Callable[[], None] = lambda: None
    is_copy: bool = False
    """What is written is what was read, row for row."""


def table(yard: Yard, table: str, rows: int, **more: Any) -> Job:
    """From one table of PostgreSQL into another."""
    to = {"adapter": "b", "table": "dst", "mode": more.pop("mode", "replace")}
    adapters = {"a": yard.database(table), "b": yard.database("dst", "customers")}
    source = {"adapter": "a", "table": table, **more.pop("source", {})}
    return Job(adapters, {"s": {"from": source, "to": {**to, **more.pop("to", {})}, **more}}, rows, is_copy=True)


def looked_up(yard: Yard, name: str, rows: int) -> Job:
    yard.run("drop table if exists customers", "create table customers (number integer primary key, label text)", "insert into customers select n, 'label ' || n from generate_series(0, 10006) n")  # fmt: skip
    fields = {**{one: f"${{{{ row.{one} }}}}" for one in NAMES}, "name": "${{ lookup.customer.label }}"}
    lookups = {"customer": {"adapter": "b", "table": "customers", "key": {"number": "${{ row.customer }}"}, "columns": ["label"]}}  # fmt: skip
    return replace(table(yard, name, rows, lookups=lookups, map=fields), is_copy=False)


def computed(yard: Yard, name: str, rows: int) -> Job:
    fields = {one: f"${{{{ row.{one} }}}}" for one in NAMES}
    made = {**fields, "tax": "${{ row.amount * decimal('0.19') }}"}
    return replace(table(yard, name, rows, map=made), is_copy=False)


def dry(yard: Yard, name: str, rows: int) -> Job:
    return replace(table(yard, name, rows), options={"dry_run": True}, is_copy=False)


def drifted(yard: Yard, name: str, rows: int) -> Job:
    """The source has a column more than the target."""
    yard.run("drop table if exists drifted", f"create table drifted as select *, name as alias from {name}", "alter table drifted add primary key (id)")  # fmt: skip
    return replace(table(yard, "drifted", rows, on_drift="ignore"), is_copy=False)


def deleted(yard: Yard, name: str, rows: int) -> Job:
    """Of the target's rows one in twenty is gone from the source, and spread over all of its keys."""
    yard.run(f"insert into dst select * from {name}", f"insert into dst select id + 100000000, customer, quantity, amount, tax, rate, ordered, created, changed, name, note, paid from {name} where id % 20 = 0")  # fmt: skip
    return table(yard, name, rows, mode="upsert", deletes={})


def file_in(
    yard: Yard, name: str, rows: int, *, make: Callable[[Yard, str, Path], int], form: Mapping[str, Any], **more: Any
) -> Job:
    """From a file of a feed into a table; `make` writes the file and says how many of its records are wrong."""
    inbox = yard.fresh_folder("in")
    wrong = make(yard, name, inbox / "rows.in")
    local = {"kind": "local", "root": str(inbox), "feeds": {"rows": {"pattern": "*.in", "format": form, **Read}}}
    to = {"adapter": "b", "table": "dst", "mode": more.pop("mode", "insert"), **more.pop("to", {})}
    again = {"options": {"resubmit": True}, "first": ["s"], "between": partial(corrected, yard)}
    if resubmits := more.pop("resubmits", False):
        more["rejects"] = {**more["rejects"], "to": str(yard.fresh_folder("rejects"))}
    return Job(
        {"files": local, "b": yard.database("dst")},
        {"s": {"from": {"adapter": "files", "feed": "rows"}, "to": to, **more}},
        wrong if resubmits else rows - wrong, 0 if resubmits else wrong, **(again if resubmits else {}),
    )  # fmt: skip


def corrected(yard: Yard) -> None:
    """Give every record in the reject files the amount that it lacks."""
    for path in (yard.folder / "rejects" / "s").glob("*.jsonl"):
        made = path.with_suffix(".made")
        with path.open() as lines, made.open("w") as out:
            for line in lines:
                said = json.loads(line)
                (text,) = csv.reader([said["text"]])
                said["row"] = {one: None if part == "\\N" else part for one, part in zip(NAMES, text, strict=True)} | {"amount": "1"}  # fmt: skip
                out.write(json.dumps(said) + "\n")
        made.replace(path)


def lines(query: str, yard: Yard, name: str, path: Path, *, head: str = "", foot: str = "") -> int:
    """Write what a query prints, a line a row."""
    said = f"copy ({query.format(name)}) to stdout (format csv, quote e'\\x01', delimiter e'\\x02')"
    with psycopg.connect(yard.url) as line, path.open("wb") as out, line.cursor().copy(said) as rows:  # type: ignore[arg-type]
        out.write(head.encode())
        out.writelines(map(bytes, rows))
        out.write(foot.encode())
    return 0


def csv_file(yard: Yard, name: str, path: Path) -> int:
    to_csv(yard, name, path)
    return 0


def gzipped(yard: Yard, name: str, path: Path) -> int:
    import gzip

    plain = path.with_suffix(".plain")
    to_csv(yard, name, plain)
    with plain.open("rb") as source, gzip.open(path, "wb", 1) as out:
        while part := source.read(1 << 20):
            out.write(part)
    plain.unlink()
    return 0


def spoilt(yard: Yard, name: str, path: Path, *, each: int = 33) -> int:
    """Write CSV in which one amount in so many is none."""
    said = COLUMNS.replace("amount", f"case when id % {each} = 0 then 'none' else amount::text end")
    said = said.replace(", note,", ", replace(replace(note, e'\\n', ' '), '\"', ' '),")  # fmt: skip
    query = f"copy (select {said}::text from {name}) to stdout (format csv, null '\\N')"
    with psycopg.connect(yard.url) as line, path.open("wb") as out, line.cursor().copy(query) as rows:  # type: ignore[arg-type]
        out.write((",".join(NAMES) + "\n").encode())
        out.writelines(map(bytes, rows))
    return int(yard.one(f"select count(*) from {name} where id % {each} = 0")[0])


def parquet(yard: Yard, name: str, path: Path) -> int:
    import pyarrow as pa
    import pyarrow.csv
    from pyarrow import parquet

    plain = path.with_suffix(".plain")
    to_csv(yard, name, plain)
    types = {
        "id": pa.int64(), "customer": pa.int32(), "quantity": pa.int16(), "amount": pa.decimal128(12, 2), "tax": pa.decimal128(14, 4),
        "rate": pa.float64(), "ordered": pa.date32(), "created": pa.timestamp("us"), "changed": pa.timestamp("us"),
        "name": pa.string(), "note": pa.string(), "paid": pa.bool_(),
    }  # fmt: skip
    convert = pa.csv.ConvertOptions(column_types=types, null_values=["\\N"], strings_can_be_null=True, quoted_strings_can_be_null=False, true_values=["true"], false_values=["false"])  # fmt: skip
    parse = pa.csv.ParseOptions(newlines_in_values=True)
    with pa.csv.open_csv(plain, parse_options=parse, convert_options=convert) as read, parquet.ParquetWriter(path, read.schema) as out:  # fmt: skip
        held: list[Any] = []
        for batch in read:
            held.append(batch)
            if sum(one.num_rows for one in held) >= 65536:
                out.write_table(pa.Table.from_batches(held))
                held = []
        if held:
            out.write_table(pa.Table.from_batches(held))
    plain.unlink()
    return 0


JSON = "select row_to_json(t) from {} t"
XML = "select concat('<r><id>', id, '</id><customer>', customer, '</customer><amount>', amount, '</amount><changed>', to_char(changed, 'YYYY-MM-DD\"T\"HH24:MI:SS.US'), '</changed><name>', name, '</name></r>') from {}"
XML_COLUMNS = {"id": "integer", "customer": "integer", "amount": {"type": "decimal", "scale": 2}, "changed": "datetime", "name": "string"}  # fmt: skip
FIXED = "select concat(lpad(id::text, 12), lpad(customer::text, 10), lpad(amount::text, 14), to_char(changed, 'YYYY-MM-DD HH24:MI:SS'), rpad(name, 40)) from {}"
FIXED_COLUMNS = [
    {"name": "id", "start": 1, "length": 12, "type": "integer"}, {"name": "customer", "start": 13, "length": 10, "type": "integer"},
    {"name": "amount", "start": 23, "length": 14, "type": "decimal", "scale": 2},
    {"name": "changed", "start": 37, "length": 19, "type": "datetime", "date": "%Y-%m-%d %H:%M:%S"}, {"name": "name", "start": 56, "length": 40},
]  # fmt: skip


def sqlite_file(yard: Yard, name: str, path: Path) -> None:
    line = sqlite3.connect(path)
    line.execute(f"create table src ({TYPES})")
    if name:
        said = "id, customer, quantity, amount::float8, tax::float8, rate, ordered::text, created::text, changed::text, name, note, paid::int"
        with psycopg.connect(yard.url) as source, source.cursor("rows") as rows:
            rows.itersize = 5000
            rows.execute(f"select {said} from {name}")  # type: ignore[call-overload]
            line.executemany(f"insert into src values ({', '.join('?' * 12)})", rows)
    line.commit()
    line.close()


def from_sqlite(yard: Yard, name: str, rows: int) -> Job:
    path = yard.fresh_folder("in") / "rows.db"
    sqlite_file(yard, name, path)
    adapters = {"a": {"kind": "sql", "url": f"sqlite:///{path}", "tables": {"src": {}}}, "b": yard.database("dst")}
    return Job(adapters, {"s": {"from": {"adapter": "a", "table": "src"}, "to": {"adapter": "b", "table": "dst", "mode": "replace"}}}, rows, is_copy=True)  # fmt: skip


def to_sqlite(yard: Yard, name: str, rows: int) -> Job:
    path = yard.fresh_folder("in") / "rows.db"
    sqlite_file(yard, "", path)
    adapters = {"a": yard.database(name), "b": {"kind": "sql", "url": f"sqlite:///{path}", "tables": {"src": {}}}}
    return Job(adapters, {"s": {"from": {"adapter": "a", "table": name}, "to": {"adapter": "b", "table": "src", "mode": "replace"}}}, rows)  # fmt: skip


def file_out(yard: Yard, name: str, rows: int, *, form: Mapping[str, Any], **more: Any) -> Job:
    drop = yard.fresh_folder("in")
    local = {"kind": "local", "root": str(drop), "feeds": {"rows": {"pattern": "*.out", "format": form, **Read}}}
    source = {"adapter": "a", "table": name}
    return Job({"a": yard.database(name), "files": local}, {"s": {"from": source, "to": {"adapter": "files", "feed": "rows"}, **more}}, rows)  # fmt: skip


def _mariadb(yard: Yard, name: str, rows: int, *, back: bool) -> Job:
    import pymysql

    given = {
        "host": "127.0.0.1",
        "port": yard.mariadb.port,
        "user": "drawbar",
        "password": "drawbar",
        "database": "test",
    }
    types = (
        TYPES.replace("timestamp", "datetime(6)").replace("double precision", "double").replace("numeric", "decimal")
    )
    with pymysql.connect(**given) as line, line.cursor() as cursor:
        for one in ("src", "drawbar_sync", "dst") if not back else ("drawbar_sync", "src"):
            cursor.execute(f"drop table if exists {one}")
        for one in ("src",):
            cursor.execute(f"create table {one} ({types})")
        line.commit()
        if back:
            with psycopg.connect(yard.url) as source, source.cursor("rows") as read:
                read.itersize = 5000
                read.execute(f"select {COLUMNS} from {name}")  # type: ignore[call-overload]
                while part := list(islice(read, 5000)):
                    cursor.executemany(f"insert into src values ({', '.join(['%s'] * 12)})", part)
            line.commit()
    other = {"kind": "sql", "url": yard.mariadb.url, "call_timeout_s": 300, "tables": {"src": {}}}
    one, source_table, two, target = ("m", "src", "b", "dst") if back else ("a", name, "m", "src")
    adapters = {"m": other, "a": yard.database(name), "b": yard.database("dst")}
    return Job(adapters, {"s": {"from": {"adapter": one, "table": source_table}, "to": {"adapter": two, "table": target, "mode": "replace"}}}, rows)  # fmt: skip


def queued(yard: Yard, name: str, rows: int, *, back: bool) -> Job:
    url = yard.rabbitmq.make_vhost()
    broker = {
        "kind": "amqp",
        "url": url,
        "publish": {"rows": {"routing_key": "rows"}},
        "consume": {"rows": {"queue": "rows"}},
    }
    import pika

    with pika.BlockingConnection(pika.URLParameters(url)) as line:
        line.channel().queue_declare("rows", durable=True)
    adapters = {"a": yard.database(name), "b": yard.database("dst"), "q": broker}
    body = {one: f"${{{{ message.body.{one} }}}}" for one in NAMES}
    syncs = {
        "s": {"from": {"adapter": "a", "table": name, "cursor": {"column": "changed", "tie_breaker": "id"}}, "to": {"adapter": "q", "publish": "rows"}},
        "t": {"from": {"adapter": "q", "consume": "rows"}, "map": body, "to": {"adapter": "b", "table": "dst", "mode": "upsert"}},
    }  # fmt: skip
    return (
        Job(adapters, {**syncs, "s": syncs["t"], "p": syncs["s"]}, rows, first=["p"])
        if back
        else Job(adapters, syncs, rows)
    )


csv_in = partial(file_in, make=csv_file, form=CSV)
REJECTS = {"max_share": 1}
PATHS: Mapping[str, Callable[[Yard, str, int], Job]] = {
    "PostgreSQL to PostgreSQL": table,
    "PostgreSQL to PostgreSQL, upsert": partial(table, mode="upsert"),
    "PostgreSQL to PostgreSQL, cursor": partial(
        table, mode="upsert", source={"cursor": {"column": "changed", "tie_breaker": "id"}}
    ),
    "PostgreSQL to PostgreSQL, expression": computed,
    "PostgreSQL to PostgreSQL, lookup": looked_up,
    "PostgreSQL to PostgreSQL, JSON Schema": partial(
        table, schema={"type": "object", "properties": {"name": {"type": "string"}}}
    ),
    "PostgreSQL to PostgreSQL, deletes": deleted,
    "PostgreSQL to PostgreSQL, drift": drifted,
    "PostgreSQL to PostgreSQL, totals": partial(table, totals=[{"sum": "amount"}]),
    "PostgreSQL to PostgreSQL, totals of an upsert": partial(table, mode="upsert", totals=[{"sum": "amount"}]),
    "PostgreSQL to PostgreSQL, partitions": partial(table, mode="upsert", partitions={"parallel": 4}),
    "PostgreSQL to PostgreSQL, batched": partial(table, mode="upsert", to={"load": "batched"}),
    "PostgreSQL to PostgreSQL, dry run": dry,
    "CSV to PostgreSQL": csv_in,
    "CSV to PostgreSQL, replace": partial(csv_in, mode="replace"),
    "CSV to PostgreSQL, upsert": partial(csv_in, mode="upsert"),
    "CSV to PostgreSQL, batched": partial(csv_in, to={"load": "batched"}),
    "CSV to PostgreSQL, 3 % rejects": partial(file_in, make=spoilt, form=CSV, rejects=REJECTS),
    "CSV to PostgreSQL, all rejects": partial(file_in, make=partial(spoilt, each=1), form=CSV, rejects=REJECTS),
    "CSV to PostgreSQL, resubmit": partial(
        file_in, make=partial(spoilt, each=2), form=CSV, rejects=REJECTS, resubmits=True
    ),
    "CSV to PostgreSQL, gzip": partial(file_in, make=gzipped, form={**CSV, "compression": "gzip"}),
    "JSON lines to PostgreSQL": partial(file_in, make=partial(lines, JSON), form={"kind": "jsonl"}),
    "XML to PostgreSQL": partial(
        file_in,
        make=partial(lines, XML, head="<all>", foot="</all>"),
        form={"kind": "xml", "record": "r", "columns": XML_COLUMNS},
    ),
    "fixed width to PostgreSQL": partial(
        file_in, make=partial(lines, FIXED), form={"kind": "fixed", "fields": FIXED_COLUMNS}
    ),
    "Parquet to PostgreSQL": partial(file_in, make=parquet, form={"kind": "parquet"}),
    "SQLite to PostgreSQL": from_sqlite,
    "PostgreSQL to SQLite": to_sqlite,
    "PostgreSQL to CSV": partial(file_out, form={**CSV, "datetimes": "sql"}),
    "PostgreSQL to CSV, by column": partial(file_out, form=CSV),
    "PostgreSQL to JSON lines": partial(file_out, form={"kind": "jsonl"}),
    "PostgreSQL to Parquet": partial(file_out, form={"kind": "parquet"}),
    "PostgreSQL to MariaDB": partial(_mariadb, back=False),
    "MariaDB to PostgreSQL": partial(_mariadb, back=True),
    "PostgreSQL to queue": partial(queued, back=False),
    "queue to PostgreSQL": partial(queued, back=True),
}
