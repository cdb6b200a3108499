"""Signed text with a time: what ``itsdangerous.TimestampSigner`` writes and reads.

``value.time.signature``: the time is in seconds since 1970, big-endian; the signature
is HMAC-SHA1 under ``SHA1(salt + "signer" + secret)``; both are in URL-safe Base64
without padding. SHA-1 is the format's choice; as an HMAC it is still sound (RFC 6194).
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

_SALT = b"itsdangerous.Signer"
_TIME_BYTES_MAX = 8


class BadSignatureError(ValueError):
    """The text is not what was signed, or it was signed too long ago."""


class TimestampSigner:
    """Signs with a secret, and checks what was signed."""

    __slots__ = ("_key",)

    def __init__(self, secret_key: str | bytes) -> None:
        """Derive the key; the secret itself is not kept."""
        from hashlib import sha1

        secret = secret_key.encode() if isinstance(secret_key, str) else secret_key
        self._key = sha1(_SALT + b"signer" + secret, usedforsecurity=False).digest()

    def sign(self, value: bytes) -> bytes:
        """``value`` with the present time and a signature over both."""
        now = _now_s()
        stamped = value + b"." + _encoded(now.to_bytes((now.bit_length() + 7) // 8, "big"))
        return stamped + b"." + _encoded(self._signature(stamped))

    def unsign(self, signed: bytes, max_age_s: int | None = None) -> bytes:
        """The value that was signed at most ``max_age_s`` seconds ago.

        Raises ``BadSignatureError``.
        """
        from hmac import compare_digest

        stamped, dot, signature = signed.rpartition(b".")
        if not dot or not compare_digest(_decoded(signature), self._signature(stamped)):
            raise BadSignatureError("the signature does not match")
        value, dot, time = stamped.rpartition(b".")
        moment = _decoded(time)
        if not dot or len(moment) > _TIME_BYTES_MAX:
            raise BadSignatureError("there is no time")
        if max_age_s is not None and not 0 <= _now_s() - int.from_bytes(moment, "big") <= max_age_s:
            raise BadSignatureError("it was signed too long ago, or will be in the future")
        return value

    def _signature(self, text: bytes) -> bytes:
        from hmac import digest

        return digest(self._key, text, "sha1")


def _now_s() -> int:
    from time import time

    return int(time())


def _encoded(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


def _decoded(text: bytes) -> bytes:
    try:
        return urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except ValueError as error:
        raise BadSignatureError("it is not Base64") from error
