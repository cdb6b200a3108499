"""Signed sessions, also those that itsdangerous has signed."""

import json
from base64 import b64decode, b64encode

import pytest

from fasterapi.middleware import _signing, sessions
from fasterapi.middleware._signing import BadSignatureError, TimestampSigner
from fasterapi.middleware.sessions import Session, SessionMiddleware
from middleware_support import run, scope

# Signed with the secret "secret" by itsdangerous.TimestampSigner at the second 1700000000.
SIGNED = b"eyJhIjogMX0=.ZVPxAA.xG24nPALo8AhuefWvxeYlShMy1g"
THEN_S = 1_700_000_000


def app(change):
    async def inner(scope, receive, send):
        change(scope["session"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(scope["session"]).encode()})

    return inner


def cookie_of(answer):
    return answer.field("set-cookie").partition(";")[0].partition("=")[2]


def asked(cookie, change=lambda session: None, **options):
    headers = [("Cookie", f"session={cookie}")] if cookie else []
    return run(SessionMiddleware(app(change), "secret", **options), scope(headers=headers))


def test_a_session_comes_back():
    first = asked(None, lambda session: session.update(user="ann"))
    assert first.field("set-cookie").endswith("; path=/; Max-Age=1209600; httponly; samesite=lax")
    assert first.field("vary") == "Cookie"
    again = asked(cookie_of(first))
    assert again.body == b'{"user": "ann"}'
    assert again.field("set-cookie") is None


def test_a_cleared_session_is_forgotten():
    first = asked(None, lambda session: session.update(user="ann"))
    gone = asked(cookie_of(first), lambda session: session.clear())
    assert gone.field("set-cookie") == (
        "session=null; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT; httponly; samesite=lax"
    )
    assert asked(None, lambda session: session.clear()).field("set-cookie") is None


def test_flags():
    answer = asked(
        None,
        lambda session: session.setdefault("a", 1),
        max_age=None,
        same_site="strict",
        https_only=True,
        domain="a.com",
        partitioned=True,
        path="/p",
    )
    assert answer.field("set-cookie").partition("; ")[2] == (
        "path=/p; httponly; samesite=strict; secure; domain=a.com; partitioned"
    )


def test_what_was_changed_is_not_believed():
    cookie = cookie_of(asked(None, lambda session: session.update(a=1)))
    for other in [cookie[:-1], "x" + cookie, cookie.replace(".", ""), "null", "..", "x" * 40_000]:
        assert asked(other).body == b"{}", other


def test_old_sessions_are_not_believed(monkeypatch):
    cookie = cookie_of(asked(None, lambda session: session.update(a=1)))
    assert asked(cookie, max_age=None).body == b'{"a": 1}'
    now = _signing._now_s()
    monkeypatch.setattr(_signing, "_now_s", lambda: now + 20)
    assert asked(cookie, max_age=30).body == b'{"a": 1}'
    assert asked(cookie, max_age=10).body == b"{}"
    monkeypatch.setattr(_signing, "_now_s", lambda: now - 20)
    assert asked(cookie, max_age=30).body == b"{}"


def test_a_session_that_is_too_large_is_refused():
    with pytest.raises(ValueError, match="Keep only an identifier"):
        asked(None, lambda session: session.update(a="x" * sessions.SESSION_COOKIE_BYTES_MAX))


def test_only_dicts_are_sessions():
    signer = TimestampSigner("secret")
    for content in [b"1", b"[1]", b"null", b'"a"', b"{", b"\xff"]:
        assert asked(signer.sign(b64encode(content)).decode()).body == b"{}", content


def test_the_format_is_that_of_itsdangerous(monkeypatch):
    monkeypatch.setattr(_signing, "_now_s", lambda: THEN_S)
    signer = TimestampSigner("secret")
    assert signer.sign(b64encode(b'{"a": 1}')) == SIGNED
    assert json.loads(b64decode(signer.unsign(SIGNED, 10))) == {"a": 1}
    with pytest.raises(BadSignatureError):
        TimestampSigner("other").unsign(SIGNED)


def test_itsdangerous_reads_and_writes_the_same():
    itsdangerous = pytest.importorskip("itsdangerous")
    theirs, ours = itsdangerous.TimestampSigner("s\u00e9cret"), TimestampSigner("s\u00e9cret")
    assert theirs.unsign(ours.sign(b"value.with.dots"), 60) == b"value.with.dots"
    assert ours.unsign(theirs.sign(b"value.with.dots"), 60) == b"value.with.dots"


def test_starlettes_cookies_verify():
    starlette = pytest.importorskip("starlette.middleware.sessions")

    def change(session):
        session["a"] = 1

    theirs = run(starlette.SessionMiddleware(app(change), "secret"), scope())
    ours = asked(None, change)
    assert asked(cookie_of(theirs)).body == b'{"a": 1}'
    headers = [("Cookie", f"session={cookie_of(ours)}")]
    again = run(starlette.SessionMiddleware(app(lambda s: None), "secret"), scope(headers=headers))
    assert again.body == b'{"a": 1}'


def test_a_session_knows_what_was_done_to_it():
    changes = [
        lambda s: s.__setitem__("b", 1),
        lambda s: s.__delitem__("a"),
        lambda s: s.clear(),
        lambda s: s.pop("a"),
        lambda s: s.popitem(),
        lambda s: s.setdefault("b", 1),
        lambda s: s.update(b=1),
        lambda s: s.__ior__({"b": 1}),
        lambda s: s.mark_modified(),
    ]
    for change in changes:
        session = Session(a=1)
        assert not session.modified
        change(session)
        assert session.modified
        assert session.accessed
    session = Session(a=1)
    session.pop("none", None)
    session.setdefault("a", 2)
    session.mark_accessed()
    assert session.accessed
    assert not session.modified
