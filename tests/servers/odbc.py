"""MariaDB through unixODBC: the driver by its file, so that nothing is registered on the machine."""

from pathlib import Path
from urllib.parse import quote

from . import process


def through_odbc(url: str) -> str:
    """Give the SQLAlchemy URL of a MariaDB database for its ODBC driver."""
    drivers = sorted(Path("/usr/lib").glob("*/odbc/libmaodbc.so"))
    if not drivers:
        raise process.MissingServer("odbc-mariadb is not installed: tests/servers/install installs it")
    address = url.partition("://")[2].partition("?")[0]
    return f"mysql+pyodbc://{address}?driver={quote(str(drivers[-1]), safe='')}&charset=utf8mb4"
