"""An OpenID provider: discovery, keys that can be changed, and tokens."""

import datetime as dt
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa


class Provider:
    """It counts how often it is asked, and answers only while `open` is set; "first" is its first key. `body` and `headers` stand for its keys."""

    def __init__(self) -> None:
        self.keys: dict[str, rsa.RSAPrivateKey] = {}
        self.uses: dict[str, str] = {}
        self.body: bytes | None = None
        self.headers: dict[str, str] = {}
        self.asked = 0
        self.open = threading.Event()
        self.open.set()
        self.add_key("first")
        provider = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked += 1
                provider.open.wait(30)
                if self.path == "/keys":
                    sent, more = provider.body or json.dumps(provider.jwks()).encode(), provider.headers
                else:
                    sent, more = json.dumps(provider.discovery()).encode(), {}
                self.send_response(200)
                for name, value in {"Content-Length": str(len(sent)), **more}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(sent)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def add_key(self, name: str, use: str = "sig") -> None:
        self.keys[name] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.uses[name] = use

    def discovery(self) -> dict:
        return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"}

    def jwks(self) -> dict:
        algorithm = jwt.algorithms.RSAAlgorithm
        made = {name: json.loads(algorithm.to_jwk(key.public_key())) for name, key in self.keys.items()}
        return {
            "keys": [
                {**key, "kid": name, "alg": "RS256", "use": self.uses.get(name, "sig")} for name, key in made.items()
            ]
        }

    def token(
        self, kid: str, *, key: rsa.RSAPrivateKey | None = None, algorithm: str = "RS256", **claims: object
    ) -> str:
        """Give a token that names this key, and is signed by it or another."""
        ends = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=5)
        said = {"iss": self.issuer, "aud": "drawbar", "sub": "clerk", "exp": ends}
        return jwt.encode({**said, **claims}, key or self.keys[kid], algorithm, headers={"kid": kid})

    def close(self) -> None:
        self.open.set()
        self.server.shutdown()
        self.server.server_close()
