"""A web application of ours on a port of this process, and what its short way does."""

import threading
import time
from contextlib import contextmanager

import uvicorn
from servers.process import free_port

from drawbar.facade.turns import Turns


@contextmanager
def serving(application, *, http, **said):
    """Give the server that answers on `config.port`; it ends with the block."""
    config = uvicorn.Config(application, http=http, port=free_port(), log_config=None, **said)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield server
    finally:
        server.should_exit = True
        thread.join(60)


def count_heard(monkeypatch, count):
    """Let `count.begun` say how often a call went on without a thread."""
    heard = Turns._heard

    def counted(self, *call):
        count.begun += 1
        heard(self, *call)

    monkeypatch.setattr(Turns, "_heard", counted)
