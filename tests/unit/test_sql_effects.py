"""Statements that say that they read, and would do more: refused when the configuration is read."""

import pytest
from pydantic import ValidationError

from drawbar.adapters.sql import SqlConfig

URLS = {
    "postgresql": "postgresql://u:p@h/x",
    "mysql": "mysql://u:p@h/x",
    "sqlite": "sqlite:///x.db",
    "firebird": "firebird://u:p@h/x.fdb",
    "oracle": "oracle://u:p@h/?service_name=x",
    "mssql": "mssql://u:p@h/x",
    "db2": "db2://u:p@h:50000/x",
}
OF_ALL = [
    "delete from t",
    "copy t to program 'rm -rf /'",
    "call change()",
    "set transaction read write",
    "select * from t for update",
    "select * from t /* ' */ for  update",
    "select 1; delete from t",
    "begin; delete from t",
    "explain analyze delete from t",
    "explain (analyze, buffers) insert into t values (1)",
]
OF_ONE = [
    ("postgresql", "select dblink_exec('host=x', 'delete from t')"),
    ("postgresql", "select pg_terminate_backend(pid) from pg_stat_activity"),
    ("postgresql", "select set_config('transaction_read_only', 'off', false)"),
    ("postgresql", "select pg_try_advisory_lock(1)"),
    ("postgresql", "select lo_export(1, '/tmp/x')"),
    ("mysql", "select * into outfile '/tmp/x' from t"),
    ("mysql", "select 1 /*! into outfile '/tmp/x' */"),
    ("mysql", "select 1 /*M!100100 into @x */"),
    ("mysql", "select nextval(numbers)"),
    ("mysql", "select get_lock('x', 10)"),
    ("mysql", "select @x := 1"),
    ("mysql", "select * from t lock in share mode"),
    ("sqlite", "pragma journal_mode = wal"),
    ("sqlite", "pragma main.user_version(5)"),
    ("sqlite", "pragma query_only(0)"),
    ("sqlite", "pragma wal_checkpoint"),
    ("sqlite", "select load_extension('x')"),
    ("firebird", "select next value for numbers from rdb$database"),
    ("firebird", "select gen_id(numbers, 1) from rdb$database"),
    ("firebird", "select * from t with lock"),
    ("oracle", "select numbers.nextval from dual"),
    ("oracle", "select utl_http.request('http://x') from dual"),
    ("mssql", "select 1 delete from t"),
    ("mssql", "select * into copy from t"),
    ("mssql", "with gone as (select 1 as a) delete from gone"),
    ("mssql", "select * from openquery(other, 'delete from t')"),
    ("mssql", "select next value for numbers"),
    ("mssql", "select 1 exec xp_cmdshell 'dir'"),
    ("db2", "select * from final table (insert into t values (1))"),
    ("db2", "select next value for numbers from sysibm.sysdummy1"),
]
HARMLESS = [
    ("postgresql", "select 'for update; delete' as a, \"into\" from t -- for update"),
    ("postgresql", "explain analyze select * from t"),
    ("postgresql", "explain delete from t"),
    ("mysql", "select `update`, 'it\\'s into outfile' from t /* get_lock( */"),
    ("mysql", "show tables"),
    ("sqlite", "pragma table_info(t)"),
    ("sqlite", "pragma user_version"),
    ("firebird", "select gen_id(numbers, 0) from rdb$database"),
    ("mssql", "select [update], 'delete' as a from t"),
    ("oracle", "select * from t where a = :a"),
]


def config(dialect, sql):
    parameters = {"a": {}} if ":a" in sql else {}
    statements = {"sly": {"sql": sql, "effect": "read", "parameters": parameters}}
    return SqlConfig.model_validate({"kind": "sql", "url": URLS[dialect], "statements": statements})


@pytest.mark.parametrize(("dialect", "sql"), [(dialect, sql) for dialect in URLS for sql in OF_ALL] + OF_ONE)
def test_a_read_that_could_have_an_effect_is_refused(dialect, sql):
    with pytest.raises(ValidationError, match=r"sly: (effect read, but|one statement at a time)"):
        config(dialect, sql)


@pytest.mark.parametrize(("dialect", "sql"), HARMLESS)
def test_what_only_looks_like_an_effect_is_none(dialect, sql):
    assert config(dialect, sql).statements["sly"].effect == "read"
