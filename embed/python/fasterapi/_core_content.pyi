"""The Rust side: forms that are split, and JSON that is written by a schema."""

from typing import Any

from fasterapi._core import Wait

class FormReader:
    """Splits a body, a multipart form, while it arrives."""

    def pull(self) -> bool:
        """Take what has arrived; whether ``take`` has something to say."""

    def arrival(self) -> Wait:
        """Done when ``take`` has something to say."""

    def take(self) -> list[tuple[int, bytes]] | None:
        """Events as ``MultipartParser.feed`` gives them; ``None`` at the form's end.

        Raises ``ValueError`` for a malformed form, ``OverflowError`` past the bound and
        ``ClientDisconnect``.
        """

class JsonWriter:
    """Writes values as JSON of which a schema says what they are; see ``_json_writer``."""

    def __init__(self, shape: tuple[Any, ...], /) -> None:
        """Raises ``ValueError`` and ``TypeError`` for what is no shape."""

    def write(self, value: object, /) -> bytes | None:
        """The JSON of ``value``; ``None`` if it is not exactly what the shape says."""

class MultipartParser:
    """Splits a multipart form (RFC 7578); as ``_multipart.PythonMultipartParser``."""

    def __init__(self, boundary: bytes, /) -> None:
        """Raises ``ValueError`` when the boundary is empty or too long."""

    def feed(self, data: bytes, /) -> list[tuple[int, bytes]]:
        """The kinds of event that ``data`` completes, each with its bytes.

        Raises ``ValueError`` for a malformed form.
        """

    def finish(self) -> None:
        """Raises ``ValueError`` unless the last boundary has been seen."""
