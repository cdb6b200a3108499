"""Passwords, kept as scrypt digests (RFC 7914)."""

import hashlib
import hmac
import secrets

COST = {"n": 2**12, "r": 8, "p": 1}
SALT_BYTES = 16


def digest_of(password: str) -> str:
    """What to keep of a password: `salt$digest`, in hexadecimal."""
    salt = secrets.token_bytes(SALT_BYTES)
    return f"{salt.hex()}${_scrypt(password, salt).hex()}"


def is_right(password: str, kept: str) -> bool:
    """Whether a password is the one that was kept; takes the same time either way."""
    salt, _, expected = kept.partition("$")
    return hmac.compare_digest(_scrypt(password, bytes.fromhex(salt)).hex(), expected)


def _scrypt(password: str, salt: bytes) -> bytes:
    encoded = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(encoded, salt=salt, n=COST["n"], r=COST["r"], p=COST["p"])
