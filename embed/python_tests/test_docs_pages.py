"""The documentation pages and the files that they load."""

import asyncio
import gzip
import json
import re

import pytest

from fasterapi.exceptions import HTTPException
from fasterapi.openapi import assets
from fasterapi.openapi.docs import (
    get_redoc_html,
    get_swagger_ui_html,
    get_swagger_ui_oauth2_redirect_html,
    swagger_ui_default_parameters,
)
from fasterapi.requests import Request

ATTACK = "</script></title><script>alert('1' + \"2\")</script>&"
FILES = {
    "swagger-ui-bundle.js": b"swagger()",
    "swagger-ui.css": b"a{}",
    "redoc.standalone.js": b"r()",
}


def text_of(response):
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    return response.body.decode()


def swagger(**options):
    return text_of(get_swagger_ui_html(**{"openapi_url": "/o.json", "title": "T", **options}))


def redoc(**options):
    return text_of(get_redoc_html(**{"openapi_url": "/o.json", "title": "T", **options}))


class TestSwaggerUi:
    def test_it_tells_the_program_where_and_how(self):
        page = swagger(swagger_ui_parameters={"layout": "Other", "x": [1, None, True]})
        assert "url: '/o.json'," in page
        assert '"layout": "Other",' in page
        assert '"x": [1, null, true],' in page
        assert '"dom_id": "#swagger-ui",' in page
        assert swagger_ui_default_parameters["layout"] == "BaseLayout"

    def test_oauth(self):
        page = swagger(oauth2_redirect_url="/back", init_oauth={"clientId": "c"})
        assert "oauth2RedirectUrl: window.location.origin + '/back'," in page
        assert 'ui.initOAuth({"clientId": "c"})' in page
        assert "oauth2RedirectUrl" not in swagger()
        assert "initOAuth" not in swagger()

    def test_the_programs_come_from_where_they_are_told(self):
        page = swagger(swagger_js_url="/a.js", swagger_css_url="/a.css", swagger_favicon_url="/i")
        assert '<script src="/a.js"></script>' in page
        assert '<link rel="stylesheet" href="/a.css">' in page
        assert '<link rel="icon" href="/i">' in page

    @pytest.mark.parametrize(
        "options",
        [
            {"title": ATTACK},
            {"openapi_url": ATTACK},
            {"oauth2_redirect_url": ATTACK},
            {"swagger_js_url": ATTACK},
            {"swagger_css_url": ATTACK},
            {"swagger_favicon_url": ATTACK},
            {"init_oauth": {ATTACK: ATTACK}},
            {"swagger_ui_parameters": {ATTACK: ATTACK}},
        ],
    )
    def test_nothing_given_becomes_part_of_the_page(self, options):
        page = swagger(**options)
        tags = re.findall(r"<[^>]*>", swagger())
        with_attributes = [tag.split()[0] for tag in re.findall(r"<[^>]*>", page)]
        assert with_attributes == [tag.split()[0] for tag in tags]

    def test_a_quote_does_not_end_a_literal_of_the_script(self):
        page = swagger(openapi_url="/a'b\\c\nd")
        literal = re.search(r"url: '([^']*)',", page)[1]
        assert json.loads(f'"{literal}"') == "/a'b\\c\nd"


class TestReDoc:
    def test_it_tells_the_program_where(self):
        page = redoc(redoc_js_url="/r.js", redoc_favicon_url="/i")
        assert '<redoc spec-url="/o.json"></redoc>' in page
        assert '<script src="/r.js"></script>' in page
        assert "fonts.googleapis.com" in page
        assert "fonts.googleapis.com" not in redoc(with_google_fonts=False)

    @pytest.mark.parametrize("name", ["title", "openapi_url", "redoc_js_url", "redoc_favicon_url"])
    def test_nothing_given_becomes_part_of_the_page(self, name):
        page = redoc(**{name: ATTACK})
        assert "<script>" not in page
        assert page.count("</title>") == 1


def test_the_redirect_page_hands_over_to_its_opener():
    page = text_of(get_swagger_ui_oauth2_redirect_html())
    assert "window.opener.swaggerUIRedirectOauth2" in page
    assert "window.close()" in page


class _Loader:
    """Has the files, as an importer has them."""

    def __init__(self, stored):
        self.stored = stored

    def get_data(self, path):
        name = path.rpartition("/_assets/")[2]
        if name not in self.stored:
            raise FileNotFoundError(path)
        return self.stored[name]


def with_files(monkeypatch, present):
    stored = {
        assets.stored_name(package, file): gzip.compress(FILES[file])
        for package, (_, files) in assets.PACKAGES.items()
        for file in files
        if present
    }
    monkeypatch.setattr(assets.__spec__, "loader", _Loader(stored))
    monkeypatch.setattr(assets, "_found", {})


def fetch(path, **headers):
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    request = Request({"type": "http", "method": "GET", "path": path, "headers": raw})
    return asyncio.run(dict(assets.routes_of("/docs", "/redoc"))[path](request))


class TestAssets:
    def test_the_pages_name_the_paths_that_are_routes(self, monkeypatch):
        with_files(monkeypatch, present=True)
        paths = [path for path, _ in assets.routes_of("/docs", "/redoc")]
        named = [
            *assets.swagger_ui_urls("/docs").values(),
            assets.redoc_urls("/redoc")["redoc_js_url"],
        ]
        assert sorted(paths) == sorted(named)
        page = swagger(**assets.swagger_ui_urls("/base/docs"))
        assert "/base/docs/swagger-ui-dist@" in page
        assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
        assert "https:" not in redoc(**assets.redoc_urls("/redoc"))

    def test_a_page_at_the_root_and_a_page_that_is_not_there(self):
        assert all(path.startswith("/redoc@") for path, _ in assets.routes_of(None, "/"))
        assert assets.routes_of(None, None) == []

    @pytest.mark.parametrize(
        ("accepted", "is_compressed"),
        [
            ("gzip", True),
            ("br, GZIP;q=0.5", True),
            ("*", True),
            ("", False),
            ("br", False),
            ("gzip;q=0", False),
            ("gzip; q=0.0, br", False),
        ],
    )
    def test_a_file_is_compressed_for_those_who_take_it(self, monkeypatch, accepted, is_compressed):
        with_files(monkeypatch, present=True)
        path = assets.swagger_ui_urls("/docs")["swagger_css_url"]
        answer = fetch(path, accept_encoding=accepted)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/css; charset=utf-8"
        assert answer.headers["vary"] == "accept-encoding"
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers.get("content-encoding") == ("gzip" if is_compressed else None)
        body = gzip.decompress(answer.body) if is_compressed else answer.body
        assert body == FILES["swagger-ui.css"]

    def test_what_a_client_has_is_not_sent_again(self, monkeypatch):
        with_files(monkeypatch, present=True)
        path = assets.redoc_urls("/redoc")["redoc_js_url"]
        tag = fetch(path, accept_encoding="gzip").headers["etag"]
        again = fetch(path, accept_encoding="gzip", if_none_match=f'"x", W/{tag}')
        assert (again.status_code, again.body, again.headers["etag"]) == (304, b"", tag)
        # The other form is another thing.
        assert fetch(path, if_none_match=tag).status_code == 200

    def test_without_files_the_pages_use_a_cdn(self, monkeypatch):
        path, _ = assets.routes_of("/docs", None)[0]
        with_files(monkeypatch, present=False)
        assert assets.swagger_ui_urls("/docs") == assets.redoc_urls("/redoc") == {}
        assert "https://cdn.jsdelivr.net/npm/swagger-ui-dist@5/swagger-ui.css" in swagger()
        with pytest.raises(HTTPException, match="404"):
            fetch(path)
