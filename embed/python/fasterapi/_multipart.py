"""Splits ``multipart/form-data`` (RFC 7578, RFC 2046 section 5.1) into events.

Bytes in, events out: no input or output, and work in proportion to the bytes,
however they are cut.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Event = tuple[int, object]

# The kinds of event and what comes with them.
PART_BEGIN = 0  # PartHeaders
PART_DATA = 1  # bytes
PART_END = 2  # None

_PREAMBLE, _BOUNDARY_END, _HEADERS, _BODY, _EPILOGUE = range(5)

# RFC 2046 allows 70; some clients exceed it.
MAX_BOUNDARY_BYTES = 256
MAX_PART_HEADER_BYTES = 8 * 1024


class MalformedForm(ValueError):
    """The body is not the form that its media type promises."""


class PartHeaders:
    """A part's fields, with the parameters of its ``Content-Disposition``."""

    __slots__ = ("filename", "name", "raw")

    def __init__(self, name: str, filename: str | None, raw: list[tuple[bytes, bytes]]) -> None:
        """``filename`` is ``None`` for a text field."""
        self.name = name
        self.filename = filename
        self.raw = raw


class PythonMultipartParser:
    """Fed with the body's chunks, then told that it has ended."""

    __slots__ = ("_buffer", "_delimiter", "_searched", "_state")

    def __init__(self, boundary: bytes) -> None:
        """Raises ``MalformedForm`` when the boundary is empty or too long."""
        if not 0 < len(boundary) <= MAX_BOUNDARY_BYTES:
            raise MalformedForm("Missing or invalid boundary in multipart.")
        self._delimiter = b"\r\n--" + boundary
        # The first delimiter needs no line before it; this stands for its CRLF.
        self._buffer = bytearray(b"\r\n")
        self._searched = 0
        self._state = _PREAMBLE

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that ``data`` completes; raises ``MalformedForm``."""
        if self._state == _EPILOGUE:
            return
        self._buffer += data
        start = 0
        while True:
            state = self._state
            if state in (_PREAMBLE, _BODY):
                # The buffer keeps what may be the beginning of a delimiter.
                end = self._buffer.find(self._delimiter, start)
                found = end >= 0
                if not found:
                    end = max(start, len(self._buffer) - len(self._delimiter) + 1)
                if state == _BODY and end > start:
                    yield PART_DATA, bytes(self._buffer[start:end])
                start = end
                if not found:
                    break
                start += len(self._delimiter)
                if state == _BODY:
                    yield PART_END, None
                self._state = _BOUNDARY_END
            elif state == _BOUNDARY_END:
                after = self._boundary_end(start)
                if after is None:
                    break
                start = after
            elif state == _HEADERS:
                headers_end = self._headers_end(start)
                if headers_end is None:
                    break
                yield PART_BEGIN, parse_part_headers(bytes(self._buffer[start:headers_end]))
                start = headers_end + 4
                self._state = _BODY
            else:
                start = len(self._buffer)
                break
        del self._buffer[:start]
        self._searched = max(0, self._searched - start)

    def finish(self) -> None:
        """Raises ``MalformedForm`` unless the last delimiter has been seen."""
        # Nothing at all is a form without fields.
        empty = self._state == _PREAMBLE and self._buffer == b"\r\n"
        if self._state != _EPILOGUE and not empty:
            raise MalformedForm("The form ends before its last boundary.")

    def _boundary_end(self, start: int) -> int | None:
        """Past the rest of a delimiter's line, or ``None`` until it is all there."""
        rest = self._buffer[start : start + 2]
        if rest == b"--":
            self._state = _EPILOGUE
            return start + 2
        if len(rest) < 2 and b"--".startswith(rest):
            return None
        end = self._buffer.find(b"\r\n", start, start + MAX_PART_HEADER_BYTES)
        line = bytes(self._buffer[start:] if end < 0 else self._buffer[start:end])
        # Transport padding: RFC 2046 lets spaces and tabs follow a boundary.
        if line.strip(b" \t") not in ((b"", b"\r") if end < 0 else (b"",)):
            raise MalformedForm("Unexpected bytes after a boundary.")
        if end < 0:
            if len(line) > MAX_PART_HEADER_BYTES:
                raise MalformedForm("Unexpected bytes after a boundary.")
            return None
        self._state = _HEADERS
        self._searched = end + 2
        return end + 2

    def _headers_end(self, start: int) -> int | None:
        """Where a part's fields end, or ``None`` until they are all there."""
        if self._buffer[start : start + 2] == b"\r\n":
            raise MalformedForm('The Content-Disposition header field "name" must be provided.')
        end = self._buffer.find(b"\r\n\r\n", max(start, self._searched - 3))
        self._searched = len(self._buffer)
        size = (len(self._buffer) if end < 0 else end) - start
        if size > MAX_PART_HEADER_BYTES:
            raise MalformedForm(f"A part's header exceeds {MAX_PART_HEADER_BYTES} bytes.")
        return None if end < 0 else end


class _RustMultipartParser:
    """The same, split by Rust."""

    __slots__ = ("_parser",)

    def __init__(self, boundary: bytes) -> None:
        from fasterapi._core import MultipartParser as Parser

        try:
            self._parser = Parser(boundary)
        except ValueError as error:
            raise MalformedForm(str(error)) from None

    def feed(self, data: bytes) -> list[Event]:
        try:
            return with_heads(self._parser.feed(data))
        except ValueError as error:
            raise MalformedForm(str(error)) from None

    def finish(self) -> None:
        try:
            self._parser.finish()
        except ValueError as error:
            raise MalformedForm(str(error)) from None


def with_heads(events: list[tuple[int, bytes]]) -> list[Event]:
    """Rust's events, the parts' heads parsed; raises ``MalformedForm``."""
    parsed: list[Event] = events  # type: ignore[assignment]
    for index, (kind, value) in enumerate(events):
        if kind == PART_BEGIN:
            parsed[index] = (kind, parse_part_headers(value))
    return parsed


def multipart_parser(boundary: bytes) -> PythonMultipartParser | _RustMultipartParser:
    """A parser of multipart bodies; raises ``MalformedForm`` for an impossible boundary."""
    if _has_rust():
        return _RustMultipartParser(boundary)
    return PythonMultipartParser(boundary)


def _has_rust() -> bool:
    try:
        from fasterapi import _core
    except ImportError:
        return False
    return hasattr(_core, "MultipartParser")


def parse_part_headers(block: bytes) -> PartHeaders:
    """Parse the fields before a part's body; raises ``MalformedForm``."""
    raw = []
    disposition = None
    for line in block.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if not colon or not name or name != name.strip() or b"\n" in line or b"\0" in line:
            raise MalformedForm("A part's header is malformed.")
        name, value = name.lower(), value.strip(b" \t")
        raw.append((name, value))
        if name == b"content-disposition":
            disposition = value
    kind, parameters = parse_parameters(decode_text(disposition or b""))
    if kind != "form-data" or "name" not in parameters:
        raise MalformedForm('The Content-Disposition header field "name" must be provided.')
    filename = parameters.get("filename")
    if "filename*" in parameters:
        # RFC 7578 forbids it, yet old clients send it for names beyond ASCII.
        filename = _decode_extended(parameters["filename*"], filename)
    return PartHeaders(parameters["name"], filename, raw)


def decode_text(data: bytes) -> str:
    """UTF-8, as browsers send it; Latin-1, which never fails, for the rest."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def parse_parameters(field: str) -> tuple[str, dict[str, str]]:
    r"""Split ``value; name=token; name="quoted"`` (RFC 9110, section 5.6.6).

    The value and the names become lower case. In quoted text only ``\"`` and
    ``\\`` are escapes, because old browsers send Windows paths unescaped.
    """
    value, _, rest = field.partition(";")
    parameters: dict[str, str] = {}
    start = 0
    while start < len(rest):
        equals = rest.find("=", start)
        semicolon = rest.find(";", start)
        if equals < 0 or 0 <= semicolon < equals:
            if semicolon < 0:
                break
            start = semicolon + 1
            continue
        name = rest[start:equals].strip().lower()
        start = equals + 1
        while start < len(rest) and rest[start] in " \t":
            start += 1
        if rest[start : start + 1] == '"':
            text, start = _quoted(rest, start + 1)
            semicolon = rest.find(";", start)
        else:
            semicolon = rest.find(";", start)
            text = rest[start:].strip() if semicolon < 0 else rest[start:semicolon].strip()
        parameters.setdefault(name, text)
        start = len(rest) if semicolon < 0 else semicolon + 1
    return value.strip().lower(), parameters


def _quoted(text: str, start: int) -> tuple[str, int]:
    """The quoted text from ``start`` and the place after its closing quote."""
    parts: list[str] = []
    index = start
    while index < len(text):
        character = text[index]
        if character == '"':
            return "".join(parts), index + 1
        if character == "\\" and text[index + 1 : index + 2] in ('"', "\\"):
            index += 1
            character = text[index]
        parts.append(character)
        index += 1
    raise MalformedForm("A quoted parameter is not closed.")


def _decode_extended(value: str, fallback: str | None) -> str | None:
    """``charset'language'percent-encoded`` (RFC 8187)."""
    from urllib.parse import unquote

    parts = value.split("'", 2)
    if len(parts) != 3:
        return fallback
    try:
        return unquote(parts[2], encoding=parts[0], errors="strict")
    except (LookupError, UnicodeDecodeError):
        return fallback
