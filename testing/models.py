"""
A stand-in for a model: an HTTP server on loopback that speaks OpenAI's chat completions and Anthropic's messages by a script.

What it says depends on how far the talk is, not on how often it was asked: who asks again after a crash is told the same. So one
script serves any number of talks at once. Failures are told once each.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

Json = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """A call of a tool that the model asks for."""

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Says:
    """One answer: a text, or calls of tools, or both; with the tokens that it is said to have cost."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    input_tokens: int = 100
    output_tokens: int = 10
    cut: bool = False


@dataclass(frozen=True)
class Fails:
    """No answer: an HTTP status, or (0) a connection that is closed; `after_s` is how long it thinks about it."""

    status: int
    message: str = "no"
    retry_after_s: float | None = None
    code: str | None = None
    after_s: float = 0


@dataclass(frozen=True)
class Odd:
    """Whatever a server may send with status 200 in place of an answer."""

    body: Json


Turn = Says | Fails | Odd | Callable[[Json], "Says | Fails | Odd"]


def says(text: str, *, input_tokens: int = 100, output_tokens: int = 10, cut: bool = False) -> Says:
    return Says(text, (), input_tokens, output_tokens, cut)


def calls(tool: str, /, **arguments: Any) -> Says:
    """Give an answer that asks for one call."""
    return Says(calls=(Call(tool, arguments),))


class ScriptedModel:
    """
    The server, for use in `with`: `ScriptedModel([calls("erp_find_order", id=7), says("It is billed.")])`.

    `openai` and `anthropic` are the `model:` of an agent that uses it; `requests` is every body that came, in order.
    """

    def __init__(self, turns: Sequence[Turn], *, key: str | None = None, think_s: float = 0) -> None:
        self.turns = list(turns)
        self.requests: list[Json] = []
        self._key = key
        self._think_s = think_s
        self._failed: set[int] = set()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def openai(self) -> Json:
        return {"provider": "openai", "base_url": f"{self.url}/v1", "name": "scripted", "api_key": self._key or "none"}

    @property
    def anthropic(self) -> Json:
        return {"provider": "anthropic", "base_url": self.url, "name": "scripted", "api_key": self._key or "none"}

    def heard(self, request: Json) -> str:
        """Give all that a request told the model, as one text."""
        return json.dumps(request)

    def refuses(self, key: str | None) -> bool:
        return self._key is not None and key != self._key

    def turn(self, request: Json) -> Says | Fails | Odd:
        """Say what comes next in this talk."""
        if self._think_s:
            time.sleep(self._think_s)
        said = sum(message.get("role") == "assistant" for message in request.get("messages", ()))
        with self._lock:
            self.requests.append(request)
            for at, turn in enumerate(self.turns):
                if isinstance(turn, Fails):
                    if said == 0 and at not in self._failed:
                        self._failed.add(at)
                        return turn
                    continue
                if said == 0:
                    break
                said -= 1
            else:
                return Fails(500, "the script is at its end")
        return turn if isinstance(turn, Says | Fails | Odd) else turn(request)


def _handler(model: ScriptedModel) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            form = {"/v1/chat/completions": _openai, "/v1/messages": _anthropic}.get(self.path.partition("?")[0])
            if form is None:
                self._answer(404, {"error": {"message": f"no {self.path}", "type": "not_found_error"}})
                return
            bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
            if model.refuses(bearer or self.headers.get("x-api-key")):
                self._answer(401, {"error": {"message": "Incorrect API key", "type": "authentication_error"}})
                return
            turn = model.turn(body)
            if isinstance(turn, Says):
                self._answer(200, form(body, turn))
            elif isinstance(turn, Odd):
                self._answer(200, turn.body)
            else:
                self._fail(turn)

        def _fail(self, turn: Fails) -> None:
            time.sleep(turn.after_s)
            if not turn.status:
                self.close_connection = True
                return
            headers = {} if turn.retry_after_s is None else {"Retry-After": f"{turn.retry_after_s:g}"}
            said = {"message": turn.message, "type": turn.code or "error", "code": turn.code}
            self._answer(turn.status, {"type": "error", "error": said}, headers)

        def _answer(self, status: int, body: Json, headers: Mapping[str, str] | None = None) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            with suppress(ConnectionError):  # who asked may have waited long enough
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


def _openai(request: Json, turn: Says) -> Json:
    """An object of https://platform.openai.com/docs/api-reference/chat."""
    called = [
        {
            "id": f"call_{len(request['messages'])}_{at}",
            "type": "function",
            "function": {"name": one.tool, "arguments": json.dumps(one.arguments)},
        }
        for at, one in enumerate(turn.calls)
    ]
    message = {"role": "assistant", "content": turn.text or None, **({"tool_calls": called} if called else {})}
    finish = "length" if turn.cut else "tool_calls" if called else "stop"
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": request["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": {
            "prompt_tokens": turn.input_tokens,
            "completion_tokens": turn.output_tokens,
            "total_tokens": turn.input_tokens + turn.output_tokens,
        },
    }


def _anthropic(request: Json, turn: Says) -> Json:
    """An object of https://docs.anthropic.com/en/api/messages."""
    content: list[Json] = [{"type": "text", "text": turn.text}] if turn.text else []
    content += [
        {"type": "tool_use", "id": f"toolu_{len(request['messages'])}_{at}", "name": one.tool, "input": one.arguments}
        for at, one in enumerate(turn.calls)
    ]
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": content,
        "stop_reason": "max_tokens" if turn.cut else "tool_use" if turn.calls else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": turn.input_tokens, "output_tokens": turn.output_tokens},
    }
