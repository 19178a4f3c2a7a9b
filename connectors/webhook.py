"""The wire to a webhook: one POST of JSON, at most once each time it is called."""

from __future__ import annotations

from urllib.parse import urlsplit

import requests

from ..core.errors import Rejected, Unavailable

TIMEOUT_S = (3.0, 7.0)
_LATER = {408, 425, 429}


def post(url: str, body: bytes, headers: dict[str, str]) -> None:
    """
    Send; return when the other side has taken it.

    Unavailable when it may take it later, Rejected when it said no. Messages name the host alone: paths hold tokens.
    """
    host = urlsplit(url).hostname
    with requests.Session() as session:
        # a proxy of the environment knows nothing of this machine's own ports
        session.trust_env = host not in {"localhost", "127.0.0.1", "::1"}
        try:
            answer = session.post(
                url, data=body, headers=headers, timeout=TIMEOUT_S, allow_redirects=False, stream=True
            )
        except requests.RequestException as error:
            raise Unavailable(f"the webhook at {host} did not answer: {type(error).__name__}") from None
        status = answer.status_code
        answer.close()
    if status >= 500 or status in _LATER:
        raise Unavailable(f"the webhook at {host} answered {status}")
    if status >= 300:
        raise Rejected(f"the webhook at {host} answered {status}", next="look at notify.to.webhook")
