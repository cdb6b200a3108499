"""The text of a server-sent event (WHATWG HTML, section 9.2)."""

from __future__ import annotations

__all__ = ["KEEPALIVE_COMMENT", "format_sse_event", "one_line", "one_line_without_null"]

# A comment: clients ignore it, proxies see that the connection is alive.
KEEPALIVE_COMMENT = b": ping\n\n"


def one_line(name: str, text: str | None) -> str | None:
    """``text``; raises ``ValueError`` when it has a line break."""
    if text is not None and ("\r" in text or "\n" in text):
        raise ValueError(f"SSE '{name}' must be a single line")
    return text


def one_line_without_null(name: str, text: str | None) -> str | None:
    """``text``; raises ``ValueError`` when it has a line break or a null character."""
    if text is not None and "\0" in text:
        raise ValueError(f"SSE '{name}' must not contain null characters")
    return one_line(name, text)


def _lines(text: str) -> list[str]:
    # The three line ends of the format; str.splitlines knows more.
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def format_sse_event(
    *,
    data_str: str | None = None,
    event: str | None = None,
    id: str | None = None,  # noqa: A002 - FastAPI's name
    retry: int | None = None,
    comment: str | None = None,
) -> bytes:
    """The bytes of one event. ``event`` and ``id`` must be single lines."""
    lines = [f": {line}" for line in _lines(comment)] if comment is not None else []
    if event is not None:
        lines.append(f"event: {event}")
    if data_str is not None:
        lines += [f"data: {line}" for line in _lines(data_str)]
    if id is not None:
        lines.append(f"id: {id}")
    if retry is not None:
        lines.append(f"retry: {retry}")
    return "\n".join([*lines, "", ""]).encode()
