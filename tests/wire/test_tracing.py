"""One trace from a request to what reaches the systems, through whichever process does the work; and nothing of it when it is off."""

import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pika
import pytest
import sqlalchemy as sa
from servers.drawbar import Serving

from drawbar.app import open_app
from drawbar.core.access import Caller
from drawbar.core.adapter import Occurrence
from drawbar.core.trace import CARRIED, REQUEST, RUN, Carried, traceparent_of, where
from drawbar.core.trace import PARENT as PARENT_OF
from drawbar.core.triggers import StartRun
from drawbar.testing.billing import WSDL, Billing
from drawbar.testing.broker import Broker
from drawbar.testing.soap import SoapService

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
YAML = """
version: 1
traces: {{ otlp: "{collector}", soap_header: true }}
server: {{ port: 0 }}
adapters:
  billing:
    kind: soap
    wsdl: {wsdl}
    endpoints: {soap}
    tools: {{ CreateInvoice: {{ effect: write }} }}
  events:
    kind: amqp
    url: {amqp}
    queue: far
    publish: {{ billed: {{ exchange: "", routing_key: billed }} }}
agents: {{ local: {{ tools: [billing.CreateInvoice, events.publish_billed], scopes: [read, run, operate] }} }}
workflows:
  bill:
    tasks:
      invoice: {{ tool: billing.CreateInvoice, with: {{ orderId: "${{{{ input.order }}}}", customer: ACME, amount: "10.00" }} }}
      tell: {{ tool: events.publish_billed, needs: [invoice], with: {{ body: {{ order: "${{{{ input.order }}}}" }} }} }}
"""


class Collector:
    """Takes OTLP over HTTP, as a collector does, and keeps the spans."""

    def __init__(self):
        self.spans = []
        outer = self

        class Takes(BaseHTTPRequestHandler):
            def do_POST(self):
                from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

                said = ExportTraceServiceRequest()
                said.ParseFromString(_plain(self))
                for resource in said.resource_spans:
                    for scope in resource.scope_spans:
                        outer.spans += scope.spans
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Takes)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._http.shutdown()
        self._http.server_close()

    def named(self, *names, timeout_s=30):
        """Wait for spans of these names."""
        until = time.monotonic() + timeout_s
        while not {*names} <= {span.name for span in self.spans}:
            assert time.monotonic() < until, [span.name for span in self.spans]
            time.sleep(0.05)
        return [next(span for span in self.spans if span.name == name) for name in names]


def _plain(request):
    import gzip

    body = request.rfile.read(int(request.headers["Content-Length"]))
    return gzip.decompress(body) if request.headers.get("Content-Encoding") == "gzip" else body


def test_a_run_from_rest_to_soap_and_amqp_by_two_processes_is_one_trace(tmp_path):
    """What a person follows from a request ends at the legacy system's own log."""
    billing = Billing()
    with Collector() as collector, SoapService(WSDL, billing.answers) as soap, Broker() as broker:
        line = pika.BlockingConnection(pika.URLParameters(broker.url))
        channel = line.channel()
        channel.queue_declare("billed", durable=True)
        file = tmp_path / "drawbar.yaml"
        file.write_text(YAML.format(collector=collector.url, wsdl=WSDL, soap=soap.url, amqp=broker.url))
        said = {**os.environ, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        far = subprocess.Popen(
            [sys.executable, "-m", "drawbar", "-c", str(file), "worker", "--queues", "far"], env=said
        )
        try:
            with Serving(at=tmp_path, environ=said) as service:
                begun = service.ask(
                    "POST",
                    "/workflows/bill/run?wait_s=30",
                    json={"input": {"order": 7}},
                    headers={"traceparent": PARENT},
                )
                assert begun.json()["status"] == "succeeded", begun.text
                marked, invoiced, told = collector.named("run bill", "billing.CreateInvoice", "events.publish_billed")
        finally:
            far.send_signal(signal.SIGTERM)
            far.wait(30)
        [received] = [one for one in soap.received if one.operation == "CreateInvoice"]
        _, properties, _ = channel.basic_get("billed", auto_ack=True)
        line.close()

    assert {span.trace_id.hex() for span in (marked, invoiced, told)} == {TRACE}
    assert marked.parent_span_id.hex() == PARENT.split("-")[2]
    assert invoiced.parent_span_id == told.parent_span_id == marked.span_id
    sent = next(value for name, value in received.headers.items() if name.lower() == "traceparent")
    assert sent == f"00-{TRACE}-{invoiced.span_id.hex()}-01"
    assert properties.headers["traceparent"] == f"00-{TRACE}-{told.span_id.hex()}-01"


@pytest.fixture
def database(tmp_path):
    url = f"sqlite:///{tmp_path}/erp.db"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("create table orders (id integer primary key)"))
    engine.dispose()
    return url


def test_a_statement_carries_the_trace_in_a_comment_only_where_it_was_asked_for(tmp_path, database):
    from drawbar.connectors import sql

    said = []
    real = sql._commented

    def spied(*given):
        done = real(*given)
        said.append(done[0])
        return done

    sql._commented = spied
    find = {"description": "Find.", "sql": "select id from orders where id = :id", "effect": "read"}
    statements = {"find": {**find, "parameters": {"id": {"type": "integer"}}}}
    file = tmp_path / "drawbar.yaml"
    file.write_text(
        str({"version": 1, "adapters": {"erp": {"kind": "sql", "url": database, "statements": statements}}})
    )
    try:
        with open_app(file) as app:
            caller = Caller.cli("me")
            for carried in (None, Carried(PARENT), Carried(PARENT, sql_comment=True)):
                token = CARRIED.set(carried)
                app.direct.call("erp.find", {"id": 1}, caller=caller)
                CARRIED.reset(token)
    finally:
        sql._commented = real

    asked = [one for one in said if "from orders where" in one]
    assert [f"/*traceparent='{PARENT}'*/" in one for one in asked[-3:]] == [False, False, True]


@pytest.mark.parametrize(
    "sent", [None, "", "00-0-0-0", f"00-{'0' * 32}-00f067aa0ba902b7-01", PARENT + "\r\nX: y", PARENT.upper(), 7]
)
def test_a_trace_that_is_none_is_not_believed(sent):
    assert traceparent_of(sent) is None


def test_without_a_collector_nothing_of_tracing_is_loaded(tmp_path):
    file = tmp_path / "drawbar.yaml"
    file.write_text("version: 1\n")
    code = (
        "import sys; from drawbar.app import open_app\n"
        f"with open_app({str(file)!r}) as app: app.engine.runs(limit=1)\n"
        "print([one for one in sys.modules if one.split('.')[0] in ('opentelemetry', 'prometheus_client')])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("headers", "trace"), [({"traceparent": PARENT}, PARENT), ({"traceparent": "x"}, None), ({}, None)]
)
def test_a_message_brings_its_trace_to_the_run_that_it_starts(headers, trace):
    seen = []

    class Starts:
        def start(self, *given, **named):
            seen.append(PARENT_OF.get())
            return SimpleNamespace(id="run-1")

    start = StartRun(Starts(), "t", "bill", Caller.cli("me"), None)

    start(Occurrence("1", {"message": {"headers": headers}}))

    assert seen == [trace]
    assert PARENT_OF.get() is None


def test_a_log_line_says_its_request_its_run_and_its_trace():
    tokens = [(one, one.set(said)) for one, said in ((REQUEST, "r-1"), (RUN, "run-1"), (PARENT_OF, PARENT))]
    try:
        said = where(None, "info", {"event": "it happened"})
    finally:
        for one, token in tokens:
            one.reset(token)

    assert said == {"event": "it happened", "request_id": "r-1", "run_id": "run-1", "trace_id": TRACE}
    assert where(None, "info", {"event": "elsewhere"}) == {"event": "elsewhere"}
