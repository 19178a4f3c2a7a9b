"""Each private server answers a client that is not ours, before our own connectors are asked to."""

import io
import shutil
import socket
import socketserver
import struct
import threading
import time
from decimal import Decimal

import paramiko
import pika
import psycopg
import pymysql
import pytest
import zeep
from servers.postgres import Postgres
from servers.rabbitmq import RabbitMQ
from sqlalchemy.engine import make_url


def ssh_client(sshd, **login):
    client = paramiko.SSHClient()
    client.load_host_keys(str(sshd.known_hosts))
    options = {"timeout": 10, "allow_agent": False, "look_for_keys": False}
    client.connect(sshd.host, sshd.port, **login, **options)
    return client


def login_of(url):
    url = make_url(url)
    return {"host": url.host, "port": url.port, "user": url.username, "password": url.password}, url.database


class _HangsUp(socketserver.BaseRequestHandler):
    """Read what is said, and reset the line."""

    def handle(self):
        self.request.recv(8)
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.request.close()


@pytest.fixture(params=["soap_node", "soap_php"])
def billing(request):
    return request.getfixturevalue(request.param)


def test_openssh_takes_a_login_by_key(sshd, drop):
    (drop / "orders.csv").write_text("1;2\n")

    with ssh_client(sshd, username=sshd.user, key_filename=str(sshd.key_file)) as client, client.open_sftp() as sftp:
        sftp.posix_rename(f"{drop}/orders.csv", f"{drop}/orders.done")

    assert [path.name for path in drop.iterdir()] == ["orders.done"]


def test_openssh_takes_a_login_by_password_and_refuses_a_wrong_one(sshd, drop):
    if not sshd.has_password:
        pytest.skip("sshd checks passwords only when root starts it")

    with ssh_client(sshd, username=sshd.password_user, password=sshd.password) as client, client.open_sftp() as sftp:
        sftp.putfo(io.BytesIO(b"hello"), f"{drop}/greeting")

    assert (drop / "greeting").read_bytes() == b"hello"
    with pytest.raises(paramiko.AuthenticationException):
        ssh_client(sshd, username=sshd.password_user, password="wrong")


@pytest.mark.slow
def test_rabbitmq_keeps_a_durable_message_over_a_restart(rabbitmq):
    url, queue = rabbitmq.make_vhost(), rabbitmq.name()
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True)
        channel.basic_publish("", queue, b"kept", pika.BasicProperties(delivery_mode=2), mandatory=True)

    rabbitmq.restart()

    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        _, _, body = connection.channel().basic_get(queue, auto_ack=True)
    assert body == b"kept"


def test_rabbitmq_is_waited_for_while_its_port_hangs_up():
    """A node that still starts resets whoever comes; that is no error of the test that waits."""
    node = RabbitMQ()
    with socketserver.TCPServer((node.host, 0), _HangsUp) as starting:
        threading.Thread(target=starting.serve_forever, args=(0.01,), daemon=True).start()
        node.port = node.management_port = starting.server_address[1]

        ready = node._ready()

        starting.shutdown()
    shutil.rmtree(node.home)
    assert ready is False


def test_rabbitmq_cuts_connections_when_it_is_asked_to(rabbitmq, vhost):
    connection = pika.BlockingConnection(pika.URLParameters(vhost))
    deadline = time.monotonic() + 60

    with pytest.raises(pika.exceptions.ConnectionClosedByBroker):
        while time.monotonic() < deadline:
            rabbitmq.close_connections()  # the management plugin hears of a connection some moments later
            connection.process_data_events(time_limit=0.2)


def test_postgres_gives_each_test_a_database_and_keeps_it_over_a_restart():
    with Postgres() as server:
        login, database = login_of(server.create_database())
        with psycopg.connect(dbname=database, connect_timeout=60, **login) as connection:
            connection.execute("create table t (id integer primary key)")

        server.restart()

        with psycopg.connect(dbname=database, connect_timeout=60, **login) as connection:
            assert connection.execute("select count(*) from t").fetchone() == (0,)


def test_postgres_refuses_a_wrong_password(pg_url):
    login, database = login_of(pg_url)

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(dbname=database, connect_timeout=60, **(login | {"password": "wrong"}))


def test_mariadb_gives_each_test_a_database(mariadb_url):
    login, database = login_of(mariadb_url)

    with pymysql.connect(database=database, connect_timeout=60, **login) as connection, connection.cursor() as cursor:
        cursor.execute("create table t (name varchar(10)) engine=innodb")
        cursor.execute("insert into t values ('Müller €')")
        cursor.execute("select name from t")
        assert cursor.fetchone() == ("Müller €",)


def test_mariadb_refuses_a_wrong_password(mariadb):
    login, database = login_of(mariadb.url)

    with pytest.raises(pymysql.OperationalError, match="Access denied"):
        pymysql.connect(database=database, connect_timeout=60, **(login | {"password": "wrong"}))


def test_both_billing_services_keep_every_digit(billing):
    service = zeep.Client(billing.wsdl).service
    order, amount = 2**53 + 3, Decimal("12345678901234567890.10")

    made = service.CreateInvoice(orderId=order, customer="Müller & <Söhne>", amount=amount)

    found = service.FindInvoice(order)
    assert [(one.id, one.orderId, one.amount, one.status) for one in found] == [(made.invoiceId, order, amount, "OPEN")]
    assert billing.invoices()[0]["customer"] == "Müller & <Söhne>"


def test_both_billing_services_declare_their_faults(billing):
    service = zeep.Client(billing.wsdl).service
    service.CreateInvoice(orderId=7, customer="A", amount=1)

    with pytest.raises(zeep.exceptions.Fault) as refused:
        service.CreateInvoice(orderId=7, customer="A", amount=1)

    assert refused.value.detail.findtext(".//{urn:drawbar:billing}code") == "ERR-017"
    assert (billing.created(), billing.received()) == (1, 2)


def test_both_billing_services_answer_politely_get_and_cancel(billing):
    service = zeep.Client(billing.wsdl).service

    assert service.CreateInvoice(orderId=1, customer="A", amount=-1).rc == 8
    invoice = service.CreateInvoice(orderId=1, customer="A", amount=1).invoiceId
    assert [service.CancelInvoice(invoice), service.CancelInvoice(invoice)] == [True, False]
    assert service.GetInvoice(invoice).status == "CANCELLED"


def test_node_soap_makes_the_invoice_and_hangs_up(soap_node):
    service = zeep.Client(soap_node.wsdl).service
    soap_node.behave("drop", order_id=5, times=1, after=True)

    with pytest.raises(OSError, match="Connection aborted"):
        service.CreateInvoice(orderId=5, customer="A", amount=1)

    assert soap_node.created() == 1


def test_both_billing_services_fail_late_when_they_are_told_to(billing):
    service = zeep.Client(billing.wsdl).service
    billing.behave("server_fault", times=1, seconds=0.3, after=True)
    begun = time.monotonic()

    with pytest.raises(zeep.exceptions.Fault, match="database is away"):
        service.CreateInvoice(orderId=5, customer="A", amount=1)

    assert time.monotonic() - begun >= 0.3
    assert billing.created() == 1


def test_the_proxy_passes_delays_stalls_cuts_and_refuses(proxy, soap_node):
    before = proxy(soap_node.port)
    request = b"GET /count HTTP/1.0\r\n\r\n"

    def ask(timeout_s=5):
        with socket.create_connection((before.host, before.port), timeout=timeout_s) as line:
            line.sendall(request)
            return b"".join(iter(lambda: line.recv(4096), b""))

    assert ask().endswith(b'"received":{}}')
    before.delay_s, begun = 0.2, time.monotonic()
    ask()
    assert time.monotonic() - begun >= 0.4
    before.stall("down")
    with pytest.raises(TimeoutError):
        ask(timeout_s=0.3)
    before.flow()
    before.cut(after_bytes=10)
    with pytest.raises(ConnectionResetError):
        ask()
    before.flow()
    before.refuse()
    with pytest.raises(ConnectionRefusedError):
        ask()
    before.start()
    assert ask().startswith(b"HTTP/1.")
