"""Peers of `sync.py`, each run by the interpreter of its own environment: `_sync_peers.py NAME JSON`; prints seconds."""

import json
import os
import sys
import time
from pathlib import Path


def duckdb(source: str, target: str, sql: str, extensions: list[str]) -> float:
    import duckdb

    line = duckdb.connect()
    for name in extensions:
        package = __import__(f"duckdb_extension_{name}")
        line.execute(f"load '{next(Path(package.__file__).parent.rglob('*.duckdb_extension'))}'")
    if source:
        line.execute(f"attach '{source}' as source (type {'sqlite' if source.endswith('.db') else 'postgres'})")
    line.execute(f"attach '{target}' as target (type postgres)")
    began = time.perf_counter()
    line.execute(sql)
    return time.perf_counter() - began


def dlt(source: str, target: str, table: str, mode: str, into: str) -> float:
    import dlt as library
    from dlt.sources.sql_database import sql_table

    os.environ["RUNTIME__LOG_LEVEL"] = "CRITICAL"
    began = time.perf_counter()
    pipeline = library.pipeline(
        f"p{os.getpid()}",
        destination=library.destinations.postgres(target),
        dataset_name=into,
        pipelines_dir=f"/tmp/dlt{os.getpid()}",
    )
    rows = sql_table(source, table=table, backend="pyarrow", chunk_size=50_000, reflection_level="full_with_precision")
    rows.apply_hints(primary_key="id")
    rows.table_name = "dst"
    pipeline.run(rows, write_disposition=mode, loader_file_format="parquet")
    return time.perf_counter() - began


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](**json.loads(sys.argv[2]))))
