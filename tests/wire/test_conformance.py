"""Our own adapters pass the suite that we give to others, on the real servers."""

from pathlib import Path

import pika
import pytest
from servers.odbc import through_odbc

import drawbar.testing
from drawbar.adapters.amqp import AmqpAdapter
from drawbar.adapters.local import LocalAdapter
from drawbar.adapters.sftp import SftpAdapter
from drawbar.adapters.soap import SoapAdapter
from drawbar.adapters.sql import SqlAdapter
from drawbar.testing import conformance

FIND_ORDER = {
    "description": "Find one order by its number.",
    "sql": "select id, customer, amount from orders where id = :id and customer <> :not",
    "parameters": {"id": {"type": "integer"}, "not": {"type": "string", "default": "nobody"}},
    "effect": "read",
    "max_rows": 1,
}
SET_CUSTOMER = {
    "description": "Rename the customer of an order.",
    "sql": "update orders set customer = :customer where id = :id",
    "parameters": {"id": {"type": "integer"}, "customer": {"type": "string"}},
    "expect_rows": 1,
}


def sql(url):
    return {
        "url": url,
        "statements": {"find_order": FIND_ORDER, "set_customer": SET_CUSTOMER},
        "tables": {"orders": {"read": True, "insert": True, "upsert": True, "update": True}},
        "tools": {
            "find_order": {"examples": [{"arguments": {"id": 1, "not": "x"}}]},
            "read_orders": {"examples": [{"arguments": {}}, {"arguments": {"where": {"customer": "Kaiser"}}}]},
            "set_customer": {"examples": [{"arguments": {"id": 1, "customer": "Kaiser"}}]},
            "upsert_orders": {"examples": [{"arguments": {"id": 2, "customer": "Lund", "amount": "10.00"}}]},
        },
    }


ORDERS = (
    "create table orders (id integer not null primary key, customer varchar(40) not null, amount decimal(12,2),"
    " placed date,"
)


def ordered(url):
    """Make a table of orders with one row, and answer the configuration for it."""
    from sqlalchemy import create_engine

    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"{ORDERS} note text)")
    with engine.begin() as connection:
        connection.exec_driver_sql("insert into orders values (1, 'Kaiser', 10.50, '2026-11-22', null)")
    engine.dispose()
    return sql(url)


@pytest.fixture
def on_postgres(pg_url):
    return ordered(pg_url)


@pytest.fixture
def on_mariadb(mariadb_url):
    return ordered(mariadb_url)


@pytest.fixture
def on_firebird(firebird, firebird_url):
    row = "insert into orders values (1, 'Kaiser', 10.50, '2026-11-22', null)"
    firebird.execute([f"{ORDERS} note varchar(200))", row], firebird_url)
    return sql(firebird_url)


@pytest.fixture
def on_odbc(mariadb_url):
    return {**ordered(mariadb_url), "url": through_odbc(mariadb_url)}


@pytest.fixture
def on_sqlite(tmp_path):
    return ordered(f"sqlite:///{tmp_path}/orders.db")


TestPostgres = conformance(
    SqlAdapter,
    config=lambda on_postgres: on_postgres,
    dead=lambda closed_port: sql(f"postgresql+psycopg://drawbar:s3cret-of-the-dead@127.0.0.1:{closed_port}/orders"),
    needs=("sqlalchemy", "psycopg"),
)
TestMariaDB = conformance(
    SqlAdapter,
    config=lambda on_mariadb: on_mariadb,
    dead=lambda closed_port: sql(f"mysql+pymysql://drawbar:s3cret-of-the-dead@127.0.0.1:{closed_port}/orders"),
    needs=("sqlalchemy", "pymysql"),
)
TestFirebird = conformance(
    SqlAdapter,
    config=lambda on_firebird: on_firebird,
    dead=lambda closed_port: sql(f"firebird://drawbar:s3cret-of-the-dead@127.0.0.1:{closed_port}//orders.fdb"),
    needs=("sqlalchemy", "firebird"),
)
TestOdbc = conformance(
    SqlAdapter,
    config=lambda on_odbc: on_odbc,
    dead=lambda closed_port: sql(through_odbc(f"mysql://drawbar:s3cret-of-the-dead@127.0.0.1:{closed_port}/orders")),
    needs=("sqlalchemy", "pyodbc"),
)
# A file that is not there is a wrong configuration and not a system that is away: no `dead`.
TestSqlite = conformance(SqlAdapter, config=lambda on_sqlite: on_sqlite, needs=("sqlalchemy",))


def soap(wsdl, **more):
    return {
        "wsdl": str(wsdl),
        "effects": {"GetInvoice": "read", "FindInvoice": "read"},
        "security": {"basic": {"username": "drawbar", "password": "s3cret-of-the-books"}},
        "tools": {
            "FindInvoice": {"examples": [{"arguments": {"orderId": 4711}}]},
            "CreateInvoice": {"examples": [{"arguments": {"orderId": 1, "customer": "Kaiser", "amount": "10.00"}}]},
        },
        **more,
    }


def soap_away(port):
    """The WSDL is a file here, so that the tools are known while nobody answers at the endpoint."""
    return soap(
        Path(drawbar.testing.__file__).parent / "data/billing.wsdl", endpoints=f"http://127.0.0.1:{port}/billing"
    )


TestSoapOnNode = conformance(
    SoapAdapter,
    config=lambda soap_node: soap(soap_node.wsdl),
    dead=lambda closed_port: soap_away(closed_port),  # noqa: PLW0108 - the name asks for the fixture
    needs=("zeep", "lxml", "requests"),
)
TestSoapOnPhp = conformance(
    SoapAdapter,
    config=lambda soap_php: soap(soap_php.wsdl),
    dead=lambda closed_port: soap(f"http://127.0.0.1:{closed_port}/billing?wsdl"),
    needs=("zeep", "lxml", "requests"),
)


def amqp(url):
    return {
        "url": url,
        "connect_timeout_s": 2,
        "publish": {"billed": {"exchange": "erp", "routing_key": "order.${{ arguments.body.plant }}"}},
        "request": {"price": {"routing_key": "in", "reply": {"queue": "exclusive"}}},
        "consume": {"incoming": {"queue": "in"}},
        "tools": {
            "publish_billed": {"examples": [{"arguments": {"body": {"plant": "M"}}}]},
            "browse_incoming": {"examples": [{"arguments": {"limit": 3}}]},
            "request_price": {"examples": [{"arguments": {"body": {}}}]},
        },
    }


@pytest.fixture
def on_rabbitmq(vhost):
    with pika.BlockingConnection(pika.URLParameters(vhost)) as connection:
        channel = connection.channel()
        channel.queue_declare("in", durable=True)
        channel.exchange_declare("erp", "topic", durable=True)
    return amqp(vhost)


TestRabbitMQ = conformance(
    AmqpAdapter,
    config=lambda on_rabbitmq: on_rabbitmq,
    dead=lambda closed_port: amqp(f"amqp://drawbar:s3cret-of-the-dead@127.0.0.1:{closed_port}/"),
    needs=("pika",),
)


def drop_of(**where):
    return {
        **where,
        "feeds": {
            "orders": {
                "description": "Orders of the day.",
                "pattern": "ORD.*.csv",
                "ready": {"min_age_s": 0},
                "format": {"kind": "csv"},
            }
        },
        "tools": {
            "list_orders": {"examples": [{"arguments": {}}]},
            "stat_orders": {"examples": [{"arguments": {"name": "ORD.1.csv"}}]},
            "read_orders": {"examples": [{"arguments": {"name": "ORD.1.csv"}}]},
            "write_orders": {"examples": [{"arguments": {"name": "ORD.2.csv", "records": [{"id": "2"}]}}]},
        },
    }


def filled(folder):
    (folder / "ORD.1.csv").write_text("id,customer\n1,Kaiser\n2,Lund\n")
    return folder


@pytest.fixture
def on_openssh(sshd, drop):
    return drop_of(
        host="127.0.0.1",
        port=sshd.port,
        username=sshd.user,
        private_key_file=str(sshd.key_file),
        known_hosts=str(sshd.known_hosts),
        root=str(filled(drop)),
    )


@pytest.fixture
def no_sshd(closed_port, tmp_path):
    known_hosts = tmp_path / "known_hosts"
    known_hosts.touch()
    return drop_of(
        host="127.0.0.1",
        port=closed_port,
        username="partner",
        password="s3cret-of-the-dead",
        known_hosts=str(known_hosts),
        root="/outgoing",
    )


TestOpenSSH = conformance(
    SftpAdapter,
    config=lambda on_openssh: on_openssh,
    dead=lambda no_sshd: no_sshd,
    needs=("paramiko",),
)
# A folder that is not there is a wrong configuration and not a system that is away: no `dead`.
TestLocal = conformance(LocalAdapter, config=lambda tmp_path: drop_of(root=str(filled(tmp_path))))
