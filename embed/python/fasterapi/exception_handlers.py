"""How the framework answers the errors that it raises itself."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fasterapi.exceptions import (
        HTTPException,
        RequestValidationError,
        WebSocketRequestValidationError,
    )
    from fasterapi.requests import Request
    from fasterapi.responses import JSONResponse, Response
    from fasterapi.websockets import WebSocket

__all__ = [
    "http_exception_handler",
    "request_validation_exception_handler",
    "websocket_request_validation_exception_handler",
]

# RFC 6455, section 7.4.1: the message does not meet the endpoint's policy.
_POLICY_VIOLATION = 1008


async def http_exception_handler(request: Request, exc: HTTPException) -> Response:
    """Answer with the exception's status and ``{"detail": ...}``."""
    from fasterapi.responses import JSONResponse, Response, may_have_body

    headers = getattr(exc, "headers", None)
    if not may_have_body(exc.status_code):
        return Response(status_code=exc.status_code, headers=headers)
    return JSONResponse({"detail": exc.detail}, status_code=exc.status_code, headers=headers)


async def request_validation_exception_handler(
    request: Request, exc: RequestValidationError
) -> JSONResponse:
    """Answer with 422 and the list of errors.

    They repeat what the client has sent, which JSON may not be able to say again (NaN,
    half of a surrogate pair): such values are sent as texts.
    """
    from fasterapi.encoders import jsonable_encoder
    from fasterapi.responses import JSONResponse

    errors = jsonable_encoder(exc.errors())
    try:
        return JSONResponse({"detail": errors}, status_code=422)
    except ValueError:
        return JSONResponse({"detail": _sayable(errors)}, status_code=422)


def _sayable(value: Any) -> Any:
    """``value`` without what JSON cannot say."""
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_sayable(key): _sayable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_sayable(item) for item in value]
    return value


async def websocket_request_validation_exception_handler(
    websocket: WebSocket, exc: WebSocketRequestValidationError
) -> None:
    """Close the WebSocket with 1008; the reason lists the errors."""
    from fasterapi.encoders import jsonable_encoder

    await websocket.close(code=_POLICY_VIOLATION, reason=jsonable_encoder(exc.errors()))
