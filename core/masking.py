"""What must not be seen: fields declared secret or personal are masked when shown, and sealed when kept."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from .errors import ConfigError
from .spellings import spelled
from .values import ClaimCheck

MASK = "***"
ALL = "*"
"""The path of a value itself: all of it."""
_SHORT = 4
_SEALED = "sealed:"


def masked(value: Any, paths: Iterable[str]) -> Any:
    """
    Replace what stands at the dotted paths; lists are passed through (`customer.name` masks every customer).

    A text or a number that stands where the path goes through is replaced too.
    """
    for path in paths:
        value = MASK if path == ALL else _mask(value, path.split("."))
    return value


def texts_at(value: Any, paths: Iterable[str]) -> frozenset[str]:
    """Give the texts and numbers that stand at the dotted paths, as texts."""
    return frozenset(text for path in paths for text in _at(value, [] if path == ALL else path.split(".")))


def places(value: Any, texts: Iterable[str]) -> tuple[str, ...]:
    """
    Name the fields of a value that repeat one of these texts: inside of a longer text, or, of a short one, as a whole.

    Numbers of fewer than four digits are not looked for: half of all counts are one of them.
    """
    followed = {text for text in texts if len(text) > 1 and (len(text) >= _SHORT or not text.isdigit())}
    if not followed:
        return ()
    inside = _any_of(followed, whole=True)

    def repeats(said: Any) -> bool:
        return (inside.search(said) if isinstance(said, str) else inside.fullmatch(str(said))) is not None

    return tuple(dict.fromkeys(".".join(path) or ALL for path in _places(value, repeats, ())))


def without(value: Any, texts: Iterable[str]) -> Any:
    """Replace these texts wherever they stand in a value: for what a remote system says back. Short ones only as words."""
    followed = frozenset(texts)
    return _without(value, _any_of(followed)) if followed else value


def _any_of(texts: Collection[str], *, whole: bool = False) -> re.Pattern[str]:
    """Give what finds texts, the longest first, in other spellings too; `whole`: short ones only where nothing else is said."""
    around = (r"\A\s*", r"\s*\Z") if whole else (r"(?<!\w)", r"(?!\w)")
    return re.compile(
        "|".join(
            f"(?i:{spelled(one)})" if len(one) >= _SHORT else f"{around[0]}{re.escape(one)}{around[1]}"
            for one in sorted(texts, key=len, reverse=True)
        )
    )


def told_by(token: str) -> str:
    """Give what a token of a page says of its last row; empty where it says nothing that can be read."""
    try:
        return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except ValueError:
        return ""


def _without(value: Any, pattern: re.Pattern[str]) -> Any:
    if isinstance(value, str):
        return pattern.sub(MASK, value)
    if isinstance(value, Mapping):
        return {name: _without(inner, pattern) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without(inner, pattern) for inner in value]
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool) and pattern.fullmatch(str(value)):
        return MASK
    return value


def _places(value: Any, repeats: Callable[[Any], bool], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            found = _places(inner, repeats, (*path, str(name)))
            if "." not in str(name) and not repeats(str(name)):
                yield from found
            elif repeats(str(name)) or next(found, None) is not None:
                yield path  # a field that cannot be named is hidden with what it is in
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _places(inner, repeats, path)
    elif value is not None and not isinstance(value, bool | bytes) and repeats(value):
        yield path


def _at(value: Any, path: list[str], *, at_top: bool = True) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _at(item, path, at_top=at_top)
    elif isinstance(value, Mapping):
        for inner in value.values() if not path else [value[path[0]]] if path[0] in value else []:
            yield from _at(inner, path[1:], at_top=False)
    elif (
        not (path and at_top)
        and value is not None
        and not isinstance(value, bool | bytes | ClaimCheck)
        and (text := str(value).strip())
    ):
        yield text


def _mask(value: Any, path: list[str]) -> Any:
    if isinstance(value, list):
        return [_mask(item, path) for item in value]
    if not isinstance(value, Mapping) or path[0] not in value:
        return value
    inner = MASK if len(path) == 1 else _within(value[path[0]], path[1:])
    return {**value, path[0]: inner}


def _within(value: Any, path: list[str]) -> Any:
    """Mask what stands there in place of an object, too: nobody can say where in it the field is."""
    if isinstance(value, list):
        return [_within(item, path) for item in value]
    return _mask(value, path) if value is None or isinstance(value, Mapping | bool | ClaimCheck) else MASK


class Vault:
    """Seals kept inputs with the configuration's `state_key`; without one, it refuses what must be sealed."""

    def __init__(self, state_key: str | None) -> None:
        digest = (
            hashlib.scrypt(state_key.encode(), salt=b"drawbar.state", n=2**14, r=8, p=1, dklen=32)
            if state_key
            else None
        )
        self.digest = digest
        """What other keys are derived from; None without a `state_key`."""
        self._box = _Box(digest) if digest else None

    def seal(self, text: str) -> str:
        if self._box is None:
            raise ConfigError(
                "fields declared secret or personal are encrypted where they are kept: state_key is not set",
                field="state_key",
                next="state_key: ${env:DRAWBAR_STATE_KEY}",
            )
        return _SEALED + self._box.encrypt(text.encode()).decode()

    @property
    def can_seal(self) -> bool:
        return self._box is not None

    def seal_bytes(self, body: bytes) -> bytes:
        """Seal a piece of a large value; only where `can_seal`."""
        assert self._box is not None
        return self._box.encrypt(body)

    def open_bytes(self, body: bytes) -> bytes:
        if self._box is None:
            raise ConfigError("a kept value is encrypted and state_key is not set", field="state_key")
        return self._box.opened(body, "value")

    def sealed(self, text: str) -> bool:
        return text.startswith(_SEALED)

    def open(self, text: str) -> str:
        """Give back what was sealed; what never was passes."""
        if not self.sealed(text):
            return text
        if self._box is None:
            raise ConfigError("a kept input is encrypted and state_key is not set", field="state_key")
        return self._box.opened(text[len(_SEALED) :].encode(), "input").decode()


class _Box:
    """What seals; its library is loaded where there is a key."""

    def __init__(self, digest: bytes) -> None:
        from cryptography.fernet import Fernet, InvalidToken

        fernet = Fernet(base64.urlsafe_b64encode(digest))
        self.encrypt = fernet.encrypt
        self._decrypt = fernet.decrypt
        self._refused = InvalidToken

    def opened(self, body: bytes, what: str) -> bytes:
        try:
            return self._decrypt(body)
        except self._refused as error:
            raise ConfigError(f"a kept {what} was encrypted with another state_key", field="state_key") from error
