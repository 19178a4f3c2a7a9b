"""
The wire to models: OpenAI's chat completions, of any compatible server, and Anthropic's messages.

Only the model layer of pydantic-ai is used. The loop around it is ours (core/agents_work.py), since it must outlive the process.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import TimeoutError as TooLate
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from ..core.agents_config import ModelConfig
from ..core.agents_model import Question, Said, Told, Wish
from ..core.errors import ConfigError, Rejected, Unavailable

try:
    import httpx2
    from pydantic_ai import exceptions as wrong
    from pydantic_ai.messages import (
        ModelMessage,
        ModelMessagesTypeAdapter,
        ModelRequest,
        ModelResponse,
        TextPart,
        ToolCallPart,
        ToolReturnPart,
        UserPromptPart,
    )
    from pydantic_ai.models import Model as Wire
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.output import OutputObjectDefinition
    from pydantic_ai.settings import ModelSettings
    from pydantic_ai.tools import ToolDefinition
except ImportError as error:
    raise ConfigError(f"agents with a model: {error}", field="model", next="pip install 'drawbar[agents]'") from error

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")
_MORE_S = 5.0
_CONNECT_S = 10.0
_HERE = {"localhost", "127.0.0.1", "::1"}


class Models:
    """All models of this process, on one thread of their own that waits for all their answers."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._wires: dict[str, Wire] = {}
        self._clients: list[httpx2.AsyncClient] = []

    def ask(self, question: Question, config: ModelConfig) -> Said:
        """See `core.agents_model.Model`."""
        settings = ModelSettings(timeout=config.timeout_s, max_tokens=config.max_output_tokens)
        if config.temperature is not None:
            settings["temperature"] = config.temperature
        try:
            asked = self._wire(config).request(_messages(question), settings, _parameters(question, config))
            answer = self._wait(asked, config.timeout_s + _MORE_S)
        except TooLate as error:
            raise Unavailable(f"{_where(config)} did not answer within {config.timeout_s:g} s") from error
        except wrong.AgentRunError as error:
            raise _translated(error, config) from error
        except wrong.UserError as error:
            raise ConfigError(f"{_where(config)}: {error}", field="model") from error
        except (AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:  # of a form it knows not
            raise _unreadable(error, config) from error
        said = _said(answer)
        if answer.finish_reason == "content_filter" and not said.text and not said.wishes:
            raise Rejected(f"{_where(config)} does not answer this (content filter)", next="ask for something else")
        return said

    def close(self) -> None:
        """Let go of every connection; who waits hears that nothing came."""
        with self._lock:
            loop, self._loop = self._loop, None
            clients, self._clients = self._clients, []
            self._wires.clear()
        if loop is not None:
            for client in clients:
                asyncio.run_coroutine_threadsafe(client.aclose(), loop).result(_MORE_S)
            loop.call_soon_threadsafe(loop.stop)

    def _wait(self, asked: Coroutine[Any, Any, T], timeout_s: float) -> T:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="drawbar-models", daemon=True).start()
            loop = self._loop
        waiting = asyncio.run_coroutine_threadsafe(asked, loop)
        try:
            return waiting.result(timeout_s)
        finally:
            waiting.cancel()

    def _wire(self, config: ModelConfig) -> Wire:
        key = config.model_dump_json() + config.api_key.get_secret_value()
        with self._lock:
            if key not in self._wires:
                client = httpx2.AsyncClient(
                    timeout=httpx2.Timeout(config.timeout_s, connect=min(_CONNECT_S, config.timeout_s)),
                    # a proxy of the environment knows nothing of this machine's own ports
                    trust_env=config.base_url is None or urlsplit(config.base_url).hostname not in _HERE,
                )
                self._clients.append(client)
                self._wires[key] = _WIRES[config.provider](config, client)
            return self._wires[key]


def _openai(config: ModelConfig, client: httpx2.AsyncClient) -> Wire:
    from openai import AsyncOpenAI
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

    # Never from the environment: an address or a key that nobody configured is nobody's.
    url = config.base_url or "https://api.openai.com/v1"
    line = AsyncOpenAI(api_key=_key(config), base_url=url, max_retries=0, http_client=client)
    provider: Any = (
        OpenAIProvider(openai_client=line)
        if config.base_url is None
        else OpenAICompatibleProvider(urlsplit(url).hostname or "local", openai_client=line)
    )
    return OpenAIChatModel(config.name, provider=provider)


def _anthropic(config: ModelConfig, client: httpx2.AsyncClient) -> Wire:
    from anthropic import AsyncAnthropic
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    url = config.base_url or "https://api.anthropic.com"
    # The library sends the key as a bearer; servers that are compatible look for it where it used to be.
    also = {} if config.base_url is None else {"x-api-key": _key(config)}
    line = AsyncAnthropic(api_key=_key(config), base_url=url, max_retries=0, http_client=client, default_headers=also)
    return AnthropicModel(config.name, provider=AnthropicProvider(anthropic_client=line))


_WIRES = {"openai": _openai, "anthropic": _anthropic}


def _key(config: ModelConfig) -> str:
    return config.api_key.get_secret_value() or "none"  # the libraries insist on one, servers of one's own do not


def _messages(question: Question) -> list[ModelMessage]:
    talk: list[ModelMessage] = []
    for turn in question.talk:
        talk += [_response(turn)] if isinstance(turn, Said) else [_request(turn, question.instructions)]
    return talk


def _request(told: Sequence[Told], instructions: str) -> ModelRequest:
    parts = [
        UserPromptPart(one.text)
        if one.wish is None
        else ToolReturnPart(tool_name=one.wish.tool, content=one.text, tool_call_id=one.wish.id)
        for one in told
    ]
    return ModelRequest(parts=parts, instructions=instructions or None)


def _response(said: Said) -> ModelMessage:
    """Give an answer back as it came; one that another version of the library kept is made anew of what it said."""
    try:
        return ModelMessagesTypeAdapter.validate_python(said.kept)[0]
    except (ValueError, IndexError):
        calls = [ToolCallPart(one.tool, one.arguments, tool_call_id=one.id) for one in said.wishes]
        return ModelResponse(parts=[TextPart(said.text), *calls] if said.text else list(calls))


def _parameters(question: Question, config: ModelConfig) -> ModelRequestParameters:
    tools = [
        ToolDefinition(
            name=one.name, description=one.description, parameters_json_schema=dict(one.parameters), strict=False
        )
        for one in question.tools
    ]
    if config.structured and question.output is not None and question.output.get("type") == "object":
        wanted = OutputObjectDefinition(json_schema=dict(question.output), name="answer")
        return ModelRequestParameters(function_tools=tools, output_mode="native", output_object=wanted)
    return ModelRequestParameters(function_tools=tools)


def _said(answer: ModelResponse) -> Said:
    wishes = tuple(
        Wish(*map(_whole, (part.tool_call_id, part.tool_name, _arguments(part))))
        for part in answer.parts
        if isinstance(part, ToolCallPart)
    )
    return Said(
        text=_whole("".join(_texts(answer))),
        wishes=wishes,
        input_tokens=answer.usage.input_tokens,
        output_tokens=answer.usage.output_tokens,
        cut=answer.finish_reason == "length",
        kept=json.loads(
            _whole(json.dumps(ModelMessagesTypeAdapter.dump_python([answer], mode="json"), ensure_ascii=False))
        ),
    )


def _arguments(part: ToolCallPart) -> str:
    return part.args if isinstance(part.args, str) else part.args_as_json_str()


def _whole(text: str) -> str:
    """Replace halves of characters, which JSON may spell and nothing can store."""
    return text.encode(errors="replace").decode()


def _texts(answer: ModelResponse) -> Iterable[str]:
    return (part.content for part in answer.parts if isinstance(part, TextPart))


def _translated(error: wrong.AgentRunError, config: ModelConfig) -> ConfigError | Rejected | Unavailable:
    """Say what a failure of the library means for who asked. What the provider wrote is shown, and no more of it than fits."""
    where, status = _where(config), getattr(error, "status_code", None)
    after_s = getattr(error, "retry_after", None)
    if isinstance(error, wrong.ModelAuthenticationError) or status in {401, 403}:
        return ConfigError(f"{where} refuses the key", field="model.api_key", next="look at model.api_key")
    if isinstance(error, wrong.ModelNotFoundError) or status == 404:
        return ConfigError(f"{where} is not found", field="model.name", next="look at model.name and model.base_url")
    if isinstance(error, wrong.ModelContextWindowExceededError):
        return Rejected(f"the talk is too long for {where}", next="give it less: fewer rows, shorter tasks")
    if isinstance(error, wrong.ModelQuotaExceededError):
        return Rejected(f"{where}: the quota is used up", next="look at your account there")
    if isinstance(error, wrong.ModelTimeoutError):
        return Unavailable(f"{where} did not answer within {config.timeout_s:g} s")
    if isinstance(error, wrong.ModelConnectionError):
        return Unavailable(f"{where} cannot be reached")
    if isinstance(error, wrong.ModelRateLimitError) or status in {408, 409, 425, 429}:
        return Unavailable(f"{where} is busy ({status})", retry_after_s=after_s)
    if status is not None and status < 500:
        return Rejected(f"{where} answered {status}: {_words(error)}")
    if status is None and isinstance(error, wrong.UnexpectedModelBehavior):
        return _unreadable(error, config)
    return Unavailable(f"{where} answered {status or _words(error)}", retry_after_s=after_s)


def _unreadable(error: Exception, config: ModelConfig) -> Unavailable:
    return Unavailable(f"{_where(config)} gave an answer that cannot be read: {_words(error)}")


def _words(error: Exception) -> str:
    body = getattr(error, "body", None)
    if isinstance(body, dict):
        inner = body.get("error", body)
        said = inner.get("message") if isinstance(inner, dict) else inner
        return " ".join(str(said or body).split())[:300]
    return " ".join(str(error).split())[:300]


def _where(config: ModelConfig) -> str:
    host = urlsplit(config.base_url).netloc.rpartition("@")[2] if config.base_url else config.provider
    return f"the model {config.name} at {host}"
