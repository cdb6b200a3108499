"""The routes of an application's documentation."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from fasterapi.applications import FastAPI
    from fasterapi.requests import Request
    from fasterapi.responses import Response

    Page = Callable[[Request], Awaitable[Response]]

__all__ = ["documentation_routes"]


def documentation_routes(app: FastAPI) -> Iterator[tuple[str, Page]]:
    """Paths and functions; none without an ``openapi_url``."""
    if not app.openapi_url:
        return

    async def openapi(req: Request) -> Response:
        return _document(app, req)

    yield app.openapi_url, openapi
    if app.docs_url:

        async def swagger_ui_html(req: Request) -> Response:
            return _swagger_page(app, req)

        yield app.docs_url, swagger_ui_html
        if app.swagger_ui_oauth2_redirect_url:
            yield app.swagger_ui_oauth2_redirect_url, swagger_ui_redirect
    if app.redoc_url:

        async def redoc_html(req: Request) -> Response:
            from fasterapi.openapi.assets import redoc_urls
            from fasterapi.openapi.docs import get_redoc_html

            root = _root_path(req)
            return get_redoc_html(
                openapi_url=root + (app.openapi_url or ""),
                title=f"{app.title} - ReDoc",
                **redoc_urls(root + (app.redoc_url or "")),
            )

        yield app.redoc_url, redoc_html
    from fasterapi.openapi.assets import routes_of

    yield from routes_of(app.docs_url, app.redoc_url)


def _root_path(request: Request) -> str:
    root: str = request.scope.get("root_path", "")
    return root.rstrip("/")


def _document(app: FastAPI, request: Request) -> Response:
    from fasterapi.responses import JSONResponse

    document = app.openapi()
    root = _root_path(request)
    servers = document.get("servers", [])
    if root and app.root_path_in_servers and all(one.get("url") != root for one in servers):
        # A copy: another request may come through another proxy.
        document = {**document, "servers": [{"url": root}, *servers]}
    return JSONResponse(document)


def _swagger_page(app: FastAPI, request: Request) -> Response:
    from fasterapi.openapi.assets import swagger_ui_urls
    from fasterapi.openapi.docs import get_swagger_ui_html

    root = _root_path(request)
    redirect = app.swagger_ui_oauth2_redirect_url
    return get_swagger_ui_html(
        openapi_url=root + (app.openapi_url or ""),
        title=f"{app.title} - Swagger UI",
        oauth2_redirect_url=root + redirect if redirect else redirect,
        init_oauth=app.swagger_ui_init_oauth,
        swagger_ui_parameters=app.swagger_ui_parameters,
        **swagger_ui_urls(root + (app.docs_url or "")),
    )


async def swagger_ui_redirect(req: Request) -> Response:
    """Where OAuth2 sends the browser back to."""
    from fasterapi.openapi.docs import get_swagger_ui_oauth2_redirect_html

    return get_swagger_ui_oauth2_redirect_html()
