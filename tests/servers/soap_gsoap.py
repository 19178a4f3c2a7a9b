"""A calculator on gSOAP, in each style that it speaks; the program is made from one header, and kept."""

import hashlib
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Literal, Self

from . import process

HERE = Path(__file__).parent / "gsoap"
Style = Literal["rpc/encoded", "rpc/literal", "document/literal"]


class SoapGsoap(process.Private):
    """One server; `mtom` answers binary values beside the envelope. `said()` are the notes that came by the one-way operation."""

    def __init__(
        self, style: Style = "document/literal", version: Literal["1.1", "1.2"] = "1.1", *, mtom: bool = False
    ) -> None:
        self.style, self.version, self.mtom = style, version, mtom
        self._process: subprocess.Popen[bytes] | None = None
        self._made = _program(style, version)
        self.port = process.free_port()
        self.home = process.folder("gsoap")
        self.log = self.home / "gsoap.log"
        self.wsdl_file = self.home / "calc.wsdl"

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/calc"

    def start(self) -> Self:
        text = (self._made / "calc.wsdl").read_text()
        self.wsdl_file.write_text(re.sub(r'(:address location=")[^"]*', rf"\g<1>{self.url}", text))
        command: list[str | Path] = [
            self._made / "server",
            str(self.port),
            self.home / "notes",
            *(["mtom"] if self.mtom else []),
        ]
        self._process = process.start(command, self.log)
        process.wait_until(lambda: process.answers(self.port), self._process, self.log, 120)
        return self

    def stop(self) -> None:
        process.stop(self._process, timeout_s=5)
        self._process = None

    def said(self) -> list[str]:
        return (self.home / "notes").read_text().splitlines()


def _program(style: Style, version: str) -> Path:
    """Make the program of a style once; its folder is named by what it was made of."""
    compiler = process.binary("soapcpp2")
    shape, encoding = style.split("/")
    header = (HERE / "calc.h").read_text().replace("STYLE", shape).replace("ENCODING", encoding)
    header = header.replace("FORM", "qualified" if shape == "document" else "unqualified")
    source = (HERE / "server.c").read_bytes()
    digest = hashlib.sha256(header.encode() + source + version.encode()).hexdigest()[:16]
    made = process.CACHE / "gsoap" / digest
    if (made / "server").exists():
        return made
    made.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=made.parent) as name:
        folder = Path(name)
        (folder / "calc.h").write_text(header)
        (folder / "server.c").write_bytes(source)
        steps = (
            [compiler, "-c", "-S", "-x", "-1" if version == "1.1" else "-2", "calc.h"],
            ["gcc", "-O0", "-w", "server.c", "soapC.c", "soapServer.c", "-lgsoap", "-o", "server"],
        )
        for step in steps:
            done = subprocess.run(step, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"{step[0]} failed:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
        made.mkdir(exist_ok=True)
        for file in ("calc.wsdl", "server"):
            os.replace(folder / file, made / file)  # noqa: PTH105 - over one that a test beside us just made
    return made
