"""Sends a file over ASGI: its validators, conditions and byte ranges (RFC 9110).

Rust has its own way for the files that it sends itself.
"""

from __future__ import annotations

import os
import stat

from fasterapi._answer import denial_send, knows_disconnects, send_start, until_disconnect
from fasterapi._headers import Headers, MutableHeaders
from fasterapi.concurrency import run_in_threadpool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from fasterapi.responses import FileResponse, Receive, Scope, Send

__all__ = ["add_validators", "is_not_modified", "send_file"]

# A request for more ranges gets the whole file (RFC 9110, section 14.2).
RANGES_MAX = 100


class _BadRange(Exception):
    """The ``Range`` field cannot be served: the status and text of the answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def add_validators(response: FileResponse, found: os.stat_result) -> None:
    """Add the length, the date and the entity tag of the file that ``found`` is of."""
    from email.utils import formatdate
    from hashlib import md5

    version = f"{found.st_mtime}-{found.st_size}"
    tag = md5(version.encode(), usedforsecurity=False).hexdigest()
    headers = response.headers
    headers.setdefault("accept-ranges", "bytes")
    headers.setdefault("content-length", str(found.st_size))
    headers.setdefault("last-modified", formatdate(found.st_mtime, usegmt=True))
    headers.setdefault("etag", f'"{tag}"')


def is_not_modified(validators: Headers, request: Headers) -> bool:
    """Whether the client has this version (RFC 9110, section 13.2.2)."""
    given = request.get("if-none-match")
    if given is not None:
        tags = [tag.strip().removeprefix("W/") for tag in given.split(",")]
        return given.strip() == "*" or validators.get("etag") in tags
    since = request.get("if-modified-since")
    modified = validators.get("last-modified")
    if since is None or modified is None:
        return False
    from email.utils import parsedate

    then, last = parsedate(since), parsedate(modified)
    return then is not None and last is not None and then >= last


async def send_file(response: FileResponse, scope: Scope, receive: Receive, send: Send) -> None:
    """Send the file, or what the request's ``Range`` asks of it.

    Raises ``RuntimeError`` when the path names no ordinary file.
    """
    found = response.stat_result
    if found is None:
        found = await _stat(response.path)
    add_validators(response, found)
    if scope["type"] == "websocket":
        await _send_whole(response, denial_send(send), head_only=False)
        return
    head_only = scope["method"].upper() == "HEAD"
    try:
        ranges = _ranges(response, scope, found.st_size)
    except _BadRange as error:
        await _refuse(error, found.st_size, scope, receive, send)
        return
    if not ranges:
        sending = _send_whole(response, send, head_only)
    elif len(ranges) == 1:
        sending = _send_range(response, send, ranges[0], found.st_size, head_only)
    else:
        sending = _send_ranges(response, send, ranges, found.st_size, head_only)
    if head_only or knows_disconnects(scope):
        await sending
    else:
        await until_disconnect(sending, receive)


async def _stat(path: str) -> os.stat_result:
    try:
        found = await run_in_threadpool(os.stat, path)
    except FileNotFoundError:
        raise RuntimeError(f"File at path {path} does not exist.") from None
    if not stat.S_ISREG(found.st_mode):
        raise RuntimeError(f"File at path {path} is not a file.")
    return found


async def _refuse(error: _BadRange, size: int, scope: Scope, receive: Receive, send: Send) -> None:
    from fasterapi.responses import PlainTextResponse

    headers = {"content-range": f"bytes */{size}"} if error.status == 416 else None
    await PlainTextResponse(error.text, error.status, headers)(scope, receive, send)


def _ranges(response: FileResponse, scope: Scope, size: int) -> list[tuple[int, int]]:
    """What is asked for, in order and without overlaps; empty for the whole file."""
    headers = Headers(scope=scope)
    asked = headers.get("range")
    if asked is None or response.status_code != 200 or scope["method"] not in ("GET", "HEAD"):
        return []
    condition = headers.get("if-range")
    if condition is not None and condition not in (
        response.headers["etag"],
        response.headers["last-modified"],
    ):
        return []
    unit, equals, texts = asked.partition("=")
    if not equals:
        raise _BadRange(400, "Malformed range header.")
    if unit.strip().lower() != "bytes":
        raise _BadRange(400, "Only support bytes range")
    if texts.count(",") >= RANGES_MAX:
        return []
    found = [one for text in texts.split(",") if (one := _one_range(text, size)) is not None]
    if not found:
        raise _BadRange(400, "Range header: range must be requested")
    if any(start >= size for start, _ in found):
        raise _BadRange(416, "")
    if any(start >= end for start, end in found):
        raise _BadRange(400, "Range header: start must be less than end")
    return _merged(sorted(found)) if len(found) > 1 else found


def _one_range(text: str, size: int) -> tuple[int, int] | None:
    """Start and end (not included); ``None`` for what is no range at all."""
    first, dash, last = (part.strip() for part in text.partition("-"))
    if not dash or not (first or last):
        return None
    if not all(part.isascii() and part.isdigit() for part in (first, last) if part):
        return None
    if not first:
        return max(size - int(last), 0), size
    return int(first), min(int(last) + 1, size) if last else size


def _merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged = ranges[:1]
    for start, end in ranges[1:]:
        before, until = merged[-1]
        if start <= until:
            merged[-1] = before, max(end, until)
        else:
            merged.append((start, end))
    return merged


async def _send_whole(response: FileResponse, send: Send, head_only: bool) -> None:
    await send_start(response, send)
    if not head_only:
        file = await run_in_threadpool(open, response.path, "rb")
        try:
            while chunk := await run_in_threadpool(file.read, response.chunk_size):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        finally:
            file.close()
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_range(
    response: FileResponse, send: Send, one: tuple[int, int], size: int, head_only: bool
) -> None:
    start, end = one
    headers = MutableHeaders(raw=response.raw_headers)
    headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
    headers["content-length"] = str(end - start)
    await send_start(response, send, 206)
    if not head_only:
        file = await run_in_threadpool(open, response.path, "rb")
        try:
            await _send_part(file, response, send, start, end)
        finally:
            file.close()
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_part(
    file: BinaryIO, response: FileResponse, send: Send, start: int, end: int
) -> None:
    file.seek(start)
    while start < end:
        chunk = await run_in_threadpool(file.read, min(response.chunk_size, end - start))
        if not chunk:
            raise RuntimeError(f"File at path {response.path} is shorter than expected.")
        start += len(chunk)
        await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _send_ranges(
    response: FileResponse, send: Send, ranges: list[tuple[int, int]], size: int, head_only: bool
) -> None:
    """Several parts, as ``multipart/byteranges`` (RFC 9110, section 14.6)."""
    from secrets import token_hex

    boundary = token_hex(13)
    kind = response.headers["content-type"]
    heads = [
        f"--{boundary}\r\nContent-Type: {kind}\r\n"
        f"Content-Range: bytes {start}-{end - 1}/{size}\r\n\r\n".encode("latin-1")
        for start, end in ranges
    ]
    last = f"--{boundary}--".encode("ascii")
    parts = sum(len(head) + 2 for head in heads) + sum(end - start for start, end in ranges)
    headers = MutableHeaders(raw=response.raw_headers)
    headers["content-type"] = f"multipart/byteranges; boundary={boundary}"
    headers["content-length"] = str(parts + len(last))
    await send_start(response, send, 206)
    if head_only:
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return
    file = await run_in_threadpool(open, response.path, "rb")
    try:
        for head, (start, end) in zip(heads, ranges, strict=True):
            await send({"type": "http.response.body", "body": head, "more_body": True})
            await _send_part(file, response, send, start, end)
            await send({"type": "http.response.body", "body": b"\r\n", "more_body": True})
    finally:
        file.close()
    await send({"type": "http.response.body", "body": last, "more_body": False})
