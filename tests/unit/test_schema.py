"""A journal is the same whether it was made or migrated."""

import pytest
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect

from drawbar.core.store import migrations, upgrade
from drawbar.core.store.tables import SERVES_FROM, VERSION, metadata


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.wire("postgres"))])
def urls(request, tmp_path):
    """Two empty databases."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/made.db", f"sqlite:///{tmp_path}/migrated.db"
    postgres = request.getfixturevalue("postgres")
    return postgres.create_database(), postgres.create_database()


def engine_on(url, build):
    engine = create_engine(url)
    with engine.begin() as conn:
        build(conn)
    return engine


def by_revisions(conn):
    from alembic import command

    command.upgrade(migrations._config(migrations.written(), connection=conn), migrations.revision(VERSION))


def missing(conn):
    """Write down the revision's lines that would make its schema that of the metadata."""
    context = MigrationContext.configure(conn, opts={"compare_type": True, "compare_server_default": True})
    lines = render_python_code(produce_migrations(context, metadata).upgrade_ops).splitlines()
    return "\n".join(line.strip() for line in lines if "# ###" not in line)


def shape(engine):
    """Everything that the database says of its tables."""
    found = inspect(engine)
    with engine.connect() as conn:
        indexes = _indexes(conn)
    return {
        name: {
            "columns": {
                one["name"]: (str(one["type"]), one["nullable"], one["default"], one.get("autoincrement"))
                for one in found.get_columns(name)
            },
            "key": found.get_pk_constraint(name)["constrained_columns"],
            "unique": sorted(map(str, (one["column_names"] for one in found.get_unique_constraints(name)))),
            "checks": found.get_check_constraints(name),
            "foreign": found.get_foreign_keys(name),
            "indexes": indexes.get(name, {}),
        }
        for name in found.get_table_names()
    }


def _indexes(conn):
    query = (
        "select tbl_name, name, sql from sqlite_master where type = 'index'"
        if conn.dialect.name == "sqlite"
        else "select tablename, indexname, indexdef from pg_indexes where schemaname = 'public'"
    )
    found = {}
    for table, name, text in conn.exec_driver_sql(query):
        found.setdefault(table, {})[name] = text
    return found


def test_the_revisions_make_what_the_program_makes(urls):
    made, migrated = engine_on(urls[0], upgrade.make), engine_on(urls[1], by_revisions)

    with migrated.connect() as conn:
        assert missing(conn) == "pass", f"core/store/migrations/versions/v{VERSION:04}.py lacks:\n{missing(conn)}"
        assert upgrade.found(conn) == (VERSION, SERVES_FROM)
    one, other = shape(migrated), shape(made)
    assert one.keys() == other.keys()
    for table in one:
        assert (table, one[table]) == (table, other[table])
    made.dispose()
    migrated.dispose()


def test_each_version_has_its_revision_and_they_are_one_line():
    revisions = list(ScriptDirectory.from_config(migrations._config()).walk_revisions())

    assert [one.revision for one in revisions] == [migrations.revision(n) for n in range(VERSION, 0, -1)]


def test_a_schema_serves_its_own_program_and_the_one_before():
    assert VERSION - 1 <= SERVES_FROM <= VERSION
