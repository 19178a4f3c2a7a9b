"""`validate` looks whether the state on PostgreSQL is there, and leaves it as it is."""

import psycopg
from servers.process import free_port

from drawbar.config.validate import validate


def found(tmp_path, url):
    (tmp_path / "drawbar.yaml").write_text("version: 1\nstate: ${env:STATE}\n")
    report = validate(tmp_path / "drawbar.yaml", environ={"STATE": url})
    return [(problem.stage, problem.spot.line, str(problem)) for problem in report.problems]


def test_a_state_that_is_there_is_fine_and_stays_empty(tmp_path, pg_url):
    assert found(tmp_path, pg_url) == []
    with psycopg.connect(pg_url.replace("+psycopg", "")) as conn:
        assert conn.execute("select count(*) from pg_tables where schemaname = 'public'").fetchone() == (0,)


def test_a_state_that_is_not_there_is_a_problem_at_its_line(tmp_path, postgres):
    away = found(tmp_path, f"postgresql://u:s3cret-pw@127.0.0.1:{free_port()}/x")
    missing = found(tmp_path, postgres.database_url("nobody_made_it"))

    assert [one[:2] for one in away + missing] == [("connect", 2), ("connect", 2)]
    assert "refused" in away[0][2]
    assert "does not exist" in missing[0][2]
    assert "s3cret-pw" not in str(away)
