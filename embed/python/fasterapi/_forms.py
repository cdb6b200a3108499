"""Forms: reads a request's body as fields and files, within bounds."""

from __future__ import annotations

from fasterapi._headers import Headers
from fasterapi._multipart import (
    PART_BEGIN,
    PART_DATA,
    MalformedForm,
    PartHeaders,
    decode_text,
    multipart_parser,
    parse_parameters,
)
from fasterapi.datastructures import FormData, UploadFile
from fasterapi.exceptions import HTTPException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterable
    from types import TracebackType
    from typing import Any

    from fasterapi._multipart import Event
    from fasterapi.requests import Request

# Past this, a file moves from memory to disk.
MAX_FILE_BYTES_IN_MEMORY = 1024 * 1024


class FormReading:
    """Reading a form: ``await request.form()``, or ``async with`` to close its files."""

    __slots__ = ("_bounds", "_form", "_request")

    def __init__(
        self, request: Request, max_files: int, max_fields: int, max_part_size: int
    ) -> None:
        """Nothing is read yet."""
        self._request = request
        self._bounds = (max_files, max_fields, max_part_size)
        self._form: FormData | None = None

    def __await__(self) -> Generator[Any, None, FormData]:
        """The form; kept with the request, so it may be asked for again."""
        return self._read().__await__()

    async def __aenter__(self) -> FormData:
        """As ``await``."""
        self._form = await self._read()
        return self._form

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the files."""
        if self._form is not None:
            await self._form.close()

    async def _read(self) -> FormData:
        request = self._request
        kept: FormData | None = getattr(request, "_form", None)
        if kept is None:
            content_type = request.headers.get("content-type", "")
            kept = await parse_form(
                content_type,
                request.stream(),
                *self._bounds,
                events_of=getattr(request, "_multipart_events", None),
            )
            request._form = kept
        return kept


async def parse_form(
    content_type: str,
    chunks: AsyncIterator[bytes],
    max_files: int = 1000,
    max_fields: int = 1000,
    max_part_size: int = 1024 * 1024,
    events_of: Callable[[bytes], AsyncIterator[list[Event]] | None] | None = None,
) -> FormData:
    """Read a form of either media type from ``chunks``.

    ``events_of`` may give what a multipart body with that boundary contains, where it is
    split before it gets here. Raises ``HTTPException(400)`` when it is malformed or
    exceeds a bound; the files read so far are closed then, as on every other error.
    """
    form = _FormBuilder(max_files, max_fields, max_part_size)
    try:
        kind, parameters = parse_parameters(content_type)
        if kind == "multipart/form-data":
            if "boundary" not in parameters:
                raise MalformedForm("Missing boundary in multipart.")
            boundary = parameters["boundary"].encode("latin-1")
            batches = None if events_of is None else events_of(boundary)
            async for events in _split(boundary, chunks) if batches is None else batches:
                for event, value in events:
                    await form.handle(event, value)
        elif kind == "application/x-www-form-urlencoded":
            fields = _UrlencodedFields(form)
            async for chunk in chunks:
                fields.feed(chunk)
            fields.finish()
    except BaseException as error:
        await form.close()
        if isinstance(error, MalformedForm):
            raise HTTPException(400, str(error)) from None
        raise
    return FormData(form.fields)


async def _split(boundary: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[Iterable[Event]]:
    parser = multipart_parser(boundary)
    async for chunk in chunks:
        yield parser.feed(chunk)
    parser.finish()


class _FormBuilder:
    """Collects fields and files and counts them."""

    __slots__ = ("_file", "_held", "_part", "_text", "_text_size", "bounds", "counts", "fields")

    def __init__(self, max_files: int, max_fields: int, max_part_size: int) -> None:
        self.fields: list[tuple[str, str | UploadFile]] = []
        self.bounds = (max_files, max_fields, max_part_size)
        self.counts = [0, 0]  # files, fields
        self._part: PartHeaders | None = None
        # A file is made when it has ended, unless it comes in several pieces.
        self._file: UploadFile | None = None
        self._held = b""
        self._text: list[bytes] = []
        self._text_size = 0

    def count(self, index: int, what: str) -> None:
        """One more file (0) or field (1); raises ``MalformedForm`` past the bound."""
        self.counts[index] += 1
        if self.counts[index] > self.bounds[index]:
            bound = self.bounds[index]
            raise MalformedForm(f"Too many {what}. Maximum number of {what} is {bound}.")

    def too_large(self) -> MalformedForm:
        """The error for a text field past its bound."""
        return MalformedForm(f"A field exceeds the maximum size of {self.bounds[2]} bytes.")

    async def handle(self, event: int, value: object) -> None:
        """Take one event of the parser."""
        if event == PART_BEGIN:
            assert isinstance(value, PartHeaders)
            self._begin(value)
        elif event == PART_DATA:
            assert isinstance(value, bytes)
            assert self._part is not None
            if self._part.filename is not None:
                await self._write(value)
                return
            self._text_size += len(value)
            if self._text_size > self.bounds[2]:
                raise self.too_large()
            self._text.append(value)
        else:
            await self._end()

    def _begin(self, part: PartHeaders) -> None:
        self._part = part
        if part.filename is None:
            self.count(1, "fields")
            self._text, self._text_size = [], 0
            return
        self.count(0, "files")
        self._file, self._held = None, b""

    async def _write(self, content: bytes) -> None:
        if self._file is None:
            if not self._held and len(content) <= MAX_FILE_BYTES_IN_MEMORY:
                self._held = content
                return
            self._file = self._new_file()
            await self._file.seek(len(self._held))
        await self._file.write(content)

    def _new_file(self) -> UploadFile:
        """The present part's file, with what is held in it."""
        assert self._part is not None
        file = UploadFile(
            _spooled(self._held),
            size=len(self._held),
            filename=self._part.filename,
            headers=Headers(raw=self._part.raw),
        )
        self.fields.append((self._part.name, file))
        return file

    async def _end(self) -> None:
        assert self._part is not None
        if self._part.filename is not None:
            if self._file is None:
                self._new_file()
            else:
                await self._file.seek(0)
            self._file, self._held = None, b""
        else:
            self.fields.append((self._part.name, decode_text(b"".join(self._text))))
            self._text = []

    async def close(self) -> None:
        """Close every file, because the form is given up."""
        for _, value in self.fields:
            if isinstance(value, UploadFile):
                await value.close()


def _spooled(content: bytes) -> Any:
    """A ``SpooledTemporaryFile`` with ``content``, at its start."""
    from io import BytesIO
    from tempfile import SpooledTemporaryFile

    file: Any = SpooledTemporaryFile(max_size=MAX_FILE_BYTES_IN_MEMORY)  # noqa: SIM115
    if type(getattr(file, "_file", None)) is BytesIO:
        # This one shares the bytes with whoever gave them and whoever reads all of them.
        file._file = BytesIO(content)
    else:
        file.write(content)
        file.seek(0)
    return file


class _UrlencodedFields:
    """``name=value&...``, percent-encoded UTF-8 (WHATWG URL, section 5.1)."""

    __slots__ = ("_form", "_pieces", "_size")

    def __init__(self, form: _FormBuilder) -> None:
        self._form = form
        self._pieces: list[bytes] = []  # of the field that is still arriving
        self._size = 0

    def feed(self, data: bytes) -> None:
        """Take a chunk; raises ``MalformedForm`` past the bounds."""
        *whole, rest = data.split(b"&")
        for piece in whole:
            self._keep(piece)
            self.finish()
        self._keep(rest)

    def _keep(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        # A byte may be written as three, in the name and in the value.
        if self._size > 6 * self._form.bounds[2] + 1:
            raise self._form.too_large()

    def finish(self) -> None:
        """The field that was arriving is whole."""
        from urllib.parse import unquote_to_bytes

        field = b"".join(self._pieces)
        self._pieces, self._size = [], 0
        if not field:
            return
        self._form.count(1, "fields")
        name, _, value = (part for part in field.replace(b"+", b" ").partition(b"="))
        name, value = unquote_to_bytes(name), unquote_to_bytes(value)
        if max(len(name), len(value)) > self._form.bounds[2]:
            raise self._form.too_large()
        text = name.decode(errors="replace"), value.decode(errors="replace")
        self._form.fields.append(text)
