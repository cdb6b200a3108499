# ruff: noqa: B008, UP042, F722 - defaults, enums and annotations as users write them

"""What parameters are declared as, and what is found out about them at start."""

import copy
import dataclasses
import subprocess
import sys
import textwrap
from enum import Enum
from functools import partial, wraps
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal, NewType
from uuid import UUID

import annotated_types
import pytest
from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, Json

from fasterapi import params
from fasterapi._annotations import is_scalar, is_scalar_sequence, is_sequence
from fasterapi._body import is_json_content_type
from fasterapi._body_field import get_body_field
from fasterapi._dependant import (
    Dependant,
    get_dependant,
    get_flat_params,
    get_path_param_names,
)
from fasterapi._fields import ModelField, Undefined
from fasterapi._scalar import scalar_of
from fasterapi.background import BackgroundTasks
from fasterapi.datastructures import UploadFile
from fasterapi.exceptions import DependencyScopeError, FastAPIError, RouteError
from fasterapi.param_functions import (
    Body,
    Cookie,
    Depends,
    File,
    Form,
    Header,
    Path,
    Query,
    Security,
)
from fasterapi.requests import HTTPConnection, Request
from fasterapi.responses import Response
from fasterapi.utils import create_model_field


class Item(BaseModel):
    name: str
    price: float = Field(gt=0)


class Color(str, Enum):
    red = "red"


def dependant_of(call: Any, path: str = "/") -> Dependant:
    return get_dependant(path=path, call=call)


def field_of(call: Any, path: str = "/") -> ModelField:
    dependant = dependant_of(call, path)
    (field,) = [
        *dependant.path_params,
        *dependant.query_params,
        *dependant.header_params,
        *dependant.cookie_params,
        *dependant.body_params,
    ]
    return field


# -- start-up ---------------------------------------------------------------


def test_plain_handlers_import_neither_pydantic_nor_typing() -> None:
    program = """
        import sys
        from fasterapi._dependant import get_dependant
        from fasterapi._scalar import scalar_of
        from fasterapi.param_functions import Depends, Header, Path, Query

        def common(limit: int = Query(10, le=100), x_token: str | None = Header(default=None)):
            pass

        async def read(item_id: int = Path(gt=0), q: str | None = None, c=Depends(common)):
            pass

        dependant = get_dependant(path="/{item_id}", call=read)
        assert scalar_of(dependant.path_params[0]) is not None
        assert dependant.dependencies[0].header_params[0].alias == "x-token"
        heavy = {"pydantic", "pydantic_core", "typing", "inspect", "dataclasses", "anyio", "re"}
        print(sorted(heavy & set(sys.modules)))
    """
    source = FilePath(params.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-S", "-c", textwrap.dedent(program)],
        env={"PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "[]\n", done.stderr


# -- declarations -----------------------------------------------------------


def test_unknown_keywords_are_refused() -> None:
    with pytest.raises(TypeError, match="no parameter maximum"):
        Query(maximum=3)


def test_a_default_and_a_factory_exclude_each_other() -> None:
    with pytest.raises(TypeError, match="both default and default_factory"):
        Query(3, default_factory=int)


def test_regex_and_example_are_deprecated() -> None:
    with pytest.warns(UserWarning, match="pattern") as caught:
        param = Query(regex="^a")
    assert caught[0].filename == __file__
    assert param.constraints == {"pattern": "^a"}
    with pytest.warns(UserWarning, match="examples"):
        assert Query(example=3).example == 3


def test_params_stand_in_pydantic_models() -> None:
    class Model(BaseModel):
        q: str = Query("d", max_length=2)
        y: Annotated[int, Header(gt=2)] = 3
        z: list[Annotated[int, Query(gt=3)]] = []

    assert Model().q == "d"
    assert Model.model_json_schema()["properties"]["q"]["maxLength"] == 2
    with pytest.raises(ValueError, match="at most 2"):
        Model(q="abc")
    with pytest.raises(ValueError, match="greater than 2"):
        Model(y=1)
    with pytest.raises(ValueError, match="greater than 3"):
        Model(z=[1])


def test_params_are_defaults_of_dataclasses() -> None:
    @dataclasses.dataclass
    class Common:
        q: str = Query("x", max_length=2)
        limit: int = 3

    sub = dependant_of(lambda c=Depends(Common): c).dependencies[0]
    assert [field.name for field in sub.query_params] == ["q", "limit"]
    assert sub.query_params[0].default == "x"


def test_field_info_is_of_the_params_class() -> None:
    info = field_of(lambda q=Header(None, title="T"): q).field_info
    assert isinstance(info, params.Header)
    assert not isinstance(info, params.Query)
    assert info.in_ is params.ParamTypes.header
    assert (info.title, info.default, info.convert_underscores) == ("T", None, True)
    copied = copy.copy(info)
    assert isinstance(copied, params.Header)
    copied.metadata.append(1)
    assert info.metadata == []


def test_depends_is_immutable_hashable_and_copied() -> None:
    depends = Depends(len, max_concurrency=2)
    with pytest.raises(AttributeError, match="immutable"):
        depends.use_cache = False
    assert copy.copy(depends) == depends
    assert hash(copy.deepcopy(Security(len, scopes=("a",)))) == hash(Security(len, scopes=("a",)))
    assert Depends(len) != Security(len)
    replaced = dataclasses.replace(depends, max_concurrency=3)
    assert replaced.max_concurrency == 3
    assert replaced._concurrency is not depends._concurrency
    assert repr(Depends(len)).startswith("Depends(dependency=<built-in")


@pytest.mark.parametrize("limit", [0, -1, True, 1.5, "2"])
def test_a_limit_is_a_positive_integer(limit: Any) -> None:
    with pytest.raises(ValueError, match="positive integer"):
        Depends(len, max_concurrency=limit)


# -- where a parameter comes from -------------------------------------------


def test_every_source_is_found() -> None:
    def handler(
        item_id: int,
        q: str,
        h: Annotated[str, Header()],
        item: Item,
        tags: list[str],
        f: UploadFile,
        request: Request,
        connection: HTTPConnection,
        response: Response,
        tasks: BackgroundTasks,
        c: str = Cookie(),
    ) -> None: ...

    found = dependant_of(handler, "/{item_id:int}")
    assert [field.name for field in found.path_params] == ["item_id"]
    assert [field.name for field in found.query_params] == ["q"]
    assert [field.name for field in found.header_params] == ["h"]
    assert [field.name for field in found.cookie_params] == ["c"]
    assert [field.name for field in found.body_params] == ["item", "tags", "f"]
    assert found.request_param_name == "request"
    assert found.http_connection_param_name == "connection"
    assert found.response_param_name == "response"
    assert found.background_tasks_param_name == "tasks"
    assert [type(field.param).__name__ for field in found.body_params] == ["Body", "Body", "File"]


def test_classes_of_starlette_are_told_by_name() -> None:
    starlette = type("Request", (), {"__module__": "starlette.requests"})
    mine = type("MyRequest", (starlette,), {})
    other = type("Request", (), {"__module__": "elsewhere"})

    def handler(r) -> None: ...

    handler.__annotations__ = {"r": mine}
    assert dependant_of(handler).request_param_name == "r"
    handler.__annotations__ = {"r": other}
    with pytest.raises(RouteError, match="valid Pydantic field type"):
        dependant_of(handler)


def test_path_names() -> None:
    assert get_path_param_names("/a/{b}/{c:path}") == {"b", "c"}
    assert get_path_param_names("/{unclosed") == set()
    assert get_path_param_names("") == set()


@pytest.mark.parametrize(
    ("annotation", "scalar", "sequence", "scalar_sequence"),
    [
        (int, True, False, False),
        (str | None, True, False, False),
        (Color, True, False, False),
        (Literal["a"], True, False, False),
        (list[int], False, True, True),
        (list[int] | None, False, True, True),
        (tuple[int, ...], False, True, True),
        (frozenset, False, True, True),
        (list[list[int]], False, True, False),
        (dict[str, int], False, False, False),
        (Item, False, False, False),
        (Item | int, False, False, False),
        (Annotated[list[int], 3], False, True, True),
    ],
)
def test_kinds_of_annotations(
    annotation: Any, scalar: bool, sequence: bool, scalar_sequence: bool
) -> None:
    assert is_scalar(annotation) is scalar
    assert is_sequence(annotation) is sequence
    assert is_scalar_sequence(annotation) is scalar_sequence


# -- mistakes are errors at start -------------------------------------------


def _mistakes() -> list[tuple[Any, str, str]]:
    class Unknown: ...

    def f1(a: Annotated[int, Query(default=1)]): ...
    def f2(a: int = Query()): ...
    def f3(a: list[int]): ...
    def f4(a: dict[str, int] = Query()): ...
    def f5(a: Unknown): ...
    def f6(a: int = Field(gt=3)): ...
    def f7(a: "Missing"): ...  # noqa: F821
    def f8(a: Annotated[int, Depends(len)] = Depends(len)): ...
    def f9(a: Annotated[int, Query()] = Depends(len)): ...
    def f10(a: Annotated[int, Query()] = Query()): ...
    def f11(a=Depends()): ...
    def f12(a: Annotated[Request, Query()]): ...
    def f13(*args: int): ...
    def f14(a: Annotated[int, Path()] = 3): ...
    def f15(a: "Annotated[int, "): ...
    def f16(a: int = Query(ge=1.5)): ...

    return [
        (f1, "/", "`Query` default value cannot be set in `Annotated` for 'a'. Set the default"),
        (f2, "/{a}", "Cannot use `Query` for path param 'a'"),
        (f3, "/{a}", "Path params must be of one of the supported types"),
        (f4, "/", "Query parameter 'a' must be one of the supported types"),
        (f5, "/", "Invalid args for response field! Hint: check that"),
        (f6, "/", "non-body parameters must be in path, query, header or cookie"),
        (f7, "/", "NameError: name 'Missing' is not defined"),
        (f8, "/", "Cannot specify `Depends` in `Annotated` and default value together for 'a'"),
        (f9, "/", "Cannot specify a FastAPI annotation in `Annotated` and `Depends` as a"),
        (f10, "/", "Cannot specify FastAPI annotations in `Annotated` and default value together"),
        (f11, "/", "names no function"),
        (f12, "/", "Cannot specify FastAPI annotation for type"),
        (f13, "/", "cannot take"),
        (f14, "/{a}", "Path parameters cannot have default values"),
        (f15, "/", "SyntaxError"),
        (f16, "/", "must be coercible to an integer"),
    ]


@pytest.mark.parametrize(("call", "path", "message"), _mistakes())
def test_mistakes_name_their_place(call: Any, path: str, message: str) -> None:
    with pytest.raises(RouteError) as caught:
        dependant_of(call, path)
    error = caught.value
    assert message in str(error)
    assert (error.file, error.line) == (__file__, call.__code__.co_firstlineno)
    assert error.parameter in ("a", "args")
    assert f"{call.__name__}()" in str(error)
    assert isinstance(error, FastAPIError | AssertionError)


def test_a_path_parameter_has_no_default() -> None:
    with pytest.raises(AssertionError, match="cannot have a default value"):
        Path(default=1)


def test_a_cycle_of_dependencies_is_an_error() -> None:
    def first(a=None): ...
    def second(b=Depends(first)): ...

    first.__defaults__ = (Depends(second),)
    with pytest.raises(RouteError, match="depends on itself"):
        dependant_of(first)


def test_a_dependency_must_not_end_before_what_depends_on_it() -> None:
    def inner():
        yield

    def outer(i=Depends(inner, scope="function")):
        yield

    with pytest.raises(DependencyScopeError, match='"outer" has a scope of "request"'):
        dependant_of(lambda o=Depends(outer): o)
    dependant_of(lambda o=Depends(outer, scope="function"): o)


# -- annotations that are found out later -----------------------------------


def test_postponed_annotations() -> None:
    def handler(a: "int", b: "list[Item]", c: "Annotated[str, Query(max_length=2)]" = "x"): ...

    found = dependant_of(handler)
    assert found.query_params[0].annotation is int
    assert found.body_params[0].annotation == list[Item]
    assert found.query_params[1].field_info.metadata == [annotated_types.MaxLen(2)]


def test_what_depends_says_needs_no_annotation() -> None:
    def given() -> None: ...
    def handler(a: "OnlyForCheckers" = Depends(given)): ...  # noqa: F821

    assert dependant_of(handler).dependencies[0].call is given


def test_names_of_what_requests_provide_need_no_import() -> None:
    handler = eval("lambda r: r", {})
    handler.__annotations__ = {"r": "Request"}
    assert dependant_of(handler).request_param_name == "r"


def test_wrapped_functions_partials_methods_and_classes() -> None:
    def handler(a: "int", b: str = "x") -> None: ...

    @wraps(handler)
    def wrapper(*args: Any, **kwargs: Any) -> None: ...

    class Callable_:
        def __call__(self, a: int) -> None: ...

        def method(self, a: int) -> None: ...

        @classmethod
        def make(cls, a: int) -> None: ...

    class Made:
        def __init__(self, a: int) -> None: ...

    for call in (wrapper, Callable_(), Callable_().method, Callable_.make, Made):
        assert dependant_of(call).query_params[0].annotation is int
    given = dependant_of(partial(handler, b="y")).query_params
    assert [(field.name, field.default) for field in given] == [("a", Undefined), ("b", "y")]


def test_several_declarations_are_merged() -> None:
    def handler(a: Annotated[int, Field(gt=3, alias="b"), Query(title="T", lt=9)] = 4): ...

    field = field_of(handler)
    assert (field.alias, field.validation_alias, field.default) == ("b", "b", 4)
    assert field.field_info.title == "T"
    assert field.validate(5) == (5, [])
    assert field.validate(2)[1][0]["type"] == "greater_than"
    assert field.validate(9)[1][0]["type"] == "less_than"


def test_an_alias_is_taken_back() -> None:
    def handler(a: Annotated[int, Field(alias="b"), Query(alias=None)]): ...

    assert (field_of(handler).alias, field_of(handler).validation_alias) == ("a", None)


def test_path_alias_choices_are_settled_by_the_path() -> None:
    def handler(a: Annotated[int, Path(validation_alias=AliasChoices("x", "y"))]): ...

    assert field_of(handler, "/{y}").reading.keys == ("y",)


# -- what Rust converts -----------------------------------------------------

UserId = NewType("UserId", int)


def test_scalars() -> None:
    def plan(annotation: Any, default: Any = Undefined) -> Any:
        def handler(a): ...

        handler.__annotations__ = {"a": annotation}
        if default is not Undefined:
            handler.__defaults__ = (default,)
        return scalar_of(field_of(handler))

    assert plan(int).convert == "int"
    assert plan(UUID).convert == "uuid"
    assert plan(UserId).convert == "int"
    assert plan(Any).convert == "str"
    assert plan(bool | None, None).allow_none
    assert plan(float, Query(ge=1, lt=2.5)).lt == 2.5
    assert plan(Annotated[str, Query(min_length=1, max_length=3)]).max_length == 3
    assert plan(Annotated[int, annotated_types.Gt(3)]).gt == 3
    assert plan(Annotated[int, "a remark"]).convert == "int"
    assert plan(str, "x").convert == "str"


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (list[int], Query()),
        (int | str, 3),
        (Color, Color.red),
        (str, Query(pattern="^a")),
        (int, Query(multiple_of=3)),
        (int, Query(strict=True)),
        (int, Query(ge=2**70)),
        (str, Query(gt="a")),
        (bool, Query(ge=0)),
        (float, Query(allow_inf_nan=False)),
        (int, Query(default_factory=int)),
        (int, Query(3, validate_default=True)),
        (Annotated[str, BeforeValidator(str.upper)], "x"),
        (Annotated[int, annotated_types.Interval(gt=1)], 3),
        (Json[list[int]], [1]),
        (str, Query(validation_alias=AliasChoices("x", "y"))),
        (int, Body(3)),
        (int, Form(3)),
        (str, []),
    ],
)
def test_what_pydantic_must_judge(annotation: Any, default: Any) -> None:
    def handler(a): ...

    handler.__annotations__ = {"a": annotation}
    handler.__defaults__ = (default,)
    assert scalar_of(field_of(handler)) is None


# -- fields -----------------------------------------------------------------


def test_a_field_validates_and_prefixes_places() -> None:
    field = field_of(lambda a=Query(gt=3): a)
    field = create_model_field("a", Item)
    value, errors = field.validate({"name": "n", "price": -1}, loc=("body", "item"))
    assert value is None
    assert errors[0]["loc"] == ("body", "item", "price")
    assert "url" not in errors[0]
    assert field.validate(Item(name="n", price=1))[1] == []
    assert field.validate_json(b'{"name": "n", "price": 1}')[0] == Item(name="n", price=1)
    assert field.validate_json(b'{"name": "n"}')[1][0]["loc"] == ("body", "price")
    with pytest.raises(ValueError, match="Expecting"):
        field.validate_json(b"{")
    assert field.serialize_json(Item(name="n", price=1)) == b'{"name":"n","price":1.0}'
    assert field.serialize(Item(name="n", price=1), exclude={"price"}) == {"name": "n"}


def test_errors_of_validators_that_are_no_validation_errors_pass() -> None:
    def broken(value: Any) -> Any:
        raise KeyError("mine")

    field = create_model_field("a", Annotated[int, BeforeValidator(broken)])
    with pytest.raises(KeyError, match="mine"):
        field.validate(3)


def test_defaults_are_new_each_time() -> None:
    field = field_of(lambda a=Body([]): a)
    field.get_default().append(1)
    assert field.get_default() == []
    assert field_of(lambda a=Query(default_factory=dict): a).default == {}


def test_create_model_field_refuses_unknown_types() -> None:
    class Unknown: ...

    with pytest.raises(FastAPIError, match="response_model=None"):
        create_model_field("r", Unknown)
    assert create_model_field("r", dict[str, list[int]])._adapter is None


def test_groups_are_opened_in_flat_params() -> None:
    class Filters(BaseModel):
        model_config = ConfigDict(extra="forbid")
        limit: int = 10
        order: str = Field("a", alias="orderBy")

    def sub(x_token: Annotated[str, Header()]): ...

    def handler(f: Annotated[Filters, Query()], a: int, s=Depends(sub), t=Depends(sub)): ...

    found = get_flat_params(dependant_of(handler, "/{a}"))
    assert [field.alias for field in found] == ["a", "limit", "orderBy", "x-token"]


def test_body_field_of_several_parameters() -> None:
    def handler(item: Item, count: Annotated[int, Body(gt=0)] = 1): ...

    field = get_body_field(
        body_params=dependant_of(handler).body_params, name="x", embed_body_fields=True
    )
    assert field is not None
    assert (field.name, field.alias, field.required) == ("body", "body", True)
    schema = field.type_adapter.json_schema()
    assert schema["title"] == "Body_x"
    assert schema["required"] == ["item"]
    assert isinstance(field.param, params.Body)
    assert not isinstance(field.param, params.Form)


def test_body_field_of_forms_and_files() -> None:
    def handler(a: Annotated[str, Form()], f: Annotated[bytes, File()]): ...

    field = get_body_field(
        body_params=dependant_of(handler).body_params, name="x", embed_body_fields=True
    )
    assert field is not None
    assert isinstance(field.field_info, params.File)
    assert field.field_info.media_type == "multipart/form-data"


@pytest.mark.parametrize(
    ("content_type", "is_json"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/geo+json", True),
        ("application/geo+json-seq", False),
        ("application/json/x", False),
        ("text/json", False),
        ("json", False),
        ("application/", False),
        (";", False),
        ("application/+json", True),
    ],
)
def test_json_content_types(content_type: str, is_json: bool) -> None:
    assert is_json_content_type(content_type) is is_json
