"""A running service, through REST: what `--server` makes of every operator's verb."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from ..core.adapter import FileAction
from ..core.errors import KINDS, ConfigError, DrawbarError, InputError, OutcomeUnknown, Unavailable
from ..core.values import parse_json, write_json
from .service import Json, Progress

_TIMEOUT_S = (5, 300)
_POLL_S = 0.2
_PART_BYTES = 1_048_576
_REASONS = {401: "unauthenticated", 403: "forbidden", 404: "not_found", 409: "conflict", 412: "stale", 413: "too_large"}
_REASONS |= {428: "condition_required", 429: "rate"}


class Remote:
    """One service at a URL; `key` is its API key, `tenant` the one that is called for."""

    works = False

    def __init__(self, url: str, key: str | None, tenant: str | None = None) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"{url!r} is no URL of a service", next="write --server http://127.0.0.1:8000")
        self._url = url.rstrip("/").removesuffix("/v1") + "/v1"
        self._session = requests.Session()
        # a proxy of the environment knows nothing of this machine's own ports
        self._session.trust_env = urlsplit(url).hostname not in {"localhost", "127.0.0.1", "::1"}
        if key:
            self._session.headers["Authorization"] = f"Bearer {key}"
        if tenant:
            self._session.headers["X-Tenant"] = tenant

    def adapters(self) -> list[Json]:
        return self._page("/adapters")

    def check(self, name: str, *, write: bool) -> Iterable[Json]:
        found: list[Json] = self._ask("POST", f"/adapters/{_in(name)}/check", body={"write": write})["findings"]
        return found

    def tools(self, *, q: str | None, adapter: str | None, effect: str | None) -> list[Json]:
        return self._page("/tools", q=q, adapter=adapter, effect=effect)

    def silent(self) -> Mapping[str, str]:
        found = self._ask("GET", "/health/systems")["items"]
        return {one["name"]: str(one.get("error") or "down") for one in found if one.get("state") == "down"}

    def tool(self, name: str) -> Json:
        return self._ask("GET", f"/tools/{_in(name)}")

    def export(self, form: str, agent: str | None) -> Any:
        if agent is not None:
            raise InputError("a running service writes the tools of whoever asks; leave out --agent, or --server")
        return self._ask("GET", "/tools/export", query={"format": form})

    def call(self, tool: str, arguments: Any, *, key: str | None, code: str | None) -> Json:
        headers = {"Idempotency-Key": key} if key else {}
        body = {"arguments": arguments, **({"code": code} if code is not None else {})}
        return self._ask("POST", f"/tools/{_in(tool)}/call", body=body, headers=headers)

    def preview(self, tool: str, arguments: Any) -> Json:
        return self._ask("POST", f"/tools/{_in(tool)}/preview", body={"arguments": arguments})

    def start(self, workflow: str, given: Any, *, key: str | None) -> Json:
        body = {name: value for name, value in (("input", given), ("key", key)) if value is not None}
        started = self._ask("POST", f"/workflows/{_in(workflow)}/run", body=body)
        return self.run(started["run_id"])

    def run(self, run_id: str) -> Json:
        return self._ask("GET", f"/runs/{_in(run_id)}")

    def runs(self, *, limit: int, **by: Any) -> list[Json]:
        return self._page("/runs", most=limit, **by)

    def tasks(self, run_id: str) -> list[Json]:
        return self._page(f"/runs/{_in(run_id)}/tasks")

    def events(self, run_id: str, after: int) -> list[Json]:
        return self._page(f"/runs/{_in(run_id)}/events", after=after)

    def act(self, run_id: str, verb: str, *, reason: str | None, given: Any = None, task: str | None = None) -> Json:
        said = {"reason": reason, "input": given, "from": task}
        body = {name: value for name, value in said.items() if value is not None}
        return self._ask("POST", f"/runs/{_in(run_id)}/{verb}", body=body)

    def approvals(self, *, state: str | None = "waiting", mine: bool = False) -> list[Json]:
        return self._page("/approvals", state=state or "all", mine="true" if mine else None)

    def answer(self, approval: str, *, approved: bool, reason: str | None) -> Json:
        verb = "approve" if approved else "reject"
        return self._ask("POST", f"/approvals/{_in(approval)}/{verb}", body=_why(reason))

    def assignments(self, agent: str | None, *, state: str | None = "open") -> list[Json]:
        path = "/assignments" if agent is None else f"/agents/{_in(agent)}/assignments"
        return self._page(path, state=state or "all")

    def answer_assignment(self, assignment: str, *, output: Any, error: str | None) -> Json:
        said = {"output": output} if error is None else {"error": error}
        return self._ask("POST", f"/assignments/{_in(assignment)}/answer", body=said)

    def letters(self, **by: Any) -> list[Json]:
        return self._page("/dead-letters", **by)

    def many_letters(
        self, verb: str, by: Json, *, dry_run: bool, every: bool, reason: str | None, **said: Any
    ) -> Iterator[Json]:
        body = {"filter": by, "all": every, "dry_run": dry_run, **_why(reason), **said}
        while True:
            page = self._ask("POST", f"/dead-letters/{verb}", body=body)
            yield from page["items"]
            if page["next"] is None:
                return
            body["after"] = page["next"]

    def letter(self, letter: str) -> Json:
        return self._ask("GET", f"/dead-letters/{_in(letter)}")

    def settle(self, letter: str, *, done: bool, result: Any, reason: str | None) -> Json:
        body = {"done": done, **({"result": result} if result is not None else {}), **_why(reason)}
        return self._ask("POST", f"/dead-letters/{_in(letter)}/settle", body=body)

    def send(self, letter: str, *, reason: str | None) -> Json:
        return self._ask("POST", f"/dead-letters/{_in(letter)}/send", body=_why(reason))

    def drop(self, letter: str, *, reason: str | None) -> None:
        self._ask("DELETE", f"/dead-letters/{_in(letter)}", query=_why(reason))

    def syncs(self) -> list[Json]:
        return self._page("/syncs")

    def sync(self, name: str, options: Mapping[str, Any], progress: Progress) -> Json:
        seen = self._ask("POST", f"/syncs/{_in(name)}/run", body=dict(options))
        while seen["status"] == "running":
            time.sleep(_POLL_S)
            seen = self._ask("GET", f"/sync-runs/{_in(seen['id'])}")
            progress(seen.get("read") or 0, seen.get("total"))
        return seen

    def sync_run(self, run: str) -> Json:
        return self._ask("GET", f"/sync-runs/{_in(run)}")

    def sync_ddl(self, name: str) -> Json:
        return self._ask("GET", f"/syncs/{_in(name)}/ddl")

    def cursor(self, name: str) -> Json:
        return self._ask("GET", f"/syncs/{_in(name)}/cursor")

    def set_cursor(self, name: str, value: Any, *, reason: str | None) -> Json:
        return self._ask("PUT", f"/syncs/{_in(name)}/cursor", body={"cursor": value, **_why(reason)})

    def files(self, feed: str, *, state: str | None) -> list[Json]:
        return self._page(f"/feeds/{_in(feed)}/files", state=state)

    def act_on_file(self, feed: str, file: str, verb: FileAction, *, reason: str | None) -> Json:
        return self._ask("POST", f"/feeds/{_in(feed)}/files/{_in(file)}/{verb}", body=_why(reason))

    def hold(self, name: str, *, until: datetime | None, reason: str | None) -> Json:
        said = {"until": until.isoformat()} if until else {}
        return self._ask("POST", "/holds", body={"name": name, **said, **_why(reason)})

    def release(self, name: str, *, reason: str | None) -> None:
        self._ask("DELETE", f"/holds/{_in(name)}", query=_why(reason))

    def claim(self, claim: str) -> Iterator[bytes]:
        at, size = 0, 1
        while at < size:
            wanted = {"Range": f"bytes={at}-{at + _PART_BYTES - 1}"}
            answer = self._answer("GET", f"/claims/{_in(claim)}", headers=wanted)
            yield answer.content
            at += len(answer.content)
            size = int(answer.headers.get("Content-Range", f"/{at}").rpartition("/")[2])

    def status(self) -> Json:
        return self._ask("GET", "/status")

    def audit(self, *, limit: int, **by: Any) -> list[Json]:
        return self._page("/audit", most=limit, **by)

    def verify_audit(self) -> Json:
        return self._ask("GET", "/audit/verify")

    def close(self) -> None:
        self._session.close()

    def _page(self, path: str, *, most: int | None = None, **by: Any) -> list[Json]:
        """Read a list to its end, or so many of it."""
        found: list[Json] = []
        query = {name: value for name, value in by.items() if value is not None}
        while True:
            page = self._ask("GET", path, query=query)
            found += page["items"]
            if page.get("next") is None or (most is not None and len(found) >= most):
                return found if most is None else found[:most]
            query["after"] = page["next"]

    def _ask(self, method: str, path: str, **said: Any) -> Json:
        answer = self._answer(method, path, **said)
        found = parse_json(answer.content, what="the answer") if answer.content else {}
        if not isinstance(found, dict):
            raise Unavailable(f"what answers at {self._url} is no Drawbar")
        return found

    def _answer(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        sent = {**(headers or {}), **({"Content-Type": "application/json"} if body is not None else {})}
        data = None if body is None else write_json(body)
        try:
            answer = self._session.request(
                method, self._url + path, params=query, data=data, headers=sent, timeout=_TIMEOUT_S
            )
        except (requests.ConnectTimeout, requests.exceptions.SSLError, requests.ConnectionError) as error:
            raise _no_answer(method, self._url, error) from error
        except requests.RequestException as error:
            kind = Unavailable if method == "GET" else OutcomeUnknown
            raise kind(f"{self._url} did not answer: {type(error).__name__}") from error
        if answer.status_code >= 400:
            raise _problem(answer)
        return answer


def _in(part: str) -> str:
    return quote(part, safe="")


def _why(reason: str | None) -> Json:
    return {} if reason is None else {"reason": reason}


def _no_answer(method: str, url: str, error: Exception) -> DrawbarError:
    text = str(error)
    refused = "refused" in text or "NewConnectionError" in text or "resolve" in text
    if method == "GET" or refused or isinstance(error, requests.exceptions.SSLError):
        return Unavailable(f"no service answers at {url}", next="is `drawbar serve` running there?")
    return OutcomeUnknown(
        f"the connection to {url} broke before the answer", next="look what came of it before you repeat it"
    )


def _problem(answer: requests.Response) -> DrawbarError:
    """Give problem+json back as the error that it was over there."""
    try:
        said = parse_json(answer.content)
    except InputError:
        said = None
    if not isinstance(said, dict) or said.get("kind") not in KINDS:
        return Unavailable(f"the service answered {answer.status_code} without saying why")
    fields = {name: said.get(name) for name in ("field", "next", "retry_after_s", "id", "tool")}
    fields["detail"] = said.get("evidence", said.get("errors"))
    if fields["retry_after_s"] is not None:
        fields["retry_after_s"] = float(fields["retry_after_s"])
    kind = KINDS[said["kind"]]
    if kind is InputError:
        fields["reason"] = said.get("reason") or _REASONS.get(answer.status_code, "invalid")
    return kind(str(said.get("detail") or said.get("title")), **fields)
