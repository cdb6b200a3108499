"""The OpenAPI document of an application."""

import json
import subprocess
import sys
import warnings
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

import pytest

from fasterapi import FastAPI
from fasterapi.openapi import utils
from fasterapi.openapi._merge import merge, without_none
from fasterapi.openapi.utils import get_openapi

pydantic = pytest.importorskip("pydantic")

from fasterapi import (  # noqa: E402
    APIRouter,
    Body,
    Cookie,
    Depends,
    Form,
    Header,
    Query,
    Response,
    Security,
)
from fasterapi import Path as PathParam  # noqa: E402
from fasterapi.security import APIKeyHeader, HTTPBearer, OAuth2PasswordBearer  # noqa: E402

PACKAGE = Path(__file__).parents[1] / "python"


class Item(pydantic.BaseModel):
    """Something.\fNot for readers."""

    name: str
    price: float = 0
    tags: list[str] = pydantic.Field(default_factory=list)


class Color(Enum):
    red = "red"
    green = "green"


def operation(app, path="/", method="get"):
    return app.openapi()["paths"][path][method]


class TestInfo:
    def test_the_least(self):
        assert FastAPI().openapi() == {
            "openapi": "3.1.0",
            "info": {"title": "FastAPI", "version": "0.1.0"},
            "paths": {},
        }

    def test_all_that_may_be_said(self):
        document = get_openapi(
            title="T",
            version="1",
            summary="S",
            description="D",
            routes=[],
            tags=[{"name": "a", "externalDocs": {"url": "https://example.com/a"}}],
            servers=[{"url": "/v1"}, {"url": "https://example.com"}],
            terms_of_service="https://example.com/terms",
            contact={"name": "N", "url": "https://example.com", "email": "a@example.com"},
            license_info={"name": "MIT", "identifier": "MIT"},
            external_docs={"description": "more", "url": "https://example.com/docs"},
        )
        assert list(document["info"]) == [
            *("title", "summary", "description", "termsOfService", "contact", "license"),
            "version",
        ]
        assert document["servers"][0] == {"url": "/v1"}
        assert document["tags"][0]["externalDocs"] == {"url": "https://example.com/a"}
        assert document["externalDocs"]["description"] == "more"

    def test_what_openapi_does_not_allow_is_an_error(self):
        with pytest.raises(pydantic.ValidationError, match="license"):
            get_openapi(title="T", version="1", routes=[], license_info={"url": "https://a.b"})


class TestParameters:
    def test_each_place(self):
        app = FastAPI()

        @app.get("/{item_id}")
        def read(
            item_id: Annotated[int, PathParam(ge=1)],
            color: Color,
            q: Annotated[str | None, Query(max_length=5, description="text")] = None,
            x_token: Annotated[list[str] | None, Header(deprecated=True)] = None,
            session: Annotated[str, Cookie(alias="sid")] = "none",
        ): ...

        parameters = operation(app, "/{item_id}")["parameters"]
        assert parameters == [
            {
                "name": "item_id",
                "in": "path",
                "required": True,
                "schema": {"type": "integer", "minimum": 1, "title": "Item Id"},
            },
            {
                "name": "color",
                "in": "query",
                "required": True,
                "schema": {"$ref": "#/components/schemas/Color"},
            },
            {
                "name": "q",
                "in": "query",
                "required": False,
                "description": "text",
                "schema": {
                    "anyOf": [{"type": "string", "maxLength": 5}, {"type": "null"}],
                    "description": "text",
                    "title": "Q",
                },
            },
            {
                "name": "x-token",
                "in": "header",
                "required": False,
                "deprecated": True,
                "schema": {
                    "anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}],
                    "deprecated": True,
                    "title": "X-Token",
                },
            },
            {
                "name": "sid",
                "in": "cookie",
                "required": False,
                "schema": {"type": "string", "default": "none", "title": "Sid"},
            },
        ]
        assert app.openapi()["components"]["schemas"]["Color"] == {
            "type": "string",
            "enum": ["red", "green"],
            "title": "Color",
        }

    def test_a_model_is_one_parameter_for_each_field(self):
        app = FastAPI()

        class Page(pydantic.BaseModel):
            limit: int
            after_id: str | None = None

        @app.get("/")
        def read(
            page: Annotated[Page, Query()], headers: Annotated[Page | None, Header()] = None
        ): ...

        found = [(p["in"], p["name"], p["required"]) for p in operation(app)["parameters"]]
        assert found == [
            ("query", "limit", True),
            ("query", "after_id", False),
            ("header", "limit", False),
            ("header", "after-id", False),
        ]
        assert "Page" not in app.openapi()["components"]["schemas"]

    def test_a_required_one_wins_over_its_namesake(self):
        app = FastAPI()

        def other(q: str): ...

        @app.get("/")
        def read(_: Annotated[None, Depends(other)], q: str = "x"): ...

        [only] = operation(app)["parameters"]
        assert only["required"] is True

    def test_hidden_ones_and_examples(self):
        app = FastAPI()

        @app.get("/")
        def read(
            hidden: Annotated[str, Query(include_in_schema=False)] = "",
            q: Annotated[str, Query(openapi_examples={"a": {"value": "b", "summary": None}})] = "",
        ): ...

        [only] = operation(app)["parameters"]
        assert only["examples"] == {"a": {"value": "b"}}

    def test_a_dependency_that_is_used_twice_is_described_once(self):
        app = FastAPI()

        def common(limit: int = 1): ...

        @app.get("/", dependencies=[Depends(common)])
        def read(c: Annotated[None, Depends(common)]): ...

        assert len(operation(app)["parameters"]) == 1


class TestBodies:
    def test_one_model(self):
        app = FastAPI()

        @app.post("/")
        def create(
            item: Annotated[Item, Body(openapi_examples={"a": {"value": {"name": "n"}}})],
        ): ...

        body = operation(app, method="post")["requestBody"]
        assert body["required"] is True
        content = body["content"]["application/json"]
        assert content["schema"] == {"$ref": "#/components/schemas/Item"}
        assert content["examples"] == {"a": {"value": {"name": "n"}}}
        described = app.openapi()["components"]["schemas"]["Item"]
        assert described["description"] == "Something."

    def test_several_become_members_of_one(self):
        app = FastAPI()

        @app.put("/")
        def update(item: Item, weight: Annotated[int, Body()] = 1): ...

        document = app.openapi()
        schema = document["components"]["schemas"]["Body_update__put"]
        assert schema["properties"]["item"] == {"$ref": "#/components/schemas/Item"}
        assert schema["required"] == ["item"]

    def test_a_form(self):
        app = FastAPI()

        @app.post("/")
        def sign_in(name: Annotated[str, Form()]): ...

        content = operation(app, method="post")["requestBody"]["content"]
        assert list(content) == ["application/x-www-form-urlencoded"]

    def test_a_model_that_reads_other_data_than_it_writes(self):
        class Price(pydantic.BaseModel):
            value: Decimal

        def made(**options):
            app = FastAPI(**options)

            @app.post("/")
            def create(price: Price) -> Price: ...

            return app.openapi()["components"]["schemas"]

        assert {"Price-Input", "Price-Output"} <= made().keys()
        assert "Price" in made(separate_input_output_schemas=False)

    def test_a_computed_field_is_output_even_then(self):
        class Square(pydantic.BaseModel):
            side: int

            @pydantic.computed_field
            def area(self) -> int:
                return self.side**2

        app = FastAPI(separate_input_output_schemas=False)

        @app.post("/")
        def create(square: Square) -> list[Square]: ...

        schemas = app.openapi()["components"]["schemas"]
        assert "area" in schemas["Square-Output"]["properties"]
        assert "area" not in schemas["Square-Input"]["properties"]


class TestResponses:
    def test_the_usual_one_and_the_validation_error(self):
        app = FastAPI()

        @app.get("/{n}", status_code=201, response_description="Made")
        def read(n: int) -> Item: ...

        responses = operation(app, "/{n}")["responses"]
        assert responses["201"] == {
            "description": "Made",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}},
        }
        assert responses["422"]["description"] == "Validation Error"
        schemas = app.openapi()["components"]["schemas"]
        assert {"HTTPValidationError", "ValidationError"} <= schemas.keys()

    @pytest.mark.parametrize("status", [422, "4XX", "default"])
    def test_another_answer_to_wrong_requests(self, status):
        app = FastAPI()

        @app.get("/{n}", responses={status: {"description": "Wrong"}})
        def read(n: int): ...

        responses = operation(app, "/{n}")["responses"]
        assert responses[str(status)] == {"description": "Wrong"}
        assert len(responses) == 2

    def test_declared_ones(self):
        app = FastAPI()

        @app.get(
            "/", responses={404: {"model": Item}, 200: {"headers": {"x": {}}}, "5xx": {}, 299: {}}
        )
        def read(): ...

        responses = operation(app)["responses"]
        assert responses["404"]["description"] == "Not Found"
        schema = responses["404"]["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Item"}
        assert responses["200"]["headers"] == {"x": {}}
        assert responses["200"]["description"] == "Successful Response"
        assert responses["5XX"] == {"description": "Server Error"}
        assert responses["299"] == {"description": "Additional Response"}

    def test_a_status_that_is_none(self):
        app = FastAPI()

        @app.get("/a", responses={"hello": {"description": "?"}})
        def read(): ...

        with pytest.raises(ValueError, match=r"'/a': 'hello' is no status"):
            app.openapi()

    def test_no_body_and_another_class(self):
        app = FastAPI()

        class Redirect(Response):
            def __init__(self, status_code: int = 307): ...

        class Text(Response):
            media_type = "text/x-own"

        app.get("/none", status_code=204)(lambda: None)
        app.get("/redirect", response_class=Redirect)(lambda: None)
        app.get("/text", response_class=Text)(lambda: None)
        paths = app.openapi()["paths"]
        assert "content" not in paths["/none"]["get"]["responses"]["204"]
        assert paths["/redirect"]["get"]["responses"] == {
            "307": {"description": "Successful Response"}
        }
        content = paths["/text"]["get"]["responses"]["200"]["content"]
        assert content == {"text/x-own": {"schema": {"type": "string"}}}


class TestOperations:
    def test_names_and_texts(self):
        app = FastAPI()

        @app.get("/a/{b}", tags=["t"], deprecated=True)
        def read_it(b: str):
            """What it does."""

        found = operation(app, "/a/{b}")
        assert found["tags"] == ["t"]
        assert found["summary"] == "Read It"
        assert found["description"] == "What it does."
        assert found["operationId"] == "read_it_a__b__get"
        assert found["deprecated"] is True

    def test_two_operations_of_one_id(self):
        app = FastAPI()
        app.get("/a", operation_id="x")(lambda: None)

        @app.get("/b", operation_id="x")
        def second(): ...

        with pytest.warns(UserWarning, match="Duplicate Operation ID x for function second at "):
            app.openapi()

    def test_more_is_merged_into_it(self):
        app = FastAPI()
        extra = {"x-own": {"a": None, "b": 1}, "responses": {"200": {"description": "Mine"}}}
        app.get("/", openapi_extra=extra)(lambda: None)
        found = operation(app)
        assert found["x-own"] == {"b": 1}
        assert found["responses"]["200"]["description"] == "Mine"
        assert "content" in found["responses"]["200"]

    def test_a_hidden_route(self):
        app = FastAPI()
        app.get("/", include_in_schema=False)(lambda: None)
        assert app.openapi()["paths"] == {}

    def test_callbacks_and_webhooks(self):
        app = FastAPI()
        router = APIRouter()

        @router.post("{$request.body#/url}")
        def told(item: Item): ...

        @app.post("/", callbacks=router.routes)
        def create(): ...

        @app.webhooks.post("new-item")
        def new_item(item: Item): ...

        document = app.openapi()
        callbacks = document["paths"]["/"]["post"]["callbacks"]
        assert "post" in callbacks["told"]["{$request.body#/url}"]
        assert "requestBody" in document["webhooks"]["new-item"]["post"]
        assert "Item" in document["components"]["schemas"]


class TestSecurity:
    def test_schemes_and_what_is_asked_of_them(self):
        app = FastAPI()
        oauth = OAuth2PasswordBearer("token", scopes={"me": "Me", "items": "Items"})

        def user(token: Annotated[str, Depends(oauth)]): ...

        @app.get("/", dependencies=[Depends(APIKeyHeader(name="X-Key"))])
        def read(
            me: Annotated[None, Security(user, scopes=["me"])],
            items: Annotated[None, Security(user, scopes=["items", "me"])],
        ): ...

        assert operation(app)["security"] == [
            {"APIKeyHeader": []},
            {"OAuth2PasswordBearer": ["me", "items"]},
        ]
        schemes = app.openapi()["components"]["securitySchemes"]
        assert schemes["APIKeyHeader"] == {"type": "apiKey", "in": "header", "name": "X-Key"}
        assert schemes["OAuth2PasswordBearer"]["flows"]["password"]["tokenUrl"] == "token"

    def test_a_scheme_alone_cannot_make_a_request_invalid(self):
        app = FastAPI(dependencies=[Depends(HTTPBearer(scheme_name="mine"))])
        app.get("/")(lambda: None)
        assert list(operation(app)["responses"]) == ["200"]
        assert operation(app)["security"] == [{"mine": []}]


def test_without_pydantic_plain_types_are_described_the_same(monkeypatch):
    app = FastAPI(dependencies=[Depends(HTTPBearer())])

    @app.get("/{item_id}")
    def read(
        item_id: Annotated[int, PathParam(gt=0, title="Number")],
        color: Color,
        anything,
        kind: Literal["a", "b"] = "a",
        names: Annotated[list[str] | None, Query(max_length=3)] = None,
        ratio: Annotated[float, Query(le=1, examples=[0.5], deprecated=True)] = 0.5,
        text: Annotated[str, Query(pattern="^a", json_schema_extra={"x-y": 1})] = "a",
        pairs: Annotated[set[int] | None, Query()] = None,
    ) -> dict[str, int]: ...

    routes = app.routes
    usual = get_openapi(title="T", version="1", routes=routes)
    monkeypatch.setattr(utils, "_has_pydantic", lambda: False)
    assert get_openapi(title="T", version="1", routes=routes) == usual


def test_the_parts_import_pydantic_only_when_it_is_needed():
    code = (
        "import sys, fasterapi.openapi.docs, fasterapi.openapi.assets, fasterapi.openapi.utils\n"
        "from fasterapi.openapi.models import OAuthFlows, HTTPBearer, SecurityBase\n"
        "print('pydantic' in sys.modules)\n"
        "from fasterapi.openapi.models import OpenAPI, Example, Schema, BaseModelWithConfig\n"
        "print('pydantic' in sys.modules)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(PACKAGE)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["False", "True"]


def test_models_of_documents():
    from fasterapi.openapi import models

    schema = models.Schema(type=["string", "null"], not_={"type": "integer"}, **{"x-a": 1})
    assert schema.type == ["string", "null"]
    with pytest.raises(pydantic.ValidationError):
        models.Schema(type="text")
    parameter = models.Parameter(name="a", **{"in": "query", "schema": {"$ref": "#/b"}})
    dumped = parameter.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert dumped == {"name": "a", "in": "query", "schema": {"$ref": "#/b"}}
    with pytest.raises(AttributeError, match="Nothing"):
        _ = models.Nothing


def test_merging():
    into = {"a": {"b": 1}, "l": [1], "s": "x"}
    merge(into, {"a": {"c": 2}, "l": [2], "s": "y", "n": None})
    assert into == {"a": {"b": 1, "c": 2}, "l": [1, 2], "s": "y", "n": None}
    assert without_none({"a": None, "b": [None, {"c": None}]}) == {"b": [None, {}]}


def test_the_document_is_json():
    app = FastAPI()

    @app.get("/")
    def read(color: Color = Color.red) -> list[Item]: ...

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert json.loads(json.dumps(app.openapi())) == app.openapi()
