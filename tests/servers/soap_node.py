"""The billing service on node-soap, which tests/servers/install puts into `.servers/node`."""

import os
import subprocess
from pathlib import Path

from . import process
from .billing_service import HERE, BillingService


class SoapNode(BillingService):
    """node-soap: it can misbehave in every way, a cut connection too."""

    def __init__(self) -> None:
        self._node = process.binary("node")
        self._library = process.CACHE / "node" / "node_modules" / "soap"
        if not self._library.is_dir():
            raise process.MissingServer("node-soap is not installed: tests/servers/install installs it")
        super().__init__("soap-node")

    def _launch(self) -> subprocess.Popen[bytes]:
        command: list[str | Path] = [self._node, HERE / "server.js", self.wsdl_file, str(self.port)]
        return process.start(command, self.log, env=os.environ | {"NODE_SOAP": str(self._library)})
