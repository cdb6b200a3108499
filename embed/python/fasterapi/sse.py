"""Server-sent events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, model_validator

from fasterapi._event_format import (
    KEEPALIVE_COMMENT,
    format_sse_event,
    one_line,
    one_line_without_null,
)
from fasterapi._event_stream import SSE
from fasterapi.responses import StreamingResponse

__all__ = [
    "KEEPALIVE_COMMENT",
    "SSE",
    "EventSourceResponse",
    "ServerSentEvent",
    "format_sse_event",
]


class EventSourceResponse(StreamingResponse):
    """A stream of events.

    As ``response_class`` of a handler with ``yield`` each item becomes an event; else
    its content are the bytes of events, see ``format_sse_event``.
    """

    media_type = "text/event-stream"


def _event_name(text: str | None) -> str | None:
    return one_line("event", text)


def _event_id(text: str | None) -> str | None:
    return one_line_without_null("id", text)


class ServerSentEvent(BaseModel):
    """One event; yield it from a handler that answers ``EventSourceResponse``.

    ``data`` is sent as JSON, ``raw_data`` as it is; only one of them may be given.
    ``retry`` is in milliseconds.
    """

    data: Any = None
    raw_data: str | None = None
    event: Annotated[str | None, AfterValidator(_event_name)] = None
    id: Annotated[str | None, AfterValidator(_event_id)] = None
    retry: Annotated[int | None, Field(ge=0)] = None
    comment: str | None = None

    @model_validator(mode="after")
    def _only_one_kind_of_data(self) -> ServerSentEvent:
        if self.data is not None and self.raw_data is not None:
            raise ValueError(
                "Cannot set both 'data' and 'raw_data' on the same ServerSentEvent: "
                "'data' is sent as JSON, 'raw_data' as it is."
            )
        return self
