"""Fixtures: the real servers, each started when the first test asks for it, and fresh places on them."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.charmap import charmap
from hypothesis.internal.conjecture import providers
from servers.firebird import Firebird
from servers.mariadb import MariaDB
from servers.odbc import through_odbc
from servers.openssh import OpenSSH
from servers.postgres import Postgres
from servers.process import ROOT, MissingServer
from servers.proftpd import ProFTPD
from servers.proxy import Proxy
from servers.rabbitmq import RabbitMQ
from servers.redis import Redis
from servers.soap_node import SoapNode
from servers.soap_php import SoapPhp

Server = TypeVar("Server")

# Under CI the drawn examples are the same each time, so that a change is not judged by an example that has nothing to
# do with it; everywhere else they are new ones, and what they find becomes a test of its own.
SAME_EXAMPLES = os.environ.get("CI") == "true"
settings.register_profile(
    "drawbar",
    derandomize=SAME_EXAMPLES,
    database=None if SAME_EXAMPLES else settings.default.database,
    print_blob=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("drawbar")
if SAME_EXAMPLES:
    # Hypothesis mixes in the constants of the modules that happen to be loaded: with another order of tests, others.
    providers.is_local_module_file = lambda _: False


@pytest.hookimpl(trylast=True)
def pytest_sessionstart() -> None:
    """Build the table of characters, once for a fresh folder, outside the time of the first draw."""
    charmap()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that nobody waits for it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session", autouse=True)
def no_defect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fail when a process of ours ended in a way that nobody foresaw, whatever the tests saw of it."""
    kept = tmp_path_factory.mktemp("defects")
    os.environ["XDG_STATE_HOME"] = str(kept)
    yield
    found = [one.read_text() for one in sorted(kept.glob("drawbar-defect-*"))]
    assert not found, "\n\n".join(found)


def running(make: Callable[[], AbstractContextManager[Server]]) -> Iterator[Server]:
    """Run a server for a fixture; one that is not installed skips the test, and fails it under CI=true."""
    try:
        server = make()
    except MissingServer as missing:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(missing))
    with server as started:
        yield started


@pytest.fixture(scope="session")
def sshd() -> Iterator[OpenSSH]:
    yield from running(OpenSSH)


@pytest.fixture(scope="session")
def proftpd() -> Iterator[ProFTPD]:
    yield from running(ProFTPD)


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMQ]:
    yield from running(RabbitMQ)


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    yield from running(Redis)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    yield from running(Postgres)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    yield from running(MariaDB)


@pytest.fixture(scope="session")
def firebird() -> Iterator[Firebird]:
    yield from running(Firebird)


@pytest.fixture(scope="session")
def soap_node() -> Iterator[SoapNode]:
    yield from running(SoapNode)


@pytest.fixture(scope="session")
def soap_php() -> Iterator[SoapPhp]:
    yield from running(SoapPhp)


@pytest.fixture(autouse=True)
def _forget_billing(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let no invoice and no misbehaviour of one test reach the next."""
    yield
    for name in {"soap_node", "soap_php"} & {*request.fixturenames}:
        request.getfixturevalue(name).reset()


@pytest.fixture
def pg_url(postgres: Postgres) -> str:
    """A fresh, empty PostgreSQL database."""
    return postgres.create_database()


@pytest.fixture
def mariadb_url(mariadb: MariaDB) -> str:
    """A fresh, empty MariaDB database."""
    return mariadb.create_database()


@pytest.fixture
def firebird_url(firebird: Firebird) -> str:
    """A fresh, empty Firebird database."""
    return firebird.create_database()


@pytest.fixture
def odbc_url(mariadb: MariaDB) -> str:
    """A fresh, empty MariaDB database, reached through unixODBC."""
    try:
        return through_odbc(mariadb.create_database())
    except MissingServer as missing:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(missing))


@pytest.fixture
def vhost(rabbitmq: RabbitMQ) -> str:
    """The AMQP URL of a fresh, empty virtual host."""
    return rabbitmq.make_vhost()


@pytest.fixture
def drop(sshd: OpenSSH) -> Path:
    """A fresh folder that the users of the SFTP server may write in."""
    return sshd.folder()


@pytest.fixture
def proxy() -> Iterator[Callable[[int], Proxy]]:
    """Put a misbehaving proxy before a port: `proxy(server.port)`."""
    started: list[Proxy] = []

    def before(port: int) -> Proxy:
        started.append(Proxy(port).start())
        return started[-1]

    yield before
    for each in started:
        each.stop()


@pytest.fixture(scope="session")
def kit() -> Path:
    """The folder of third-party fixtures: $DRAWBAR_KIT, or ../shared/kit beside the checkout."""
    named = os.environ.get("DRAWBAR_KIT")
    folder = Path(named) if named else ROOT.parent / "shared" / "kit"
    if not folder.is_dir():
        (pytest.fail if named else pytest.skip)(f"the third-party kit is not at {folder}; DRAWBAR_KIT names it")
    return folder
