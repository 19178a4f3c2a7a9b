"""Algorithms of an SSH connection: what we offer, legacy ones by explicit name, and why no key exchange came about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha1
from typing import Any, ClassVar

from cryptography.hazmat.primitives import hashes
from paramiko import Message, RSAKey, Transport
from paramiko.kex_gex import KexGexSHA256
from paramiko.kex_group14 import KexGroup14SHA256

from ..core.errors import ConfigError

PARTS = {
    "kex": ("_preferred_kex", "_kex_info", "kex_algo_list"),
    "host_keys": ("_preferred_keys", "_key_info", "server_key_algo_list"),
    "ciphers": ("_preferred_ciphers", "_cipher_info", "client_encrypt_algo_list"),
    "macs": ("_preferred_macs", "_mac_info", "client_mac_algo_list"),
    "public_keys": ("_preferred_pubkeys", "_key_info", None),
}
_FIRST_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
_GOOD_MACS = (
    "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512",
)  # fmt: skip


class _Group14Sha1(KexGroup14SHA256):
    name = "diffie-hellman-group14-sha1"
    hash_algo = sha1


class _Group1Sha1(KexGroup14SHA256):
    """RFC 4253, section 8.1; its prime is that of RFC 2409, section 6.2."""

    name = "diffie-hellman-group1-sha1"
    hash_algo = sha1
    P = int(
        "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
        "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
        "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF",
        16,
    )


class _GroupExchangeSha1(KexGexSHA256):
    name = "diffie-hellman-group-exchange-sha1"
    hash_algo = sha1


class LegacyRsa(RSAKey):
    """An RSA key whose signatures may be of the kind that was all there was until 2017."""

    HASHES: ClassVar[dict[str, Any]] = {**RSAKey.HASHES, "ssh-rsa": hashes.SHA1}  # type: ignore[misc]  # it is one there


class Line(Transport):
    """A connection that remembers what the server offered, and knows algorithms that the library has given up."""

    _kex_info: ClassVar[dict[str, Any]] = {
        **Transport._kex_info,  # type: ignore[attr-defined]  # noqa: SLF001 - there is no other door
        **{one.name: one for one in (_Group14Sha1, _Group1Sha1, _GroupExchangeSha1)},
    }
    _key_info: ClassVar[dict[str, Any]] = {**Transport._key_info, "ssh-rsa": LegacyRsa}  # type: ignore[attr-defined]  # noqa: SLF001
    _preferred_ciphers = _FIRST_CIPHERS
    _preferred_macs = _GOOD_MACS

    offered: Mapping[str, Sequence[str]] | None = None
    below: Transport | None = None

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        """Give what is asked for as it stands: the library would ask for certificates behind each list."""
        return tuple(self._preferred_keys)  # type: ignore[attr-defined]  # not in its stubs

    def close(self) -> None:
        """Close the connection, and the one that it goes through."""
        super().close()
        if self.below is not None:
            self.below.close()

    def allow(self, legacy: Mapping[str, Sequence[str]]) -> None:
        """Offer these too, after what is better; RSA keys that log in prefer them, since old servers cannot say."""
        for part, names in legacy.items():
            preferred = PARTS[part][0]
            mine = [name for name in getattr(self, preferred) if name not in names]
            setattr(self, preferred, tuple([*names, *mine] if part == "public_keys" else [*mine, *names]))

    def why_not(self, host: str) -> ConfigError | None:
        """Explain a key exchange that failed: which part, what each side offers, what to set."""
        for part, (preferred, known, theirs) in PARTS.items():
            if self.offered is None or theirs is None:
                continue
            ours = getattr(self, preferred)
            offered = [name for name in self.offered[theirs] if not name.startswith(("ext-info", "kex-strict"))]
            if not set(ours) & set(offered):
                can = [name for name in offered if name in getattr(self, known)]
                return _no_common(host, part, ours, offered, can)
        return None

    def _really_parse_kex_init(self, m: Message, ignore_first_byte: bool = False) -> Any:
        parsed = super()._really_parse_kex_init(m, ignore_first_byte)  # type: ignore[misc]  # not in its stubs
        if not ignore_first_byte:
            self.offered = {name: list(value) for name, value in parsed.items() if isinstance(value, list)}
        return parsed


def unknown_names(legacy: Mapping[str, Sequence[str]]) -> str | None:
    """Name the first algorithm that nobody here knows."""
    for part, names in legacy.items():
        known = getattr(Line, PARTS[part][1])
        for name in names:
            if name not in known:
                return f"{part}: {name} is not known here; known: {', '.join(sorted(known))}"
    return None


def _no_common(host: str, part: str, ours: Sequence[str], offered: Sequence[str], can: Sequence[str]) -> ConfigError:
    said = f"{host} and we have no {part} in common: it offers {', '.join(offered)}; we offer {', '.join(ours)}"
    if can:
        step = f"ask its owner for better ones; until then set ssh: {{ algorithms: {{ {part}: [{', '.join(can)}] }} }}"
    else:
        step = f"nothing that it offers is known here: its owner must allow one of {', '.join(ours)}"
    return ConfigError(said, field="ssh.algorithms", next=step)


__all__ = ["PARTS", "LegacyRsa", "Line", "unknown_names"]
