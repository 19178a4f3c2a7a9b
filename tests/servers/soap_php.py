"""The billing service on PHP's own SoapServer."""

import os
import subprocess
from typing import Any

from . import process
from .billing_service import HERE, BillingService, Do

# PHP leaves its worker processes behind when it is told to end; the shell ends its whole process group.
WITH_ITS_WORKERS = """trap 'trap - TERM; kill 0' TERM; "$@" & wait"""


class SoapPhp(BillingService):
    """PHP: it cannot cut a connection; for `drop` and `truncate` use node-soap or a proxy."""

    def __init__(self) -> None:
        self._php = process.binary("php")
        modules = subprocess.run([self._php, "-m"], capture_output=True, text=True, check=True).stdout.split()
        if "soap" not in modules:
            raise process.MissingServer("php-soap is not installed: tests/servers/install installs it")
        super().__init__("soap-php")

    def behave(self, do: Do, **options: Any) -> None:
        if do in {"drop", "truncate"}:
            raise NotImplementedError(f"PHP cannot {do}")
        super().behave(do, **options)

    def _launch(self) -> subprocess.Popen[bytes]:
        environment = {
            "PHP_CLI_SERVER_WORKERS": "4",
            "BILLING_WSDL": str(self.wsdl_file),
            "BILLING_STATE": str(self.home / "state.json"),
        }
        php = [self._php, "-S", f"{self.host}:{self.port}", str(HERE / "server.php")]
        return process.start(["sh", "-c", WITH_ITS_WORKERS, "sh", *php], self.log, env=os.environ | environment)
