"""Bad input gets a 4xx that says what is wrong; the server goes on as if nothing had been."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from live_server import own_virtual_environment, rss_bytes

if TYPE_CHECKING:
    from conftest import Serve
    from live_server import Server

DEPTH = 10_000
RSS_GROWTH_BYTES_MAX = 48 * 2**20
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
JSON = "application/json"
MULTIPART = "multipart/form-data; boundary=b"


@pytest.fixture(scope="module")
def server(serve_for_module: Serve) -> Server:
    """The application that takes everything."""
    return serve_for_module("bad_input", env=own_virtual_environment())


def send(
    server: Server,
    method: str,
    target: str | bytes,
    body: bytes = b"",
    *fields: str | bytes,
    content_type: str = "",
) -> tuple[int, bytes, bytes]:
    """Status, head and body of one raw request; fails when there is not exactly one answer."""
    target = target.encode() if isinstance(target, str) else target
    lines = [method.encode() + b" " + target + b" HTTP/1.1", b"host: x", b"connection: close"]
    lines += [field.encode() if isinstance(field, str) else field for field in fields]
    if content_type:
        lines.append(f"content-type: {content_type}".encode())
    if body:
        lines.append(f"content-length: {len(body)}".encode())
    answer = server.exchange(b"\r\n".join(lines) + b"\r\n\r\n" + body)
    head, _, content = answer.partition(b"\r\n\r\n")
    found = STATUS.match(head)
    assert found is not None, answer[:200]
    return int(found[1]), head, content


def check_fine(server: Server) -> None:
    """The next request is answered as if nothing had been."""
    status, _, content = send(server, "GET", "/")
    assert (status, content) == (200, b'"fine"')


def refused(server: Server, answer: tuple[int, bytes, bytes], *statuses: int) -> object:
    """The detail of a refusal; fails unless it is one of these and says why."""
    status, _, content = answer
    assert status in statuses, answer
    assert content, answer
    check_fine(server)
    try:
        value = json.loads(content)
    except ValueError:
        # What Rust refuses before any handler is known is plain text.
        return content.decode()
    return value["detail"]


def only_error(detail: object) -> tuple[str, list[object]]:
    """Type and location of the only error of a 422."""
    assert isinstance(detail, list)
    (error,) = detail
    assert error["msg"]
    return error["type"], error["loc"]


class TestParameters:
    """Path, query, headers and cookies."""

    @pytest.mark.parametrize(
        ("target", "kind", "location"),
        [
            ("/int/abc", "int_parsing", ["path", "number"]),
            ("/int/1.5", "int_parsing", ["path", "number"]),
            ("/int/%20", "int_parsing", ["path", "number"]),
            ("/int/" + "9" * 5_000, "int_parsing_size", ["path", "number"]),
            ("/int/1?q=", "int_parsing", ["query", "q"]),
            ("/int/1?q=0x10", "int_parsing", ["query", "q"]),
            ("/int/1?q=1&q=b", "int_parsing", ["query", "q"]),
            ("/float/NaN", "finite_number", ["path", "number"]),
            ("/float/-Infinity", "finite_number", ["path", "number"]),
            ("/float/1e999", "finite_number", ["path", "number"]),
            ("/needed?one=1", "missing", ["query", "two"]),
            ("/many", "missing", ["query", "q"]),
            ("/many?q=1&q=x&q=3", "int_parsing", ["query", "q", 1]),
            ("/header", "missing", ["header", "x-number"]),
        ],
    )
    def test_each_mistake_is_named(
        self, server: Server, target: str, kind: str, location: list[object]
    ) -> None:
        """With FastAPI's type and place."""
        detail = refused(server, send(server, "GET", target), 422)
        assert only_error(detail) == (kind, location)

    def test_all_mistakes_at_once(self, server: Server) -> None:
        """Nobody wants to hear of them one by one."""
        detail = refused(server, send(server, "GET", "/needed?two=x"), 422)
        assert isinstance(detail, list)
        assert {error["loc"][1] for error in detail} == {"one", "two"}

    def test_repeated_parameter(self, server: Server) -> None:
        """The last one is meant."""
        status, _, content = send(server, "GET", "/int/1?q=1&q=2")
        assert (status, json.loads(content)) == (200, {"number": 1, "q": 2})

    @pytest.mark.parametrize("bad", ["%FF", "%C3", "%ED%A0%80", "%00", "%zz", "%", "%F4%90%80%80"])
    @pytest.mark.parametrize("place", ["/text/{}", "/text/a?q={}"])
    def test_text_that_is_no_utf_8(self, server: Server, place: str, bad: str) -> None:
        """It is replaced or refused; the answer is UTF-8 either way."""
        status, _, content = send(server, "GET", place.format(bad))
        assert status in {200, 400, 404, 422}
        content.decode()
        check_fine(server)

    def test_raw_bytes_in_the_target(self, server: Server) -> None:
        """Bytes that no URL may have."""
        for target in (b"/text/\xff", b"/text/a?q=\xff", b"/text/\x01", b"/text/\xc3\xa9"):
            status, _, content = send(server, "GET", target)
            assert status in {200, 400}
            content.decode()
        check_fine(server)

    @pytest.mark.parametrize("count", [1_000, 3_000, 10_000])
    def test_many_parameters(self, server: Server, count: int) -> None:
        """As many as the request line holds are read, more are refused."""
        for path in ("/many", "/request"):
            answer = send(server, "GET", f"{path}?" + "&".join(["q=1"] * count))
            if answer[0] == 200:
                assert json.loads(answer[2]) == {"count": count}
            else:
                refused(server, answer, 414)
        check_fine(server)

    @pytest.mark.parametrize(
        "value",
        [
            b"a=\xff\xfe",
            b'a="',
            b"a=\\",
            b"=;;=;a",
            b"a=b=c;a",
            b"a" * 8_000,
            b"; ".join([b"a=1"] * 999),
        ],
    )
    def test_odd_cookies(self, server: Server, value: bytes) -> None:
        """A cookie is text of anybody's: nothing in it is an error."""
        status, _, content = send(server, "GET", "/cookie", b"", b"cookie: " + value)
        assert status == 200, content
        content.decode()
        check_fine(server)

    def test_header_of_another_type(self, server: Server) -> None:
        """Named as it was sent."""
        detail = refused(server, send(server, "GET", "/header", b"", b"x-number: \xff"), 422)
        assert only_error(detail) == ("int_parsing", ["header", "x-number"])


class TestJson:
    """Bodies that are no JSON, or JSON of another shape."""

    @pytest.mark.parametrize(
        "body", [b"{", b"}", b'{"name": }', b"{'a': 1}", b'{"a": 1}x', b"nul", b'"', b"[1,]"]
    )
    def test_malformed(self, server: Server, body: bytes) -> None:
        """Where, and what."""
        answer = send(server, "POST", "/thing", body, content_type=JSON)
        detail = refused(server, answer, 422)
        kind, location = only_error(detail)
        assert kind == "json_invalid"
        assert location[0] == "body"
        assert isinstance(location[1], int)

    @pytest.mark.parametrize(
        ("body", "kind", "location"),
        [
            (b"[]", "model_attributes_type", ["body"]),
            (b"null", "model_attributes_type", ["body"]),
            (b"", "missing", ["body"]),
            (b'{"name": "a"}', "missing", ["body", "count"]),
            (b'{"name": 1, "count": 1}', "string_type", ["body", "name"]),
            (b'{"name": "a", "count": "x"}', "int_parsing", ["body", "count"]),
            (b'{"name": "a", "count": 1.5}', "int_from_float", ["body", "count"]),
            (b'{"name": "a", "count": 1e400}', "finite_number", ["body", "count"]),
            (b'{"name": "a", "count": NaN}', "finite_number", ["body", "count"]),
            (b'{"name": "a", "count": 1, "weight": Infinity}', "finite_number", ["body", "weight"]),
            (b'{"name": "a", "count": 1, "weight": NaN}', "finite_number", ["body", "weight"]),
            (
                b'{"name": "a", "count": 1, "parts": [{"name": "b"}]}',
                "missing",
                ["body", "parts", 0, "count"],
            ),
        ],
    )
    def test_wrong_types(
        self, server: Server, body: bytes, kind: str, location: list[object]
    ) -> None:
        """Each with its place; what was sent is repeated as JSON that is valid."""
        answer = send(server, "POST", "/thing", body, content_type=JSON)
        assert only_error(refused(server, answer, 422)) == (kind, location)

    def test_duplicate_keys(self, server: Server) -> None:
        """The last one is meant."""
        body = b'{"name": "a", "count": 1, "count": 2}'
        status, _, content = send(server, "POST", "/thing", body, content_type=JSON)
        assert (status, json.loads(content)["count"]) == (200, 2)

    @pytest.mark.parametrize("path", ["/any", "/thing"])
    @pytest.mark.parametrize("opening", [b"[", b'{"parts":[', b'{"a":'])
    def test_deep_nesting(self, server: Server, path: str, opening: bytes) -> None:
        """Neither the stack nor the time ends; closed or not."""
        closing = {b"[": b"]", b'{"parts":[': b"]}", b'{"a":': b"}"}[opening]
        for body in (opening * DEPTH + b"1" + closing * DEPTH, opening * DEPTH):
            refused(server, send(server, "POST", path, body, content_type=JSON), 400, 422)

    def test_deep_nesting_that_a_handler_reads(self, server: Server) -> None:
        """The handler's own ``request.json()`` may raise: that is its fault, and it is logged."""
        status, _, _ = send(server, "POST", "/json", b"[" * DEPTH, content_type=JSON)
        assert status in {400, 422, 500}
        check_fine(server)

    @pytest.mark.parametrize("path", ["/any", "/thing"])
    def test_huge_numbers(self, server: Server, path: str) -> None:
        """Thousands of digits are not worth the time they take."""
        for digits in (b"9" * 5_000, b"9" * 500_000, b"-" + b"9" * 5_000):
            body = b'{"name": "a", "count": ' + digits + b"}"
            answer = send(server, "POST", path, body, content_type=JSON)
            assert answer[0] in {200, 400, 422}
            if path == "/thing":
                refused(server, answer, 400, 422)
        check_fine(server)

    @pytest.mark.parametrize("body", [b'{"name": "\xff", "count": 1}', b'"\xc3"', b"\xff"])
    def test_bytes_that_are_no_text(self, server: Server, body: bytes) -> None:
        """JSON is text (RFC 8259, section 8.1)."""
        refused(server, send(server, "POST", "/thing", body, content_type=JSON), 400, 422)

    def test_lone_surrogate(self, server: Server) -> None:
        """An escape for half a character."""
        body = b'{"name": "\\ud800", "count": 1}'
        refused(server, send(server, "POST", "/thing", body, content_type=JSON), 400, 422)

    @pytest.mark.parametrize(
        "content_type", ["text/plain", "application/xml", "nonsense", ";;", "a/b/c"]
    )
    def test_other_content_types(self, server: Server, content_type: str) -> None:
        """A body that is not called JSON is not read as JSON."""
        body = b'{"name": "a", "count": 1}'
        answer = send(server, "POST", "/thing", body, content_type=content_type)
        assert refused(server, answer, 422)


class TestForms:
    """Forms without an end, or with too much of everything."""

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"--b",
            b"--b\r\n",
            b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n',
            b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nhalf',
            b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nhalf\r\n--b',
            b"--b\r\ncontent-disposition: form-data\r\n\r\nx\r\n--b--\r\n",
            b"--b\r\nnonsense\r\n\r\nx\r\n--b--\r\n",
            b"--c\r\n\r\nx\r\n--c--\r\n",
            b"\r\n" * 1_000,
        ],
    )
    def test_broken_multipart(self, server: Server, body: bytes) -> None:
        """Half a file is no file."""
        answer = send(server, "POST", "/file", body, content_type=MULTIPART)
        refused(server, answer, 400, 422)

    @pytest.mark.parametrize(
        "content_type",
        [
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=" + "b" * 500,
        ],
    )
    def test_no_usable_boundary(self, server: Server, content_type: str) -> None:
        """There is no telling the parts apart."""
        answer = send(server, "POST", "/file", b"--b\r\n\r\n--b--", content_type=content_type)
        refused(server, answer, 400, 422)

    @pytest.mark.parametrize("filename", [b"", b'; filename="a"'])
    def test_thousands_of_parts(self, server: Server, filename: bytes) -> None:
        """More parts than a form may have."""
        part = b'--b\r\ncontent-disposition: form-data; name="x"' + filename + b"\r\n\r\n1\r\n"
        answer = send(server, "POST", "/file", part * 5_000 + b"--b--", content_type=MULTIPART)
        refused(server, answer, 400, 413)

    def test_part_with_large_headers(self, server: Server) -> None:
        """A part's head is bounded too."""
        head = b'content-disposition: form-data; name="file"; filename="' + b"a" * 500_000 + b'"'
        body = b"--b\r\n" + head + b"\r\n\r\nx\r\n--b--\r\n"
        refused(server, send(server, "POST", "/file", body, content_type=MULTIPART), 400, 413)

    def test_field_instead_of_file(self, server: Server) -> None:
        """And the other way round."""
        body = b'--b\r\ncontent-disposition: form-data; name="file"\r\n\r\nx\r\n--b--\r\n'
        refused(server, send(server, "POST", "/file", body, content_type=MULTIPART), 422)
        body = b'--b\r\ncontent-disposition: form-data; name="name"; filename="a"\r\n\r\nx\r\n--b--'
        refused(server, send(server, "POST", "/form", body, content_type=MULTIPART), 422)

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"name=a&age=x", 422),
            (b"age=1", 422),
            (b"%", 422),
            (b"&" * 5_000, 422),
            (b"=" * 5_000, 422),
            (b"name=%FF%zz", 200),
            (b"&".join([b"name=a"] * 5_000), 400),
        ],
    )
    def test_url_encoded(self, server: Server, body: bytes, status: int) -> None:
        """Text that stands for a form, more or less."""
        content_type = "application/x-www-form-urlencoded"
        answer = send(server, "POST", "/form", body, content_type=content_type)
        assert answer[0] == status, answer
        check_fine(server)


class TestFiles:
    """Nothing outside the folder is ever sent."""

    @pytest.mark.parametrize(
        "path",
        [
            "/static/../test_bad_input.py",
            "/static/%2e%2e/test_bad_input.py",
            "/static/..%2ftest_bad_input.py",
            "/static/%2e%2e%2f%2e%2e%2f%2e%2e%2fMakefile",
            "/static/....//test_bad_input.py",
            "/static/..\\test_bad_input.py",
            "/static/..%5ctest_bad_input.py",
            "/static//etc/passwd",
            "/static/%2fetc/passwd",
            "/static/%00",
            "/static/bad_input.py%00.txt",
            "/static/" + "a/" * 3_000,
            "/static/" + "a" * 5_000,
            "/static/.",
            "/static",
            "/static/%FF",
        ],
    )
    def test_traversal(self, server: Server, path: str) -> None:
        """Whatever the dots and slashes look like."""
        status, _, content = send(server, "GET", path)
        assert status in {307, 400, 404, 414}
        assert b"import" not in content
        assert b"root:" not in content
        check_fine(server)

    def test_the_folder_itself_is_served(self, server: Server) -> None:
        """Or the test above would prove nothing."""
        status, _, content = send(server, "GET", "/static/bad_input.py")
        assert status == 200
        assert b"import" in content


class TestHandlers:
    """What a handler must not send is its own fault: a logged 500, and never two answers."""

    @pytest.mark.parametrize("kind", ["crlf", "lf", "nul", "name", "name-crlf", "unicode"])
    def test_header_that_is_none(self, server: Server, kind: str) -> None:
        """No line of the handler's begins a header or an answer."""
        status, head, _ = send(server, "GET", f"/send/header?kind={kind}")
        assert status == 500, head
        assert b"evil" not in head
        assert b"Traceback" in server.log.encode()
        check_fine(server)

    def test_large_header(self, server: Server) -> None:
        """It is sent as a whole, or not at all."""
        status, head, _ = send(server, "GET", "/send/header?kind=large")
        assert status in {200, 500}
        assert status == 500 or b"a" * 2**20 in head
        check_fine(server)

    @pytest.mark.parametrize("path", ["/send/response?value=", "/send/location?to="])
    @pytest.mark.parametrize(
        "value",
        ["a\r\nset-cookie: evil=1", "a\nb", "a\rb", "a\0b", "\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"],
    )
    def test_response_splitting(self, server: Server, path: str, value: str) -> None:
        """What a client sent does not become a line of the answer's head."""
        status, head, _ = send(server, "GET", path + quote(value))
        lines = head.lower().split(b"\r\n")
        assert not any(line.startswith((b"set-cookie", b"b")) for line in lines), head
        assert head.count(b"HTTP/1.1") == 1
        assert b"\n" not in head.replace(b"\r\n", b"")
        assert status in {307, 500}
        check_fine(server)

    @pytest.mark.parametrize(
        "value", ["a; path=/evil", 'a"b', "a\r\nx: y", "é", "a,b c", "\0", "a\x7f"]
    )
    def test_cookies(self, server: Server, value: str) -> None:
        """A cookie's value is quoted, or refused."""
        status, head, _ = send(server, "GET", "/send/cookie?value=" + quote(value))
        assert status in {200, 500}
        assert b"\r\nx:" not in head
        assert head.lower().count(b"path=/evil") <= head.count(b'"a')
        check_fine(server)

    def test_what_is_no_json(self, server: Server) -> None:
        """Not-a-number has no JSON."""
        status, _, _ = send(server, "GET", "/send/nan")
        assert status == 500
        check_fine(server)


def test_memory_comes_back(serve: Serve) -> None:
    """The same again and again costs nothing in the end."""
    server = serve("bad_input", env=own_virtual_environment())
    part = b'--b\r\ncontent-disposition: form-data; name="x"\r\n\r\n1\r\n'
    bodies = [
        ("/any", b"[" * 500_000, JSON),
        ("/thing", b'{"name": "' + b"a" * 1_000_000, JSON),
        ("/thing", b'{"name": "a", "count": ' + b"9" * 200_000 + b"}", JSON),
        ("/file", part * 5_000, MULTIPART),
        ("/form", b"&".join([b"name=a"] * 50_000), "application/x-www-form-urlencoded"),
    ]

    def once() -> None:
        for path, body, content_type in bodies:
            status, _, _ = send(server, "POST", path, body, content_type=content_type)
            assert 400 <= status < 500, path
        send(server, "GET", "/text/" + "%FF" * 1_000)
        check_fine(server)

    for _ in range(5):
        once()
    before = rss_bytes(server.shard_pid)
    for _ in range(25):
        once()
    assert rss_bytes(server.shard_pid) - before < RSS_GROWTH_BYTES_MAX
