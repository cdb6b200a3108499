"""The pages that show an OpenAPI document: Swagger UI and ReDoc.

The functions take FastAPI's parameters and, like FastAPI's, load the programs from a
CDN unless they are told another place. The application's own pages pass places of
the application itself (`fasterapi.openapi.assets`).
"""

from __future__ import annotations

from fasterapi.responses import HTMLResponse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "get_redoc_html",
    "get_swagger_ui_html",
    "get_swagger_ui_oauth2_redirect_html",
    "swagger_ui_default_parameters",
]

_CDN = "https://cdn.jsdelivr.net/npm"
#: A lightning bolt, within the page: no request is made for it.
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns=%22http://www.w3.org/2000/svg%22 viewBox=%220 0 16 16%22%3E"
    "%3Cpath fill=%22%23009688%22 d=%22M9.5 0 2 9h4.5L6 16l8-9.5H9z%22/%3E%3C/svg%3E"
)

#: What Swagger UI is told unless ``swagger_ui_parameters`` say otherwise.
swagger_ui_default_parameters: dict[str, Any] = {
    "dom_id": "#swagger-ui",
    "layout": "BaseLayout",
    "deepLinking": True,
    "showExtensions": True,
    "showCommonExtensions": True,
}


def get_swagger_ui_html(
    *,
    openapi_url: str,
    title: str,
    swagger_js_url: str = f"{_CDN}/swagger-ui-dist@5/swagger-ui-bundle.js",
    swagger_css_url: str = f"{_CDN}/swagger-ui-dist@5/swagger-ui.css",
    swagger_favicon_url: str = _ICON,
    oauth2_redirect_url: str | None = None,
    init_oauth: dict[str, Any] | None = None,
    swagger_ui_parameters: dict[str, Any] | None = None,
) -> HTMLResponse:
    """A page with Swagger UI for the document at ``openapi_url``.

    ``swagger_ui_parameters`` are options of ``SwaggerUIBundle``, ``init_oauth`` those
    of its ``initOAuth``. ``oauth2_redirect_url`` is the path where
    `get_swagger_ui_oauth2_redirect_html` is served.
    """
    options = [f"url: {_script_text(openapi_url)}"]
    for name, value in {**swagger_ui_default_parameters, **(swagger_ui_parameters or {})}.items():
        options.append(f"{_script(name)}: {_script(value)}")
    if oauth2_redirect_url:
        redirect = _script_text(oauth2_redirect_url)
        options.append(f"oauth2RedirectUrl: window.location.origin + {redirect}")
    options.append(
        "presets: [\n"
        "      SwaggerUIBundle.presets.apis,\n"
        "      SwaggerUIBundle.SwaggerUIStandalonePreset\n"
        "    ]"
    )
    listed = ",\n    ".join(options)
    oauth = f"\n  ui.initOAuth({_script(init_oauth)})" if init_oauth else ""
    return HTMLResponse(f"""<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{_escaped(title)}</title>
  <link rel="icon" href="{_escaped(swagger_favicon_url)}">
  <link rel="stylesheet" href="{_escaped(swagger_css_url)}">
</head>
<body>
<div id="swagger-ui"></div>
<script src="{_escaped(swagger_js_url)}"></script>
<script>
  const ui = SwaggerUIBundle({{
    {listed},
  }}){oauth}
</script>
</body>
</html>
""")


def get_redoc_html(
    *,
    openapi_url: str,
    title: str,
    redoc_js_url: str = f"{_CDN}/redoc@2/bundles/redoc.standalone.js",
    redoc_favicon_url: str = _ICON,
    with_google_fonts: bool = True,
) -> HTMLResponse:
    """A page with ReDoc for the document at ``openapi_url``."""
    fonts = "https://fonts.googleapis.com/css?family=Montserrat:300,400,700|Roboto:300,400,700"
    font_link = f'\n  <link rel="stylesheet" href="{fonts}">' if with_google_fonts else ""
    return HTMLResponse(f"""<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{_escaped(title)}</title>
  <link rel="icon" href="{_escaped(redoc_favicon_url)}">{font_link}
  <style>body {{ margin: 0; padding: 0 }}</style>
</head>
<body>
<noscript>This page needs JavaScript.</noscript>
<redoc spec-url="{_escaped(openapi_url)}"></redoc>
<script src="{_escaped(redoc_js_url)}"></script>
</body>
</html>
""")


def get_swagger_ui_oauth2_redirect_html() -> HTMLResponse:
    """The page where an authorization server sends the user back to.

    It runs in the window that Swagger UI opened, hands the answer (RFC 6749, sections
    4.1.2 and 4.2.2) over to it and closes.
    """
    return HTMLResponse(_REDIRECT_PAGE)


_REDIRECT_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>Swagger UI: OAuth2 Redirect</title>
</head>
<body>
<script>
  function report(request, level, message) {
    request.errCb({authId: request.auth.name, source: "auth", level, message})
  }

  function handOver(request) {
    const {auth, state, redirectUrl} = request
    const inFragment = /code|token|error/.test(location.hash)
    const text = inFragment ? location.hash.slice(1).replace("?", "&") : location.search.slice(1)
    // A plus sign stands for itself: tokens may have it.
    const answer = Object.fromEntries(new URLSearchParams(text.replaceAll("+", "%2B")))
    const isValid = answer.state === state
    const codeFlows = ["accessCode", "authorizationCode", "authorization_code"]
    if (!codeFlows.includes(auth.schema.get("flow")) || auth.code) {
      request.callback({auth, token: answer, isValid, redirectUrl})
      return
    }
    if (!isValid) {
      report(request, "warning", "The state that came back is not the one that was sent: "
        + "this answer may not belong to your request.")
    }
    if (answer.code) {
      delete request.state
      auth.code = answer.code
      request.callback({auth, redirectUrl})
    } else if (answer.error) {
      const parts = [`[${answer.error}]`, answer.error_description, answer.error_uri]
      report(request, "error", parts.filter(Boolean).join(": "))
    } else {
      report(request, "error", "The authorization server sent no code.")
    }
  }

  if (window.opener && window.opener.swaggerUIRedirectOauth2) {
    handOver(window.opener.swaggerUIRedirectOauth2)
    window.close()
  }
</script>
</body>
</html>
"""


def _escaped(text: str) -> str:
    """``text`` for HTML, in an attribute too."""
    for character, entity in (
        ("&", "&amp;"),
        ("<", "&lt;"),
        (">", "&gt;"),
        ('"', "&quot;"),
        ("'", "&#39;"),
    ):
        text = text.replace(character, entity)
    return text


def _script(value: Any) -> str:
    """``value`` as JSON that cannot end the script element that it stands in."""
    import json

    from fasterapi.encoders import jsonable_encoder

    text = json.dumps(jsonable_encoder(value))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _script_text(text: str) -> str:
    """``text`` as a literal of JavaScript in single quotes, where FastAPI has them."""
    return "'" + _script(str(text))[1:-1].replace("'", "\\u0027") + "'"
