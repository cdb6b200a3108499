"""Jinja templates; what needs jinja2 itself is skipped where it is not installed."""

from __future__ import annotations

import sys

import pytest

from fasterapi.templating import Jinja2Templates


class FakeRequest:
    def url_for(self, name, /, **path_params):
        return f"http://testserver/{name}/{path_params['id']}"


def test_without_jinja2_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match="pip install jinja2"):
        Jinja2Templates("templates")


@pytest.fixture
def templates(tmp_path):
    pytest.importorskip("jinja2")
    page = "<a href='{{ url_for('item', id=3) }}'>{{ word }} {{ extra }}</a>"
    (tmp_path / "page.html").write_text(page)
    return Jinja2Templates(
        tmp_path, context_processors=[lambda request: {"extra": type(request).__name__}]
    )


PAGE = b"<a href='http://testserver/item/3'>&lt;hi&gt; FakeRequest</a>"


def test_a_template_knows_urls_and_escapes(templates):
    given = {"word": "<hi>"}
    response = templates.TemplateResponse(
        FakeRequest(), "page.html", given, status_code=201, headers={"x-a": "b"}
    )
    assert response.body == PAGE
    assert response.status_code == 201
    assert response.headers["x-a"] == "b"
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.template.name == "page.html"
    assert response.context["word"] == "<hi>"
    assert given == {"word": "<hi>"}


def test_by_keyword(templates):
    response = templates.TemplateResponse(
        request=FakeRequest(), name="page.html", context={"word": "<hi>"}, media_type="text/plain"
    )
    assert response.body == PAGE
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


def test_the_order_of_old_works_with_a_warning(templates):
    context = {"request": FakeRequest(), "word": "<hi>"}
    with pytest.warns(DeprecationWarning, match="request comes first") as warned:
        response = templates.TemplateResponse("page.html", context, 202)
    assert (response.body, response.status_code) == (PAGE, 202)
    assert warned[0].filename == __file__
    with pytest.warns(DeprecationWarning, match="request comes first"):
        assert templates.TemplateResponse(name="page.html", context=context).body == PAGE


@pytest.mark.parametrize(
    ("args", "kwargs", "said"),
    [
        (("page.html", {}), {}, "needs the request"),
        ((FakeRequest(),), {}, "needs the name"),
        ((FakeRequest(), "page.html"), {"name": "x"}, "name"),
        ((FakeRequest(), "page.html"), {"wrong": 1}, "wrong"),
        ((FakeRequest(), *"abcdefgh"), {}, "too many"),
    ],
)
def test_mistakes_are_told(templates, args, kwargs, said):
    with pytest.raises(TypeError, match=said):
        templates.TemplateResponse(*args, **kwargs)


def test_an_environment_of_ones_own():
    jinja2 = pytest.importorskip("jinja2")
    env = jinja2.Environment(loader=jinja2.DictLoader({"a": "{{ url_for('x') }}"}))
    env.globals["url_for"] = lambda name: f"mine {name}"
    templates = Jinja2Templates(env=env)
    assert templates.TemplateResponse(FakeRequest(), "a").body == b"mine x"
    assert templates.get_template("a").name == "a"
    for wrong in ({}, {"directory": "x", "env": env}):
        with pytest.raises(ValueError, match="either a directory or an env"):
            Jinja2Templates(**wrong)
