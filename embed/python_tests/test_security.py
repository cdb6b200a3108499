"""The security schemes: what they read, what they refuse, how they describe themselves."""

import asyncio
import base64
import subprocess
import sys
from pathlib import Path

import pytest

from fasterapi import security
from fasterapi.exceptions import HTTPException
from fasterapi.openapi import models
from fasterapi.requests import Request
from fasterapi.security.utils import get_authorization_scheme_param

PACKAGE = Path(__file__).parents[1] / "python"


def ask(scheme, query="", **headers):
    """The scheme's value for a request with these parts."""
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": raw}
    return asyncio.run(scheme(Request({**scope, "query_string": query.encode()})))


def refused(scheme, **headers):
    with pytest.raises(HTTPException) as error:
        ask(scheme, **headers)
    assert (error.value.status_code, error.value.detail) == (401, "Not authenticated")
    return error.value.headers["WWW-Authenticate"]


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (None, ("", "")),
        ("", ("", "")),
        ("Bearer", ("Bearer", "")),
        ("Bearer  a b ", ("Bearer", "a b")),
    ],
)
def test_the_authorization_field_is_split_once(value, parts):
    assert get_authorization_scheme_param(value) == parts


class TestApiKeys:
    def test_each_looks_in_its_place(self):
        assert ask(security.APIKeyQuery(name="key"), query="key=q") == "q"
        assert ask(security.APIKeyHeader(name="key"), key="h") == "h"
        assert ask(security.APIKeyCookie(name="key"), cookie="key=c") == "c"

    @pytest.mark.parametrize("kind", ["APIKeyQuery", "APIKeyHeader", "APIKeyCookie"])
    def test_without_one_the_request_is_refused_or_has_none(self, kind):
        assert refused(getattr(security, kind)(name="key")) == "APIKey"
        assert ask(getattr(security, kind)(name="key", auto_error=False)) is None

    def test_it_describes_itself(self):
        scheme = security.APIKeyHeader(name="X-Key", description="from us")
        assert scheme.scheme_name == "APIKeyHeader"
        described = scheme.model.model_dump(mode="json", by_alias=True, exclude_none=True)
        assert described == {
            "type": "apiKey",
            "description": "from us",
            "in": "header",
            "name": "X-Key",
        }


class TestHttp:
    def test_any_scheme(self):
        found = ask(security.http.HTTPBase(scheme="Other"), authorization="Other abc")
        assert found == security.HTTPAuthorizationCredentials(scheme="Other", credentials="abc")

    @pytest.mark.parametrize(
        ("scheme", "word"), [(security.HTTPBearer(), "Bearer"), (security.HTTPDigest(), "Digest")]
    )
    def test_one_scheme(self, scheme, word):
        found = ask(scheme, authorization=f"{word.lower()} abc")
        assert (found.scheme, found.credentials) == (word.lower(), "abc")
        assert refused(scheme) == word
        assert refused(scheme, authorization=word) == word
        assert refused(scheme, authorization="Other abc") == word

    def test_a_lenient_scheme_has_no_value(self):
        scheme = security.HTTPBearer(auto_error=False)
        assert ask(scheme) is None
        assert ask(scheme, authorization="Basic abc") is None

    def test_basic(self):
        found = ask(security.HTTPBasic(), authorization=basic("me:a:b"))
        assert (found.username, found.password) == ("me", "a:b")

    @pytest.mark.parametrize(
        "value", ["Basic !", "Basic YQ=", basic("no colon"), basic("ä:ö"), "Basic ä"]
    )
    def test_basic_that_is_malformed_is_always_refused(self, value):
        raw = [(b"authorization", value.encode("latin-1"))]
        scope = {"type": "http", "method": "GET", "path": "/", "headers": raw}
        with pytest.raises(HTTPException):
            asyncio.run(security.HTTPBasic(auto_error=False)(Request(scope)))

    def test_basic_with_a_realm(self):
        assert refused(security.HTTPBasic(realm="here")) == 'Basic realm="here"'
        assert refused(security.HTTPBasic()) == "Basic"
        assert ask(security.HTTPBasic(auto_error=False)) is None

    def test_the_error_can_be_another(self):
        class Mine(security.HTTPBearer):
            def make_not_authenticated_error(self):
                return HTTPException(403, "no")

        with pytest.raises(HTTPException, match="403: no"):
            ask(Mine())


class TestOAuth2:
    def test_the_whole_field(self):
        scheme = security.OAuth2(flows={"password": {"tokenUrl": "token"}})
        assert ask(scheme, authorization="any thing") == "any thing"
        assert refused(scheme) == "Bearer"
        assert ask(security.OAuth2(auto_error=False)) is None

    @pytest.mark.parametrize(
        "scheme",
        [
            security.OAuth2PasswordBearer("token"),
            security.OAuth2AuthorizationCodeBearer("sign-in", "token"),
        ],
    )
    def test_the_token_alone(self, scheme):
        assert ask(scheme, authorization="Bearer abc") == "abc"
        assert refused(scheme) == "Bearer"
        assert refused(scheme, authorization="Basic abc") == "Bearer"

    def test_the_password_flow_describes_itself(self):
        scheme = security.OAuth2PasswordBearer("token", scopes={"me": "Read me"})
        described = scheme.model.model_dump(mode="json", by_alias=True, exclude_none=True)
        flow = {"scopes": {"me": "Read me"}, "tokenUrl": "token"}
        assert described == {"type": "oauth2", "flows": {"password": flow}}

    def test_a_scheme_of_the_user(self):
        flows = models.OAuthFlows(password={"tokenUrl": "token", "scopes": {}})
        assert security.OAuth2(flows=flows).model.flows.password.tokenUrl == "token"

    def test_the_form_splits_its_scope(self):
        form = security.OAuth2PasswordRequestForm(username="a", password="b", scope="x  y")
        assert (form.scopes, form.grant_type, form.client_id) == (["x", "y"], None, None)
        strict = security.OAuth2PasswordRequestFormStrict("password", "a", "b")
        assert (strict.grant_type, strict.scopes) == ("password", [])

    def test_scopes(self):
        scopes = security.SecurityScopes(["a", "b"])
        assert (scopes.scopes, scopes.scope_str) == (["a", "b"], "a b")
        assert security.SecurityScopes().scope_str == ""


def test_open_id_connect():
    scheme = security.OpenIdConnect(openIdConnectUrl="/openid")
    assert ask(scheme, authorization="x") == "x"
    assert refused(scheme) == "Bearer"
    assert ask(security.OpenIdConnect(openIdConnectUrl="/openid", auto_error=False)) is None
    assert scheme.model.openIdConnectUrl == "/openid"


class TestLightModels:
    def test_they_compare_and_copy_like_models(self):
        one = security.HTTPBasicCredentials(username="a", password="b", other=1)
        assert dict(one) == one.model_dump() == {"username": "a", "password": "b"}
        assert one == security.HTTPBasicCredentials.model_validate({**dict(one)})
        assert one.model_copy(update={"password": "c"}).password == "c"
        assert one.model_dump_json() == '{"username":"a","password":"b"}'
        assert repr(one) == "HTTPBasicCredentials(username='a', password='b')"
        assert one != security.HTTPAuthorizationCredentials(scheme="a", credentials="b")
        with pytest.raises(TypeError):
            hash(one)

    @pytest.mark.parametrize(
        ("model", "values"),
        [
            (models.APIKey, {"name": "x"}),
            (models.APIKey, {"in_": "body", "name": "x"}),
            (models.HTTPBase, {"scheme": None}),
            (models.OAuth2, {"flows": {"password": {}}}),
            (models.OAuthFlow, {"scopes": {"a": 1}}),
        ],
    )
    def test_wrong_values_are_refused(self, model, values):
        with pytest.raises(ValueError, match=r"\w+\.\w+ (takes|is missing)"):
            model(**values)

    def test_extensions_are_kept(self):
        scheme = models.HTTPBearer(**{"x-more": 1})
        dumped = scheme.model_dump(by_alias=True, exclude_none=True)
        assert dumped["x-more"] == 1

    def test_pydantic_takes_them_as_fields(self):
        pydantic = pytest.importorskip("pydantic")
        adapter = pydantic.TypeAdapter(security.HTTPAuthorizationCredentials)
        made = adapter.validate_python({"scheme": "a", "credentials": "b"})
        assert type(made) is security.HTTPAuthorizationCredentials
        assert adapter.validate_python(made) is made
        assert adapter.dump_json(made) == b'{"scheme":"a","credentials":"b"}'
        assert adapter.json_schema()["required"] == ["scheme", "credentials"]
        with pytest.raises(pydantic.ValidationError):
            adapter.validate_python({"scheme": "a"})


def test_a_bearer_scheme_imports_neither_pydantic_nor_typing():
    code = (
        "import sys; from fasterapi.security import HTTPBearer, HTTPAuthorizationCredentials, "
        "APIKeyHeader; HTTPBearer().model.scheme; "
        "print(sorted({'pydantic', 'typing', 'inspect', 're'} & set(sys.modules)))"
    )
    said = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={"PYTHONPATH": str(PACKAGE)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "[]\n"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Nothing"):
        _ = security.Nothing
    assert "HTTPBearer" in dir(security)
