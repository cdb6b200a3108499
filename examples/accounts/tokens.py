"""Signed tokens: JSON Web Tokens (RFC 7519) with HMAC-SHA256, from the standard library only."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

HEADER = {"alg": "HS256", "typ": "JWT"}
TOKEN_CHARACTERS_MAX = 4_096


class Claims(BaseModel):
    """What a token says."""

    sub: Annotated[str, Field(min_length=1)]
    scopes: list[str] = []
    exp: int


class InvalidTokenError(Exception):
    """A token that is not ours, is over, or is none at all; the message says which."""


def sign(name: str, scopes: list[str], lifetime_s: int, secret: str) -> str:
    """A token for a user, valid from now on for a time."""
    claims = Claims(sub=name, scopes=scopes, exp=int(time.time()) + lifetime_s)
    body = f"{_encode(json.dumps(HEADER).encode())}.{_encode(claims.model_dump_json().encode())}"
    return f"{body}.{_encode(_signature(body, secret))}"


def verify(token: str, secret: str) -> Claims:
    """What a token says, when its signature is right and its time not over."""
    if len(token) > TOKEN_CHARACTERS_MAX or not token.isascii():
        raise InvalidTokenError("The token is malformed")
    body, _, signature = token.rpartition(".")
    expected = _encode(_signature(body, secret))
    if not hmac.compare_digest(signature, expected):
        raise InvalidTokenError("The signature of the token is wrong")
    try:
        claims = Claims.model_validate_json(_decode(body.partition(".")[2]))
    except (ValidationError, binascii.Error) as error:
        raise InvalidTokenError("The token is malformed") from error
    if claims.exp <= time.time():
        raise InvalidTokenError("The token is no longer valid")
    return claims


def _signature(body: str, secret: str) -> bytes:
    return hmac.digest(secret.encode(), body.encode(), hashlib.sha256)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
