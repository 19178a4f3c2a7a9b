"""
A calculator on JAX-WS; compiled once, and kept.

Attachments by reference (SwA) at `swa`, MTOM over SOAP 1.2 at `mtom`, parts that the WSDL binds to MIME parts at `mime`.
"""

import hashlib
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from . import process

HERE = Path(__file__).parent / "jaxws"
JARS = Path("/usr/share/java")
_NEEDED = (
    *("jaxws-rt", "jaxws-api", "jaxws-ri-runtime", "jaxb-api", "jaxb-runtime", "jaxb-core", "jaxb-impl", "jws-api"),
    *("javax.activation", "javax.xml.soap-api", "saaj-impl", "stax-ex", "streambuffer", "mimepull", "metro-policy"),
    *("istack-commons-runtime", "FastInfoset", "gmbal", "geronimo-annotation-1.3-spec", "txw2"),
)


class SoapJaxws(process.Private):
    def __init__(self) -> None:
        if not (JARS / "jaxws-rt.jar").exists():
            raise process.MissingServer("JAX-WS is not installed: tests/servers/install installs it")
        self._process: subprocess.Popen[bytes] | None = None
        self._classpath = ":".join(str(JARS / f"{name}.jar") for name in _NEEDED)
        self._made = self._compiled()
        self.port = process.free_port()
        self.home = process.folder("jaxws")
        self.log = self.home / "jaxws.log"

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def start(self) -> Self:
        command: list[str | Path] = [
            *(process.binary("java"), "-XX:TieredStopAtLevel=1", "-cp", f"{self._classpath}:{self._made}"),
            *("Calc", self.url, HERE / "mime.wsdl"),
        ]
        self._process = process.start(command, self.log)
        process.wait_until(lambda: "published" in self.log.read_text(), self._process, self.log, 120)
        return self

    def stop(self) -> None:
        process.stop(self._process, timeout_s=5)
        self._process = None

    def _compiled(self) -> Path:
        source = (HERE / "Calc.java").read_bytes()
        made = process.CACHE / "jaxws" / hashlib.sha256(source).hexdigest()[:16]
        if not made.exists():
            made.parent.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(dir=made.parent))
            step: list[str | Path] = [
                process.binary("javac"),
                "-nowarn",
                "-cp",
                self._classpath,
                "-d",
                folder,
                HERE / "Calc.java",
            ]
            done = subprocess.run(step, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"javac failed:\n{done.stderr[-1000:]}")
            folder.rename(made)
        return made
