"""Headers, multi-dicts, URLs, state, uploads."""

from __future__ import annotations

import asyncio
import copy
import io
import pickle

import pytest

from fasterapi.datastructures import (
    URL,
    Address,
    FormData,
    Headers,
    ImmutableMultiDict,
    MultiDict,
    MutableHeaders,
    QueryParams,
    State,
    UploadFile,
)


def test_headers() -> None:
    h = Headers(raw=[(b"a", b"1"), (b"b", b"2"), (b"a", b"3")])
    assert h["A"] == h.get("a") == "1"
    assert "A" in h
    assert "c" not in h
    assert 3 not in h
    assert "☃" not in h
    assert h.getlist("A") == ["1", "3"]
    assert h.keys() == list(h) == ["a", "b", "a"]
    assert h.values() == ["1", "2", "3"]
    assert h.items() == [("a", "1"), ("b", "2"), ("a", "3")]
    assert len(h) == 3
    assert h == Headers(raw=[(b"b", b"2"), (b"a", b"3"), (b"a", b"1")])
    assert h != Headers({"a": "1"})
    assert h != {"a": "1"}
    assert repr(h) == "Headers(raw=[(b'a', b'1'), (b'b', b'2'), (b'a', b'3')])"
    assert repr(Headers({"A": "é"})) == "Headers({'a': 'é'})"
    assert Headers({"A": "é"}).raw == [(b"a", b"\xe9")]
    with pytest.raises(KeyError):
        h["c"]
    with pytest.raises(TypeError):
        h["c"] = "d"  # type: ignore[index]
    with pytest.raises(TypeError):
        Headers({}, [])


def test_mutable_headers() -> None:
    h = Headers(raw=[(b"a", b"1"), (b"b", b"2"), (b"a", b"3")]).mutablecopy()
    h["A"] = "9"
    assert h.raw == [(b"a", b"9"), (b"b", b"2")]
    h["C"] = "1"
    h.append("c", "2")
    assert h.getlist("c") == ["1", "2"]
    del h["C"]
    del h["absent"]
    assert h.setdefault("b", "x") == "2"
    assert h.setdefault("d", "x") == "x"
    h.update({"d": "y"})
    h |= {"e": "z"}
    assert (h | {"f": "w"}).keys() == ["a", "b", "d", "e", "f"]
    assert h.keys() == ["a", "b", "d", "e"]
    h.add_vary_header("Accept")
    h.add_vary_header("Cookie")
    assert h["vary"] == "Accept, Cookie"
    with pytest.raises(TypeError):
        h | 3
    with pytest.raises(TypeError):
        h |= 3
    raw = [(b"a", b"1")]
    MutableHeaders(raw=raw)["b"] = "2"
    assert raw == [(b"a", b"1"), (b"b", b"2")]


def test_immutable_multi_dict() -> None:
    d = ImmutableMultiDict([("a", 1), ("b", 2), ("a", 3)])
    assert d["a"] == d.get("a") == 3
    assert d.getlist("a") == [1, 3]
    assert d.getlist("x") == []
    assert list(d.keys()) == list(d) == ["a", "b"]
    assert list(d.values()) == [3, 2]
    assert list(d.items()) == [("a", 3), ("b", 2)]
    assert d.multi_items() == [("a", 1), ("b", 2), ("a", 3)]
    assert len(d) == 2
    assert "a" in d
    assert dict(d) == {"a": 3, "b": 2}
    assert d == ImmutableMultiDict([("b", 2), ("a", 1), ("a", 3)])
    assert d != ImmutableMultiDict([("b", 2), ("a", 3)])
    assert d != ImmutableMultiDict([("b", 2), ("a", 3), ("a", 4)])
    assert d != {"a": 3}
    assert repr(d) == "ImmutableMultiDict([('a', 1), ('b', 2), ('a', 3)])"
    assert ImmutableMultiDict({"a": 1}, b=2) == ImmutableMultiDict([("a", 1), ("b", 2)])
    assert ImmutableMultiDict(d) == d
    assert not ImmutableMultiDict()
    with pytest.raises(KeyError):
        d["x"]


def test_multi_dict() -> None:
    d = MultiDict([("a", 1), ("b", 2), ("a", 3)])
    d["a"] = 4
    assert d.multi_items() == [("b", 2), ("a", 4)]
    d.append("a", 5)
    assert d.poplist("a") == [4, 5]
    assert d.pop("a", "none") == "none"
    d.setlist("c", [1, 2])
    assert d.pop("c") == 2
    assert d.setdefault("b", 9) == 2
    assert d.setdefault("d", 9) == 9
    d.update([("d", 1), ("d", 2)], e=3)
    assert d.multi_items() == [("b", 2), ("d", 1), ("d", 2), ("e", 3)]
    assert d.popitem() == ("e", 3)
    c = d.copy()
    del d["d"]
    assert d.multi_items() == [("b", 2)]
    assert c.getlist("d") == [1, 2]
    d.clear()
    assert not d
    with pytest.raises(KeyError):
        del d["x"]


def test_query_params() -> None:
    q = QueryParams("a=1&a=2&b=&c&d=%C3%A9+x")
    assert q.multi_items() == [("a", "1"), ("a", "2"), ("b", ""), ("c", ""), ("d", "é x")]
    assert q == QueryParams(b"a=1&a=2&b=&c&d=%C3%A9+x")
    assert str(q) == "a=1&a=2&b=&c=&d=%C3%A9+x"
    assert repr(QueryParams("a=1")) == "QueryParams('a=1')"
    assert QueryParams({"a": 1})["a"] == "1"
    assert QueryParams([("a", "1")], b=2).multi_items() == [("a", "1"), ("b", "2")]
    assert not QueryParams(b"")
    assert QueryParams("a=%FF")["a"] == "�"


def test_url() -> None:
    u = URL("https://u:p@example.org:8000/a%20b?c=1&c=2#f")
    assert (u.scheme, u.netloc, u.path) == ("https", "u:p@example.org:8000", "/a%20b")
    assert (u.query, u.fragment, u.hostname, u.port) == ("c=1&c=2", "f", "example.org", 8000)
    assert (u.username, u.password, u.is_secure) == ("u", "p", True)
    assert u == "https://u:p@example.org:8000/a%20b?c=1&c=2#f"
    assert u == URL(str(u))
    assert u != 3
    assert hash(u) == hash(str(u))
    assert repr(u) == "URL('https://u:********@example.org:8000/a%20b?c=1&c=2#f')"
    assert u.replace(port=None, scheme="http") == "http://u:p@example.org/a%20b?c=1&c=2#f"
    assert u.replace(username=None, password=None).netloc == "example.org:8000"
    assert URL("http://[::1]:80/").replace(port=81) == "http://[::1]:81/"
    assert URL("http://x/?a=1").include_query_params(a=2, b=3) == "http://x/?a=2&b=3"
    assert URL("http://x/?a=1").replace_query_params(b=3) == "http://x/?b=3"
    assert URL("http://x/?a=1&b=2").remove_query_params("a") == "http://x/?b=2"
    assert URL("http://x/?a=1&b=2").remove_query_params(["a", "b"]) == "http://x/"
    assert URL("http://x/", path="/y") == "http://x/y"


def test_address() -> None:
    a = Address("::1", 80)
    assert (a.host, a.port) == a == ("::1", 80)
    assert repr(a) == "Address(host='::1', port=80)"
    assert copy.copy(a) == pickle.loads(pickle.dumps(a)) == a


def test_state() -> None:
    s = State({"a": 1})
    s.b = 2
    s["c"] = 3
    assert (s.a, s["b"], s.c) == (1, 2, 3)
    assert list(s) == ["a", "b", "c"]
    assert len(s) == 3
    assert "a" in s
    del s.a
    del s["b"]
    assert not hasattr(s, "a")
    assert copy.copy(s).c == 3
    assert repr(s) == "State({'c': 3})"
    with pytest.raises(AttributeError, match="no attribute 'a'"):
        s.a  # noqa: B018
    with pytest.raises(AttributeError):
        del s.a
    with pytest.raises(KeyError):
        s["a"]


def test_upload_file() -> None:
    async def use() -> None:
        upload = UploadFile(
            io.BytesIO(), size=0, filename="a", headers=Headers({"content-type": "x/y"})
        )
        await upload.write(b"abc")
        await upload.seek(1)
        assert await upload.read(1) == b"b"
        assert await upload.read() == b"c"
        assert (upload.size, upload.filename, upload.content_type) == (3, "a", "x/y")
        form = FormData([("f", upload), ("t", "text")])
        assert form == FormData([("t", "text"), ("f", upload)])
        await form.close()
        assert upload.file.closed
        assert UploadFile(io.BytesIO()).content_type is None

    asyncio.run(use())
