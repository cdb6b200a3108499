"""CORS, trusted hosts, redirects to TLS, and which of them Rust runs."""

import pytest

from fasterapi.middleware import Middleware
from fasterapi.middleware._hosts import split_host
from fasterapi.middleware._native import native_middleware
from fasterapi.middleware.cors import CORSMiddleware
from fasterapi.middleware.gzip import CompressionMiddleware, GZipMiddleware
from fasterapi.middleware.httpsredirect import HTTPSRedirectMiddleware
from fasterapi.middleware.trustedhost import TrustedHostMiddleware
from middleware_support import plain, run, scope

ORIGIN = ("Origin", "https://a.com")
PREFLIGHT = ("Access-Control-Request-Method", "PUT")


def preflight(app, *headers):
    return run(app, scope(method="OPTIONS", headers=headers))


def test_a_preflight_is_answered_without_the_application():
    app = CORSMiddleware(plain(), ["https://a.com"], ["PUT"], ["X-One"], max_age=5)
    asked = ("Access-Control-Request-Headers", "x-one, Accept")
    answer = preflight(app, ORIGIN, PREFLIGHT, asked)
    assert (answer.status, answer.body) == (200, b"OK")
    assert answer.field("access-control-allow-origin") == "https://a.com"
    assert answer.field("access-control-allow-methods") == "PUT"
    assert answer.field("access-control-max-age") == "5"
    allowed = "Accept, Accept-Language, Content-Language, Content-Type, X-One"
    assert answer.field("access-control-allow-headers") == allowed
    assert answer.field("access-control-allow-credentials") is None


def test_a_preflight_says_all_that_is_not_allowed():
    app = CORSMiddleware(plain(), ["https://b.com"])
    private = ("Access-Control-Request-Private-Network", "true")
    answer = preflight(app, ORIGIN, PREFLIGHT, ("Access-Control-Request-Headers", "x"), private)
    assert answer.status == 400
    assert answer.body == b"Disallowed CORS origin, method, headers, private-network"
    assert answer.field("access-control-allow-origin") is None


def test_everything_is_allowed_by_stars():
    app = CORSMiddleware(plain(), ["*"], ["*"], ["*"], allow_credentials=True)
    answer = preflight(app, ORIGIN, PREFLIGHT, ("Access-Control-Request-Headers", "x-any"))
    assert answer.status == 200
    assert answer.field("access-control-allow-origin") == "https://a.com"
    assert answer.field("access-control-allow-headers") == "x-any"
    assert answer.field("access-control-allow-credentials") == "true"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"allow_origins": ["*"]}, "*"),
        ({"allow_origins": ["*"], "allow_credentials": True}, "https://a.com"),
        ({"allow_origins": ["https://a.com"]}, "https://a.com"),
        ({"allow_origin_regex": r"https://.\.com"}, "https://a.com"),
        ({"allow_origin_regex": r"https://."}, None),
        ({"allow_origins": ["https://a.co"]}, None),
    ],
)
def test_an_answer_says_who_may_read_it(options, expected):
    app = CORSMiddleware(plain(headers=[("vary", "a"), ("vary", "b")]), **options)
    answer = run(app, scope(headers=[ORIGIN]))
    assert answer.field("access-control-allow-origin") == expected
    assert answer.field("vary") == "a, b, Origin"
    answer = run(app, scope())
    assert answer.field("access-control-allow-origin") is None
    assert answer.field("vary") == "a, b, Origin"


@pytest.mark.parametrize(
    ("host", "status", "location"),
    [
        ("Example.com:80", 200, None),
        ("a.b.sub.org", 200, None),
        ("sub.org", 400, None),
        ("evil-sub.org", 400, None),
        ("evil/.sub.org", 400, None),
        ("", 400, None),
        ("site.net:1", 307, "http://www.site.net:1/p?q"),
    ],
)
def test_only_trusted_hosts_are_answered(host, status, location):
    app = TrustedHostMiddleware(plain(), ["example.com", "*.sub.org", "www.site.net"])
    answer = run(app, scope("/p", headers=[("host", host)], query_string=b"q"))
    assert (answer.status, answer.field("location")) == (status, location)


@pytest.mark.parametrize("pattern", ["a.*", "*a.com", "*.*.com", "**"])
def test_other_host_patterns_are_refused(pattern):
    with pytest.raises(AssertionError, match="is no host pattern"):
        TrustedHostMiddleware(plain(), [pattern])


def test_hosts_are_split_from_ports():
    assert split_host("A.com:80") == ("a.com", "80")
    assert split_host("[::1]:443") == ("[::1]", "443")
    assert split_host("[v1.a]") == ("[v1.a]", None)
    for bad in [None, "", ":80", "a:", "a:b", "a b", "a@b", "[::1", "::1", "[::1]a", "a:\u0663"]:
        assert split_host(bad) is None, bad


def test_plain_requests_are_sent_to_tls():
    app = HTTPSRedirectMiddleware(plain())
    hosts = {
        "a.com": "https://a.com/p",
        "a.com:80": "https://a.com/p",
        "a.com:8080": "https://a.com:8080/p",
        "[::1]:80": "https://[::1]/p",
        "a/b": "https://127.0.0.1:8000/p",
    }
    for host, location in hosts.items():
        answer = run(app, scope("/p", headers=[("host", host)]))
        assert (answer.status, answer.field("location")) == (307, location)
    assert run(app, scope(scheme="https")).status == 200
    assert run(app, scope(server=None)).status == 400


class App:
    def __init__(self, *middleware):
        self.user_middleware = middleware


def test_rust_runs_the_outermost_that_it_knows():
    class Own(GZipMiddleware):
        pass

    inner = [Middleware(Own), Middleware(CORSMiddleware)]
    native, rest = native_middleware(
        App(
            Middleware(HTTPSRedirectMiddleware),
            Middleware(TrustedHostMiddleware, allowed_hosts=["A.com"]),
            Middleware(CORSMiddleware, ["*"], allow_headers=["X"]),
            Middleware(GZipMiddleware, 10, compresslevel=-1),
            Middleware(CompressionMiddleware, codings=["br"]),
            *inner,
        )
    )
    kinds = [options["kind"] for options in native]
    assert kinds == ["https_redirect", "trusted_host", "cors", "compression", "compression"]
    assert native[1]["allowed_hosts"] == ["a.com"]
    assert "x" in native[2]["allow_headers"]
    assert native[3]["codings"] == [("gzip", 6)]
    assert native[4]["codings"] == [("br", 4)]
    assert rest == inner


def test_starlettes_classes_are_known_by_name():
    fake = type("GZipMiddleware", (), {"__module__": "starlette.middleware.gzip"})
    other = type("GZipMiddleware", (), {"__module__": "mine.gzip"})
    native, rest = native_middleware(App(Middleware(fake), Middleware(other)))
    assert [options["kind"] for options in native] == ["compression"]
    assert [one.cls for one in rest] == [other]
    # What ours cannot take is for whoever can.
    native, rest = native_middleware(App(Middleware(fake, surprise=1)))
    assert (native, len(rest)) == ([], 1)


@pytest.mark.parametrize(
    ("pattern", "portable"),
    [
        (r"https://.*\.example\.com", True),
        (r"^https?://(localhost|127\.0\.0\.1)(:\d+)?$", True),
        (r"https://[a-z0-9-]+\.a\.com", True),
        (r"(?i)https://(?:a|b){1,2}", True),
        (r"https://(?=a)", False),
        (r"a++", False),
        (r"[a&&b]", False),
        (r"[[:alpha:]]", False),
        (r"[a--b]", False),
        (r"\<a", False),
        (r"(a)\1", False),
        (r"(?x) a", False),
        ("\u00e9", False),
        ("a" * 2000, False),
    ],
)
def test_patterns_that_mean_the_same_to_rust(pattern, portable):
    native, _ = native_middleware(App(Middleware(CORSMiddleware, allow_origin_regex=pattern)))
    assert bool(native) is portable
