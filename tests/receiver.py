"""A webhook that answers what a test says, and keeps what it took."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """A receiver that answers what a test says, and keeps what it took."""

    def __init__(self):
        self.taken = []
        self.seen = 0
        self.answers = []
        receiver = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.seen += 1
                status = receiver.answers.pop(0) if receiver.answers else 204
                if status == 0:
                    self.close_connection = True
                    return
                if status < 300:
                    receiver.taken.append({**json.loads(body), "key": self.headers["Idempotency-Key"]})
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook/s3cret-token"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
