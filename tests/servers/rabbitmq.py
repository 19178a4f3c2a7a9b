"""RabbitMQ with its management plugin: a node, a port mapper and a data folder of its own."""

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import urllib.request
from typing import Any, Self
from urllib.parse import quote

from . import process

CONFIG = """
listeners.tcp.1 = 127.0.0.1:{port}
management.tcp.ip = 127.0.0.1
management.tcp.port = {management_port}
loopback_users = none
disk_free_limit.absolute = 50MB
log.console = false
collect_statistics_interval = 1000
default_user = drawbar
default_pass = drawbar
"""


class RabbitMQ(process.Private):
    """
    One private broker with the user `drawbar`.

    A stop keeps durable queues and their messages for the next start.
    """

    username = "drawbar"
    password = "drawbar"

    def __init__(self, more: str = "", plugins: str = "rabbitmq_management", beside: "RabbitMQ | None" = None) -> None:
        """`more` are further lines of its configuration; the port mapper is that of a node `beside` it."""
        self.more = more
        self._beside = beside
        self._plugins = plugins
        self._program = process.binary(
            "rabbitmq-server", "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"
        )
        self._mapper = process.binary("epmd")
        self._names = itertools.count(1)
        self._epmd: subprocess.Popen[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.port = process.free_port()
        self.management_port = process.free_port()
        self._epmd_port: int = beside._epmd_port if beside else process.free_port()
        self._dist_port = process.free_port()
        self.home = process.folder("rabbitmq")
        self.log = self.home / "rabbitmq.log"

    @property
    def url(self) -> str:
        """The AMQP URL of the default virtual host."""
        return self.vhost_url("/")

    @property
    def node(self) -> str:
        """The name by which other nodes know it."""
        return f"drawbar{self.port}@localhost"

    def vhost_url(self, vhost: str) -> str:
        return f"amqp://{self.username}:{self.password}@{self.host}:{self.port}/{quote(vhost, safe='')}"

    def start(self) -> Self:
        self._write_config()
        environment = self._environment()
        if self._epmd is None and self._beside is None:
            self._epmd = process.start(
                [self._mapper, "-port", str(self._epmd_port), "-address", "127.0.0.1"], self.log, env=environment
            )
            process.wait_until(lambda: process.answers(self._epmd_port), self._epmd, self.log, 120)
        self._process = process.start([self._program], self.log, env=environment)
        process.wait_until(self._ready, self._process, self.log, 120)
        return self

    def kill(self) -> None:
        """End the node as a power cut does; its port mapper stays, and `start` brings it back."""
        process.stop(self._process, by=signal.SIGKILL)
        self._process = None

    def stop(self) -> None:
        process.stop(self._process, timeout_s=60)
        process.stop(self._epmd)
        self._process = self._epmd = None

    def close(self) -> None:
        """Kill it first: nobody needs what it would write for seconds before it ends."""
        self.kill()
        super().close()

    def make_vhost(self) -> str:
        """Make an empty virtual host and answer its AMQP URL."""
        name = f"test{next(self._names)}"
        self.api("PUT", f"vhosts/{name}")
        self.api("PUT", f"permissions/{name}/{self.username}", {"configure": ".*", "write": ".*", "read": ".*"})
        return self.vhost_url(name)

    def name(self, what: str = "queue") -> str:
        """Answer a name that no queue or exchange has yet."""
        return f"{what}.{os.getpid()}.{next(self._names)}"

    def close_connections(self) -> int:
        """Cut every AMQP connection from the broker's side; answer how many there were."""
        names = [connection["name"] for connection in self.api("GET", "connections")]
        for name in names:
            self.api("DELETE", f"connections/{quote(name, safe='')}")
        return len(names)

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """Call the management API, for instance `api("GET", "queues")`."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.management_port}/api/{path}", method=method)
        login = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        login.add_password(None, request.full_url, self.username, self.password)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPBasicAuthHandler(login)
        )
        request.add_header("Content-Type", "application/json")
        data = json.dumps(body).encode() if body is not None else None
        with opener.open(request, data, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def control(self, *words: str) -> str:
        """Run `rabbitmqctl`, which knows what the management API says seconds later."""
        program = process.binary("rabbitmqctl", "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmqctl")
        command = [program, "--quiet", "-n", self.node, *words]
        done = subprocess.run(
            command, env=self._environment(), check=True, stdout=subprocess.PIPE, timeout=60, text=True
        )
        return done.stdout

    def _ready(self) -> bool:
        """Speak the protocol header: the port opens before the node takes logins, and a line may be hung up until then."""
        if not process.answers(self.management_port):
            return False
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=10) as line:
            line.sendall(b"AMQP\x00\x00\x09\x01")
            return line.recv(1) == b"\x01"
        return False

    def _write_config(self) -> None:
        config = CONFIG.format(port=self.port, management_port=self.management_port)
        (self.home / "rabbitmq.conf").write_text(config + self.more)
        (self.home / "enabled_plugins").write_text(f"[{self._plugins}].\n")

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self.home),
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_MNESIA_BASE": str(self.home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.home / "log"),
            "RABBITMQ_CONFIG_FILE": str(self.home / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.home / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.home / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(self.home / "rabbitmq.pid"),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
